//! wavetank from outside: one file a behaviour.

mod cli;
mod quiet;
mod determinism;
mod guest;
mod manifests;
mod stories;
mod story;
mod tidy;
