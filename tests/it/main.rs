//! wavetank from outside: one file a behaviour.

mod tidy;
