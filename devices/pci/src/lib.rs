//! PCI bus with ECAM, Q35 host bridge, ICH9 LPC bridge.
