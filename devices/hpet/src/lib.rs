//! High precision event timers.
