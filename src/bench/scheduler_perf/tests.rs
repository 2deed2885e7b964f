//! Test cases read, and small ones run.
