//! The host processor as referee for unprivileged instructions.
fn main() {}
