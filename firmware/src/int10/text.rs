//! Text: the cursor, pages, scrolling, and writing characters, in text and in graphics modes.

use super::modes::{self, Layout, Mode};
use super::vga::crtc;
use crate::bda::at;
use crate::device::{Firmware, Service};
use crate::frame::Frame;

/// A place on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub column: u8,
    pub row: u8,
}

/// A rectangle of cells, its edges included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub left: u8,
    pub top: u8,
    pub right: u8,
    pub bottom: u8,
}

/// Control characters of the teletype.
mod control {
    pub const BELL: u8 = 0x07;
    pub const BACKSPACE: u8 = 0x08;
    pub const LINE_FEED: u8 = 0x0a;
    pub const RETURN: u8 = 0x0d;
}

const PAGES: u8 = 8;

impl Firmware {
    /// The VGA mode on the screen; `None` in a VESA mode.
    pub(super) fn mode(&self) -> Option<&'static Mode> {
        if self.state.video.vbe_mode != 0 {
            return None;
        }
        modes::find(self.machine.read8(at::VIDEO_MODE) & 0x7f)
    }

    pub(super) fn columns(&self) -> u8 {
        match self.machine.read16(at::COLUMNS) {
            columns @ 1..=255 => columns as u8,
            _ => 80,
        }
    }

    /// Rows on the screen; the BDA holds one less.
    pub(super) fn rows(&self) -> u8 {
        match self.machine.read8(at::ROWS) {
            0 | 255 => 25,
            last => last + 1,
        }
    }

    pub(super) fn active_page(&self) -> u8 {
        self.machine.read8(at::ACTIVE_PAGE) % PAGES
    }

    pub(super) fn cursor(&self, page: u8) -> Cell {
        let [column, row] = self.machine.read(at::CURSORS + 2 * u64::from(page % PAGES));
        Cell { column, row }
    }

    /// Moves the cursor of a page; on the screen if that is the page shown.
    pub(super) fn set_cursor(&self, page: u8, cell: Cell) {
        let page = page % PAGES;
        self.machine.write(at::CURSORS + 2 * u64::from(page), &[cell.column, cell.row]);
        if page == self.active_page() {
            self.show_cursor();
        }
    }

    fn show_cursor(&self) {
        let page = self.active_page();
        let cell = self.cursor(page);
        let start = self.machine.read16(at::PAGE_START) / 2;
        let within = u16::from(cell.row) * u16::from(self.columns()) + u16::from(cell.column);
        self.set_crtc16(crtc::CURSOR_HIGH, start.wrapping_add(within));
    }

    /// AH = 01h: CH and CL are the first and last line, as if glyphs had eight rows.
    pub(super) fn cursor_shape(&self, f: &Frame) {
        const NO_EMULATION: u8 = 1 << 0;
        const OFF: u8 = 0x20;
        self.machine.write16(at::CURSOR_SHAPE, f.cx());
        let (mut first, mut last) = (f.ch() & 0x3f, f.cl() & 0x1f);
        let height = u16::from(self.machine.read8(at::GLYPH_HEIGHT));
        let emulate = self.machine.read8(at::VIDEO_OPTIONS) & NO_EMULATION == 0;
        if emulate && height > 8 && last < 8 && first < OFF {
            let scale = |line: u8| ((u16::from(line) + 1) * height / 8 - 1) as u8;
            let underline = last == first + 1;
            first = if underline { scale(last).saturating_sub(1) } else { scale(first) };
            last = scale(last);
        }
        self.set_crtc(crtc::CURSOR_START, first);
        self.set_crtc(crtc::CURSOR_END, last);
    }

    /// AH = 05h.
    pub(super) fn select_page(&self, page: u8) {
        let Some(mode) = self.mode() else { return };
        if page >= mode.pages {
            return;
        }
        let start = self.machine.read16(at::PAGE_SIZE).wrapping_mul(page.into());
        self.machine.write16(at::PAGE_START, start);
        self.machine.write8(at::ACTIVE_PAGE, page);
        let shown = if mode.layout == Layout::Text { start / 2 } else { start };
        self.set_crtc16(crtc::START_HIGH, shown);
        self.show_cursor();
    }

    /// Linear address of a cell in text modes.
    pub(super) fn cell_address(&self, mode: &Mode, page: u8, cell: Cell) -> u64 {
        let page_size = u64::from(self.machine.read16(at::PAGE_SIZE));
        let columns = u64::from(self.columns());
        let within = (u64::from(cell.row) * columns + u64::from(cell.column)) * 2;
        // The window wraps at 32 KiB, whatever the BDA has been made to say.
        (u64::from(mode.segment) << 4) + (page_size * u64::from(page) + within) % 0x8000
    }

    /// AH = 06h and 07h: moves the rows of an area up or down and fills with `attribute`.
    pub(super) fn scroll(&self, page: u8, area: Area, lines: u8, attribute: u8, up: bool) {
        let Some(mode) = self.mode() else { return };
        let area = Area {
            right: area.right.min(self.columns() - 1),
            bottom: area.bottom.min(self.rows() - 1),
            ..area
        };
        if area.left > area.right || area.top > area.bottom {
            return;
        }
        let height = area.bottom - area.top + 1;
        let lines = if lines == 0 || lines > height { height } else { lines };
        let kept = height - lines;
        for step in 0..kept {
            let (from, to) = if up {
                (area.top + lines + step, area.top + step)
            } else {
                (area.bottom - lines - step, area.bottom - step)
            };
            self.copy_row(mode, page, area, from, to);
        }
        let blank =
            if up { area.top + kept..=area.bottom } else { area.top..=area.top + lines - 1 };
        for row in blank {
            self.fill_row(mode, page, area, row, attribute);
        }
    }

    fn copy_row(&self, mode: &Mode, page: u8, area: Area, from: u8, to: u8) {
        if mode.layout != Layout::Text {
            return self.copy_pixel_row(mode, page, area, from, to);
        }
        let at = |row| self.cell_address(mode, page, Cell { column: area.left, row });
        let mut cells = vec![0; 2 * usize::from(area.right - area.left + 1)];
        self.machine.memory.read(at(from), &mut cells);
        self.machine.write(at(to), &cells);
    }

    fn fill_row(&self, mode: &Mode, page: u8, area: Area, row: u8, attribute: u8) {
        if mode.layout != Layout::Text {
            return self.fill_pixel_row(mode, page, area, row, attribute);
        }
        let at = self.cell_address(mode, page, Cell { column: area.left, row });
        let cells = [b' ', attribute].repeat(usize::from(area.right - area.left + 1));
        self.machine.write(at, &cells);
    }

    /// AH = 08h: character and attribute under the cursor.
    pub(super) fn read_cell(&self, page: u8) -> (u8, u8) {
        let Some(mode) = self.mode() else { return (0, 0) };
        let cell = self.cursor(page);
        if mode.layout != Layout::Text {
            return (self.read_glyph(mode, page, cell), 0);
        }
        let [character, attribute] = self.machine.read(self.cell_address(mode, page, cell));
        (character, attribute)
    }

    /// Writes a character; `None` leaves the attribute as it is.
    pub(super) fn put(&self, page: u8, cell: Cell, character: u8, attribute: Option<u8>) {
        let Some(mode) = self.mode() else { return };
        if mode.layout != Layout::Text {
            return self.draw_glyph(mode, page, cell, character, attribute.unwrap_or(7));
        }
        let at = self.cell_address(mode, page, cell);
        self.machine.write8(at, character);
        if let Some(attribute) = attribute {
            self.machine.write8(at + 1, attribute);
        }
    }

    /// AH = 09h and 0Ah: the same character `count` times from the cursor on, which stays.
    pub(super) fn repeat(&self, page: u8, character: u8, attribute: Option<u8>, count: u16) {
        let columns = self.columns();
        let mut cell = self.cursor(page);
        for _ in 0..count {
            if cell.row >= self.rows() {
                return;
            }
            self.put(page, cell, character, attribute);
            cell.column += 1;
            if cell.column >= columns {
                cell = Cell { column: 0, row: cell.row + 1 };
            }
        }
    }

    /// Writes a character of a terminal at the cursor and moves it.
    pub(super) fn teletype_on(&self, page: u8, character: u8, attribute: Option<u8>) {
        let (columns, rows) = (self.columns(), self.rows());
        let mut cell = self.cursor(page);
        cell.column = cell.column.min(columns - 1);
        cell.row = cell.row.min(rows - 1);
        match character {
            control::BELL => return,
            control::BACKSPACE => cell.column = cell.column.saturating_sub(1),
            control::RETURN => cell.column = 0,
            control::LINE_FEED => cell.row += 1,
            _ => {
                self.put(page, cell, character, attribute);
                cell.column += 1;
                if cell.column == columns {
                    cell = Cell { column: 0, row: cell.row + 1 };
                }
            }
        }
        if cell.row >= rows {
            cell.row = rows - 1;
            let text = self.mode().is_some_and(|mode| mode.layout == Layout::Text);
            // New lines have the colour of the one they follow.
            let fill = if text {
                self.mode()
                    .map_or(7, |mode| self.machine.read8(self.cell_address(mode, page, cell) + 1))
            } else {
                0
            };
            let area = Area { left: 0, top: 0, right: columns - 1, bottom: rows - 1 };
            self.scroll(page, area, 1, fill, true);
        }
        self.set_cursor(page, cell);
    }

    /// The same on the page shown, for the firmware's own words.
    pub(crate) fn teletype(&self, character: u8) {
        self.teletype_on(self.active_page(), character, None);
    }

    /// AH = 13h: AL bit 0 moves the cursor, bit 1: attributes are between the characters.
    pub(super) fn write_string(&mut self, f: &Frame) -> Service {
        const MOVE: u8 = 1 << 0;
        const ATTRIBUTES: u8 = 1 << 1;
        let mixed = f.al() & ATTRIBUTES != 0;
        // No screen has more cells than 32767.
        let len = f.cx().min(0x7fff) * if mixed { 2 } else { 1 };
        let bytes = self.take(f.es, f.bp(), len)?;
        let page = f.bh() % PAGES;
        let before = self.cursor(page);
        self.set_cursor(page, Cell { column: f.dl(), row: f.dh() });
        if mixed {
            for [character, attribute] in bytes.as_chunks::<2>().0 {
                self.teletype_on(page, *character, Some(*attribute));
            }
        } else {
            for character in bytes {
                self.teletype_on(page, character, Some(f.bl()));
            }
        }
        if f.al() & MOVE == 0 {
            self.set_cursor(page, before);
        }
        Ok(())
    }
}
