//! Leases. Upstream: `coordination.k8s.io/v1.Lease`.

use k8s_openapi::api::coordination::v1::LeaseSpec;

use super::{MicroTimestamp, Name};

/// The body of a Lease.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Lease {
    /// `spec.holderIdentity`; empty where absent.
    pub holder: Name,
    /// `spec.leaseDurationSeconds`.
    pub duration_seconds: Option<i32>,
    /// `spec.acquireTime`.
    pub acquired: Option<MicroTimestamp>,
    /// `spec.renewTime`.
    pub renewed: Option<MicroTimestamp>,
    /// `spec.leaseTransitions`.
    pub transitions: Option<i32>,
    /// `spec.strategy`, `spec.preferredHolder`, and a `spec.holderIdentity` that is there but empty.
    pub rest: Option<Box<LeaseSpec>>,
}
