//! The kernel: what is to come (`Agenda`), when (`Time`, `Span`), and by which chance (`Chance`).
//!
//! Invariants of this room:
//!
//! - It would compile with Kubernetes deleted: no object, name or rule of a cluster occurs here.
//! - It imports no other room, and nothing from outside: no wall clock, environment, file, thread,
//!   hash order or unseeded chance.
//! - Time is whole nanoseconds and never runs backwards: nothing is posted before the last event
//!   that came out.
//! - Events come out in the order (time, posting sequence), exactly, whatever was cancelled or
//!   looked at in between; a clone of an agenda goes on as the original does.
//! - There is no generator state. A draw is a pure function of (seed, purpose, object, n), so that
//!   taking one draw away leaves every other as it was.
//! - The same calls give the same bits on every platform: floats go through `libm` only.

mod agenda;
mod chance;
mod chunks;
mod time;

pub use agenda::{Agenda, Ticket};
pub use chance::{Chance, Draw, Purpose, object_hash};
pub use chunks::Chunks;
pub use time::{ParseSpanError, Span, Time};
