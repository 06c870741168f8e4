//! VGA with Bochs VBE extensions.
