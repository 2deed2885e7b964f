//! wavetank from outside: one file a behaviour.

mod cli;
mod determinism;
mod guest;
mod manifests;
mod quiet;
mod stories;
mod story;
mod tidy;
