//! The `wavetank` binary.
fn main() {}
