//! How far pods have come, by namespace: read off the store's changes, a few additions each.

use std::collections::BTreeMap;

use super::file::Stage;
use crate::api::{Kind, Name, Obj, Object, Pod, PodConditionType};
use crate::event::ChangeKind;
use crate::store::Store;

/// Pods by namespace. One that is gone has come as far as it had.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Up to where the changes have been looked at.
    seen: u64,
    /// How far each pod has come, by number.
    stages: Vec<Option<Stage>>,
    namespaces: BTreeMap<Name, OfNamespace>,
}

#[derive(Clone, Copy, Debug, Default)]
struct OfNamespace {
    came: u64,
    attempted: u64,
    scheduled: u64,
}

impl Counts {
    /// How far a pod has come, if it was ever tried.
    pub(super) fn stage(pod: &Obj<Pod>) -> Option<Stage> {
        if !pod.body.node_name.is_empty() {
            return Some(Stage::Scheduled);
        }
        pod.body.condition(PodConditionType::PodScheduled).map(|_| Stage::Attempted)
    }

    /// Looks at what has changed since last time.
    pub(super) fn follow(&mut self, store: &Store) {
        let version = store.version(Kind::Pod);
        if version == self.seen {
            return;
        }
        let changes = store.changes_since(Kind::Pod, self.seen).expect("it is looked at before changes are forgotten");
        for (kind, object) in changes {
            if let Object::Pod(pod) = object {
                self.take(kind, pod);
            }
        }
        self.seen = version;
    }

    fn take(&mut self, kind: ChangeKind, pod: &Obj<Pod>) {
        let slot = pod.meta.id.slot as usize;
        if self.stages.len() <= slot {
            self.stages.resize(slot + 1, None);
        }
        let Some(of) = self.namespaces.get_mut(&pod.meta.namespace) else {
            self.namespaces.insert(pod.meta.namespace.clone(), OfNamespace::default());
            return self.take(kind, pod);
        };
        if kind == ChangeKind::Added {
            of.came += 1;
            self.stages[slot] = None;
        }
        let (before, after) = (self.stages[slot], Counts::stage(pod));
        let passes = |stage: Stage| u64::from(before < Some(stage) && after >= Some(stage));
        of.attempted += passes(Stage::Attempted);
        of.scheduled += passes(Stage::Scheduled);
        self.stages[slot] = before.max(after);
    }

    /// How many pods of a namespace were created so far.
    pub(super) fn came(&self, namespace: &Name) -> u64 {
        self.namespaces.get(namespace).map_or(0, |of| of.came)
    }

    /// How many pods of a namespace have come so far.
    pub(super) fn of(&self, stage: Stage, namespace: &Name) -> u64 {
        let count = |of: &OfNamespace| match stage {
            Stage::Attempted => of.attempted,
            Stage::Scheduled => of.scheduled,
        };
        self.namespaces.get(namespace).map_or(0, count)
    }

    /// Whether so many pods of each namespace have.
    pub(super) fn reach(&self, stage: Stage, wanted: &BTreeMap<Name, u64>) -> bool {
        wanted.iter().all(|(namespace, wanted)| self.of(stage, namespace) >= *wanted)
    }
}
