//! QEMU firmware configuration interface.
