//! The Deployments over time: how many pods each wants, has updated, ready and available.

use std::sync::Arc;

use crate::api::{Deployment, Name, Obj};
use crate::kernel::Time;
use crate::record::Series;

/// How many Deployments are followed; those that come later are not.
const FOLLOWED: usize = 1_000;
/// How many changes of each are kept at most.
const SAMPLES: usize = 500;

/// The pods of a Deployment, as its spec and status have them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RolloutCounts {
    /// `spec.replicas`.
    pub desired: i32,
    /// `status.updatedReplicas`.
    pub updated: i32,
    /// `status.readyReplicas`.
    pub ready: i32,
    /// `status.availableReplicas`.
    pub available: i32,
}

/// All Deployments that are followed, those that are gone included: they end with zeros.
#[derive(Clone, Debug, Default)]
pub struct Rollouts(imbl::OrdMap<(Name, Name), Arc<Series<RolloutCounts>>>);

impl Rollouts {
    /// The Deployments by namespace and name, with what changed and when.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Name, &[(Time, RolloutCounts)])> {
        self.0.iter().map(|((namespace, name), series)| (namespace, name, series.points()))
    }

    pub(super) fn deployment(&mut self, now: Time, deployment: &Obj<Deployment>, is_gone: bool) {
        let status = &deployment.body.status;
        let counts = match is_gone {
            true => RolloutCounts::default(),
            false => RolloutCounts {
                desired: deployment.body.replicas,
                updated: status.updated_replicas,
                ready: status.ready_replicas,
                available: status.available_replicas,
            },
        };
        let key = (deployment.meta.namespace.clone(), deployment.meta.name.clone());
        if let Some(series) = self.0.get_mut(&key) {
            if series.points().last().is_none_or(|(_, last)| *last != counts) {
                Arc::make_mut(series).set(now, counts);
            }
        } else if self.0.len() < FOLLOWED {
            let mut series = Series::new(SAMPLES);
            series.set(now, counts);
            self.0.insert(key, Arc::new(series));
        }
    }
}
