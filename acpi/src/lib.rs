//! ACPI tables, AML and SMBIOS from the machine as built.
