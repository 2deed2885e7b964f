//! PersistentVolumes, claims, storage classes and the limits of nodes, as the volume plugins read them.

use crate::api::Object;

/// PersistentVolumes, claims, storage classes and the limits of nodes, as the volume plugins read them.
#[derive(Clone, Debug, Default)]
pub struct Volumes {}

impl Volumes {
    /// Takes in a new or changed object; those of other kinds leave it as it is.
    pub fn set(&mut self, _object: &Object) {}

    /// Forgets an object that is gone.
    pub fn remove(&mut self, _object: &Object) {}
}
