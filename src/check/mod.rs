//! What must hold: claims about objects, expectations that say when, invariants that hold in any run.
//!
//! Checks read the truth and change nothing: with and without them a simulation has the same history.
//!
//! Invariants are a family: a member is one file with one [`InvariantEntry`], listed in [`ALL`]; scenario files and
//! `wavetank list` read the entries.

#[cfg(test)]
mod bench;
mod claim;
mod deployment_keeps_availability;
mod expectation;
mod family;
mod field;
mod follow;
mod invariant;
mod no_address_twice;
mod node_not_overcommitted;
mod one_live_pod_per_name;
mod owners_exist_at_rest;
mod rollout;

pub use claim::{Claim, Predicate, Quantifier};
pub use expectation::{Expectation, ExpectationOutcome, ExpectationStatus, Expectations, When};
pub use field::{Comparison, FieldPath, amount};
pub use follow::Follow;
pub use invariant::{By, Finding, Invariant, InvariantEntry, Invariants, Look, Sight, Violation};
pub use rollout::{Rollout, rollout};

/// All invariants, by name.
pub static ALL: &[&InvariantEntry] = &[
    &deployment_keeps_availability::ENTRY,
    &no_address_twice::ENTRY,
    &node_not_overcommitted::ENTRY,
    &one_live_pod_per_name::ENTRY,
    &owners_exist_at_rest::ENTRY,
];

/// The invariant of a name.
pub fn find(name: &str) -> Option<&'static InvariantEntry> {
    ALL.iter().find(|entry| entry.name == name).copied()
}
