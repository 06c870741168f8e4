//! ACPI power management block of the ICH9.
