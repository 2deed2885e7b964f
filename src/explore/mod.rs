//! Many simulations of one scenario: seeds and grids over all cores.
//!
//! Threads exist here and nowhere below: each simulation runs on one thread, knows nothing of the others, and what is
//! said of it stands at its place in the order of the cases. So the number of threads changes nothing but the time that
//! it takes. This room does no I/O.

mod sweep;
#[cfg(test)]
mod tests;

pub use sweep::{Case, ReadPathAnywhere, Seeds, Sweep, digest_of_all};
