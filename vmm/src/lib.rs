//! The machine: from a machine file to a running PC.
