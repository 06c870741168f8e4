//! 8042 keyboard controller with keyboard and mouse.
