//! AHCI host controller with SATA disks and ATAPI CD drives.
