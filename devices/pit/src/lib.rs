//! 8254 interval timer and port 0x61.
