//! The host processor as referee: the same instruction from the same state, once on the host and once
//! on a CPU backend, for every unprivileged instruction form of the default processor model.
//!
//! [`generate`] makes cases, [`host`] runs them in a child process, [`guest`] on a backend, [`compare`]
//! looks for differences that [`undefined`] does not allow, and [`runner`] joins them.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

pub mod case;
pub mod compare;
pub mod contents;
pub mod faults;
pub mod files;
pub mod forms;
pub mod generate;
pub mod guest;
pub mod host;
pub mod layout;
pub mod operands;
pub mod prefixes;
pub mod registers;
pub mod rng;
pub mod runner;
pub mod shrink;
pub mod text;
pub mod undefined;
pub mod values;
