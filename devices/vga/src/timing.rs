//! Where the beam is: derived from guest time and the CRTC's registers, with no timer of its own.

use aero_bus::NANOS_PER_SEC;

use crate::registers::{Registers, crtc, misc};

const CLOCK_25_HZ: u64 = 25_175_000;
const CLOCK_28_HZ: u64 = 28_322_000;
/// Refresh rate, and lines and line's parts, of a mode whose registers tell of none.
const DEFAULT_HZ: u64 = 60;
const DEFAULT_BLANK_LINES: u64 = 45;
const DEFAULT_RETRACE_LINES: u64 = 2;

/// Frames that a cursor is on, and off again; a blinking character takes twice as long.
const CURSOR_BLINK_FRAMES: u64 = 16;
const CHARACTER_BLINK_FRAMES: u64 = 32;

/// What the beam does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beam {
    /// It is inside the picture.
    pub displaying: bool,
    pub vertical_retrace: bool,
}

/// A frame's shape.
struct Timing {
    line_nanos: u64,
    display_nanos: u64,
    lines: u64,
    display_lines: u64,
    retrace_start: u64,
    retrace_lines: u64,
}

impl Registers {
    fn timing(&self) -> Timing {
        let display_lines = match self.vbe.mode() {
            Some(mode) => mode.height.into(),
            None => u64::from(self.vertical_display()),
        };
        let lines = u64::from(self.vertical_total());
        let characters = u64::from(self.crtc[crtc::HORIZONTAL_TOTAL]) + 5;
        let columns = u64::from(self.columns());
        let retrace_start = u64::from(self.vertical_retrace_start());
        let is_set = (display_lines..lines).contains(&retrace_start) && characters > columns;
        if self.vbe.is_enabled() || !is_set {
            let lines = display_lines + DEFAULT_BLANK_LINES;
            let line_nanos = NANOS_PER_SEC / DEFAULT_HZ / lines;
            return Timing {
                line_nanos,
                display_nanos: line_nanos * 4 / 5,
                lines,
                display_lines,
                retrace_start: display_lines + DEFAULT_BLANK_LINES / 4,
                retrace_lines: DEFAULT_RETRACE_LINES,
            };
        }
        let clock = if self.misc & misc::CLOCK_28 != 0 { CLOCK_28_HZ } else { CLOCK_25_HZ };
        let dots = u64::from(self.dots()) << u32::from(self.is_half_clock());
        let line_nanos = characters * dots * NANOS_PER_SEC / clock;
        // The end register holds the low four bits of the line after the retrace.
        let end = u64::from(self.crtc[crtc::VERTICAL_RETRACE_END]);
        let retrace_lines = match end.wrapping_sub(retrace_start) & 0xf {
            0 => 16,
            lines => lines,
        };
        Timing {
            line_nanos,
            display_nanos: line_nanos * columns / characters,
            lines,
            display_lines,
            retrace_start,
            retrace_lines,
        }
    }

    /// What the beam does at guest time `now`.
    pub fn beam(&self, now: u64) -> Beam {
        let timing = self.timing();
        let position = now % (timing.line_nanos * timing.lines);
        let line = position / timing.line_nanos;
        let retrace = timing.retrace_start..timing.retrace_start + timing.retrace_lines;
        Beam {
            displaying: line < timing.display_lines
                && position % timing.line_nanos < timing.display_nanos,
            vertical_retrace: retrace.contains(&line),
        }
    }

    /// Whether a blinking cursor shows at guest time `now`.
    pub fn is_cursor_lit(now: u64) -> bool {
        lit(now, CURSOR_BLINK_FRAMES)
    }

    /// Whether blinking characters show at guest time `now`.
    pub fn are_blinking_characters_lit(now: u64) -> bool {
        lit(now, CHARACTER_BLINK_FRAMES)
    }
}

fn lit(now: u64, frames: u64) -> bool {
    (now / (NANOS_PER_SEC / DEFAULT_HZ * frames)).is_multiple_of(2)
}
