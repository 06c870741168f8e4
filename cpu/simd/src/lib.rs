//! MMX and SSE operations on plain integers.
