//! PodDisruptionBudgets, as preemption reads them.

use crate::api::Object;

/// PodDisruptionBudgets, as preemption reads them.
#[derive(Clone, Debug, Default)]
pub struct Budgets {}

impl Budgets {
    /// Takes in a new or changed object; those of other kinds leave it as it is.
    pub fn set(&mut self, _object: &Object) {}

    /// Forgets an object that is gone.
    pub fn remove(&mut self, _object: &Object) {}
}
