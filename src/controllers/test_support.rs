//! A toy world.
