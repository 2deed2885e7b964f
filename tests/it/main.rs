//! wavetank from outside: one file a behaviour.

mod cli;
mod tidy;
