//! What a display adapter shows.

/// A picture, one `0x00RRGGBB` word a pixel, rows from the top, no padding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `width × height` pixels.
    pub pixels: Vec<u32>,
}

impl Frame {
    /// Gives the frame another size; its pixels are black after a change.
    pub fn resize(&mut self, width: u32, height: u32) {
        if (self.width, self.height) != (width, height) {
            (self.width, self.height) = (width, height);
            self.pixels.clear();
            self.pixels.resize(width as usize * height as usize, 0);
        }
    }
}

/// A display adapter's output.
pub trait Scanout {
    /// Draws what is on the screen now. Returns whether anything changed since the last call with this
    /// frame; after `false` the frame's pixels are as they were.
    fn render(&mut self, frame: &mut Frame) -> bool;

    /// The characters on the screen when it is in a text mode, a line a row, spaces at the ends of
    /// lines taken off. For tests and for people who read with a program.
    fn text(&self) -> Option<String>;
}
