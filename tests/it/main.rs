//! wavetank from outside: one file a behaviour.
