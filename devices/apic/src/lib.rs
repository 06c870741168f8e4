//! Local APICs and the IO-APIC.
