//! Services, ReplicationControllers, ReplicaSets and StatefulSets, as the default spreading constraints read them.

use crate::api::Object;

/// Services, ReplicationControllers, ReplicaSets and StatefulSets, as the default spreading constraints read them.
#[derive(Clone, Debug, Default)]
pub struct Owners {}

impl Owners {
    /// Takes in a new or changed object; those of other kinds leave it as it is.
    pub fn set(&mut self, _object: &Object) {}

    /// Forgets an object that is gone.
    pub fn remove(&mut self, _object: &Object) {}
}
