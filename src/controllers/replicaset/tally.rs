//! How many pods of which sort a ReplicaSet has: kept up to date with each change of a pod, so that a sync of a large
//! set need not look at all of them.
//!
//! Upstream looks at every pod in every sync. The result is the same: a tally is the sum of what [`Counts::of`] says of
//! each pod in the cache whose controller is the set.

use std::ops::{Add, Sub};
use std::sync::Arc;

use crate::api::{Labels, Obj, Pod, PodTemplate, ReplicaSet, WorkloadSelector};
use crate::controllers::pod_util::{has_all_labels, is_active, is_terminating, selects};

/// Pods of a set, by sort.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Active and selected: the replicas.
    pub active: i32,
    /// Replicas with all labels of the template.
    pub fully_labeled: i32,
    /// Replicas that are ready.
    pub ready: i32,
    /// Active and no longer selected: to be released.
    pub strays: i32,
    /// Selected, not finished, and on their way out.
    pub terminating: i32,
}

impl Counts {
    /// What one pod adds to the counts of its set.
    pub fn of(pod: &Obj<Pod>, selector: &WorkloadSelector, template_labels: &Labels) -> Counts {
        let selected = selects(selector, &pod.meta.labels);
        let active = is_active(pod);
        let replica = active && selected;
        let one = i32::from;
        Counts {
            active: one(replica),
            fully_labeled: one(replica && has_all_labels(&pod.meta.labels, template_labels)),
            ready: one(replica && pod.body.is_ready()),
            strays: one(active && !selected),
            terminating: one(selected && is_terminating(pod)),
        }
    }

    /// The counts of some pods of a set.
    pub fn of_all<'a>(pods: impl Iterator<Item = &'a Arc<Obj<Pod>>>, set: &ReplicaSet) -> Counts {
        pods.fold(Counts::default(), |sum, pod| sum + Counts::of(pod, &set.selector, &set.template.labels))
    }
}

impl Add for Counts {
    type Output = Counts;

    fn add(self, other: Counts) -> Counts {
        Counts {
            active: self.active + other.active,
            fully_labeled: self.fully_labeled + other.fully_labeled,
            ready: self.ready + other.ready,
            strays: self.strays + other.strays,
            terminating: self.terminating + other.terminating,
        }
    }
}

impl Sub for Counts {
    type Output = Counts;

    fn sub(self, other: Counts) -> Counts {
        Counts {
            active: self.active - other.active,
            fully_labeled: self.fully_labeled - other.fully_labeled,
            ready: self.ready - other.ready,
            strays: self.strays - other.strays,
            terminating: self.terminating - other.terminating,
        }
    }
}

/// The counts of one life of a set, for the selector and template that they were made with.
#[derive(Clone, Debug)]
pub struct Tally {
    selector: Arc<WorkloadSelector>,
    template: Arc<PodTemplate>,
    /// The counts.
    pub counts: Counts,
}

impl Tally {
    /// Counts all pods of a set.
    pub fn new<'a>(set: &ReplicaSet, pods: impl Iterator<Item = &'a Arc<Obj<Pod>>>) -> Tally {
        let counts = Counts::of_all(pods, set);
        Tally { selector: set.selector.clone(), template: set.template.clone(), counts }
    }

    /// Whether it was made for this selector and template.
    pub fn fits(&self, set: &ReplicaSet) -> bool {
        Arc::ptr_eq(&self.selector, &set.selector) && Arc::ptr_eq(&self.template, &set.template)
    }

    /// A pod of the set has appeared.
    pub fn add(&mut self, pod: &Obj<Pod>) {
        self.counts = self.counts + Counts::of(pod, &self.selector, &self.template.labels);
    }

    /// A pod of the set is gone, or has been in this state.
    pub fn remove(&mut self, pod: &Obj<Pod>) {
        self.counts = self.counts - Counts::of(pod, &self.selector, &self.template.labels);
    }
}
