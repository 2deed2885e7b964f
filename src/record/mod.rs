//! What happened, with its cause: a journal in compact entries, a running digest over all of it, samples over time.
//!
//! The record is written by `sim` alone and read by everything above; nothing in the tank reads it back, so recording
//! can change no history.

mod digest;
mod journal;
mod series;

pub use digest::{Digest, DigestValue};
pub use journal::{Entry, EntryKind, Journal};
pub use series::{FINEST, Series, thinned};
