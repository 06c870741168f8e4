//! What needs a whole machine.
