//! Debug consoles, isa-debug-exit, POST codes, port 92h and the reset control register.
