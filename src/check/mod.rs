//! What must hold: claims about objects, expectations that say when, invariants that hold in any run.
//!
//! Checks read the truth and change nothing: with and without them a simulation has the same history.

mod claim;
mod expectation;
mod field;
mod follow;

pub use claim::{Claim, Predicate, Quantifier};
pub use expectation::{Expectation, ExpectationOutcome, ExpectationStatus, Expectations, When};
pub use field::{Comparison, FieldPath, amount};
pub use follow::Follow;
