//! x87 arithmetic on 80-bit extended precision numbers.
