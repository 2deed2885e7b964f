//! wavetank from outside: one file a behaviour.

mod cli;
mod quiet;
mod tidy;
