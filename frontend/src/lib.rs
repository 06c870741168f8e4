//! The machine in a browser.
