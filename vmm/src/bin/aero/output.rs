//! Files that a run leaves behind.

use std::fs::File;
use std::io::BufWriter;

use aero_bus::display::Frame;
use aero_vmm::Machine;

/// Writes the screen as a PNG file.
pub fn save_screenshot(machine: &Machine, path: &str) -> Result<(), String> {
    let mut frame = Frame::default();
    machine.screenshot(&mut frame);
    if frame.pixels.is_empty() {
        return Err(format!("{path}: there is nothing on the screen"));
    }
    let mut rgb = Vec::with_capacity(frame.pixels.len() * 3);
    for pixel in &frame.pixels {
        rgb.extend_from_slice(&pixel.to_be_bytes()[1..]);
    }
    let file = File::create(path).map_err(|e| format!("{path}: {e}"))?;
    let mut encoder = png::Encoder::new(BufWriter::new(file), frame.width, frame.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&rgb))
        .map_err(|e| format!("{path}: {e}"))
}

/// Writes the statistics as JSON.
pub fn save_stats(machine: &Machine, path: &str) -> Result<(), String> {
    let text = serde_json::to_string_pretty(&machine.stats()).map_err(|e| e.to_string())?;
    std::fs::write(path, text + "\n").map_err(|e| format!("{path}: {e}"))
}
