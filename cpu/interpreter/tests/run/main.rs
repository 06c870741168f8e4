//! Whole programs through the run loop: decoding, caching, faults, interrupts and budgets.

mod blocks;
mod control;
mod events;
mod integer;
mod machine;
mod modes;
mod segments;
mod strings;
mod x87;
