//! A Deployment and its ReplicaSets, as an invariant follows them: sizes, and what its controller can have seen of them.

use crate::api::{Deployment, DeploymentStrategy, Labels, Obj, ReplicaSet};

const REVISION: &str = "deployment.kubernetes.io/revision";
const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";

/// What a Deployment has wished at some time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wish {
    replicas: i64,
    surge: i64,
    unavailable: i64,
    recreates: bool,
    paused: bool,
}

impl Wish {
    /// Of a Deployment. Upstream: `ResolveFenceposts`, `MaxUnavailable`.
    pub(super) fn of(deployment: &Deployment) -> Wish {
        let replicas = deployment.replicas;
        let (surge, unavailable, recreates) = match &deployment.strategy {
            DeploymentStrategy::Recreate => (0, 0, true),
            DeploymentStrategy::RollingUpdate { max_unavailable, max_surge } => {
                let surge = max_surge.scaled(replicas, true).unwrap_or(0);
                let unavailable = max_unavailable.scaled(replicas, false).unwrap_or(0);
                // Both may come out as zero; then one may be missing.
                (surge, if surge == 0 { unavailable.max(1) } else { unavailable }, false)
            }
        };
        Wish {
            replicas: i64::from(replicas),
            surge: i64::from(surge),
            unavailable: i64::from(unavailable.min(replicas)),
            recreates,
            paused: deployment.paused,
        }
    }
}

/// A ReplicaSet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Set {
    slot: u32,
    replicas: i64,
    available: i64,
    revision: i64,
    /// The wish that its controller saw when it last sized the set.
    desired: Option<i64>,
    most: Option<i64>,
}

impl Set {
    pub(super) fn of(set: &Obj<ReplicaSet>) -> Set {
        let number = |labels: &Labels, key: &str| labels.get(key).and_then(|text| text.parse().ok());
        let annotations = &set.meta.annotations;
        Set {
            slot: set.meta.id.slot,
            replicas: i64::from(set.body.replicas),
            available: i64::from(set.body.status.available_replicas),
            revision: number(annotations, REVISION).unwrap_or(0),
            desired: number(annotations, DESIRED_REPLICAS),
            most: number(annotations, MAX_REPLICAS),
        }
    }
}

/// What has been true of a Deployment's sets over some time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Seen {
    /// The least and the most that all sets have wished together.
    least: i64,
    most: i64,
    /// The most pods that were available together.
    available: i64,
    /// The least and the most that sets with pods noted as wished.
    desired: Option<(i64, i64)>,
}

impl Seen {
    fn add(&mut self, other: Seen) {
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
        self.available = self.available.max(other.available);
        self.desired = match (self.desired, other.desired) {
            (Some(mine), Some(theirs)) => Some((mine.0.min(theirs.0), mine.1.max(theirs.1))),
            (mine, theirs) => mine.or(theirs),
        };
    }
}

/// A Deployment's wishes and sets.
#[derive(Clone, Debug, Default)]
pub(super) struct Family {
    /// Whether the Deployment is gone.
    pub(super) is_orphaned: bool,
    /// What it has wished so far, each once, the newest last.
    wishes: Vec<Wish>,
    /// The sets, each with what its controller can have seen if it has seen the set as it is.
    sets: Vec<(Set, Seen)>,
    /// The newest revision, the least that was wished since it came, and the least since the one before came.
    revision: i64,
    least: i64,
    least_before: i64,
}

impl Family {
    pub(super) fn is_over(&self) -> bool {
        self.is_orphaned && self.sets.is_empty()
    }

    pub(super) fn wish(&mut self, wish: Wish) {
        self.wishes.retain(|known| *known != wish);
        self.wishes.push(wish);
    }

    pub(super) fn remove(&mut self, slot: u32) {
        self.sets.retain(|(set, _)| set.slot != slot);
        self.look();
    }

    /// A set is new or has changed; `own`: by its Deployment's controller, its status excepted.
    pub(super) fn put(&mut self, set: Set, own: bool) {
        match self.sets.iter().position(|(known, _)| known.slot == set.slot) {
            Some(at) => self.sets[at].0 = set,
            None => self.sets.push((set, self.now())),
        }
        let now = self.now();
        if let Some((_, seen)) = self.sets.iter_mut().find(|(known, _)| known.slot == set.slot && !own) {
            *seen = now;
        }
        self.look();
    }

    fn now(&self) -> Seen {
        let sum = |of: fn(&Set) -> i64| self.sets.iter().map(|(set, _)| of(set)).sum::<i64>();
        let noted = || self.sets.iter().filter(|(set, _)| set.replicas > 0).filter_map(|(set, _)| set.desired);
        let total = sum(|set| set.replicas);
        Seen {
            least: total,
            most: total,
            available: sum(|set| set.available),
            desired: noted().min().zip(noted().max()),
        }
    }

    /// Takes in the state as it is now.
    fn look(&mut self) {
        let now = self.now();
        self.sets.iter_mut().for_each(|(_, seen)| seen.add(now));
        let revision = self.sets.iter().map(|(set, _)| set.revision).max().unwrap_or(0);
        match revision.cmp(&self.revision) {
            std::cmp::Ordering::Equal => {
                self.least = self.least.min(now.least);
                self.least_before = self.least_before.min(now.least);
            }
            std::cmp::Ordering::Greater => {
                self.least_before = self.least.min(now.least);
                self.least = now.least;
            }
            // The newest set was deleted: nothing is known.
            std::cmp::Ordering::Less => (self.least, self.least_before) = (0, 0),
        }
        self.revision = revision;
    }

    /// What is wrong about a new size of a set, before the set is put.
    pub(super) fn judge(&self, after: &Set) -> Option<String> {
        let noted = |wish: &&Wish| {
            after.desired.is_none_or(|desired| desired == wish.replicas)
                && after.most.is_none_or(|most| most == wish.replicas + wish.surge)
        };
        let known = self.sets.iter().find(|(set, _)| set.slot == after.slot);
        // Who notes what was never wished is judged by everything that was.
        let any = !self.wishes.iter().any(|wish| noted(&wish));
        let mut wrong = None;
        for wish in self.wishes.iter().rev().filter(|wish| any || noted(wish)) {
            let found = match known {
                Some((before, seen)) if after.replicas < before.replicas => shrunk(before, after, seen, wish),
                Some((before, seen)) => self.grown(Some((before, seen)), after, wish),
                None => self.grown(None, after, wish),
            };
            match found {
                None => return None,
                Some(found) => wrong = wrong.or(Some(found)),
            }
        }
        wrong
    }

    fn grown(&self, known: Option<(&Set, &Seen)>, after: &Set, wish: &Wish) -> Option<String> {
        let (to, desired) = (after.replicas, wish.replicas);
        let resizes = wish.paused || known.is_some_and(|(_, seen)| is_scaled(seen, desired));
        let most = desired + if resizes { wish.surge } else { 0 };
        if to > most {
            return Some(format!("it grows to {to} where {desired} are wished"));
        }
        let others = match known {
            Some((before, seen)) if after.revision == self.revision => {
                (seen.least - before.replicas).max(self.least_before - before.replicas)
            }
            Some((before, seen)) => seen.least - before.replicas,
            None if after.revision == self.revision + 1 => self.least,
            None => 0,
        };
        let allowed = desired + wish.surge;
        let fits = wish.recreates || resizes || others + to <= allowed;
        (!fits).then(|| format!("it grows to {to} beside {others} others where {allowed} are allowed in all"))
    }
}

/// Whether the Deployment may have been about to be scaled. Upstream: `isScalingEvent`.
fn is_scaled(seen: &Seen, desired: i64) -> bool {
    seen.desired.is_some_and(|noted| noted != (desired, desired))
}

fn shrunk(before: &Set, after: &Set, seen: &Seen, wish: &Wish) -> Option<String> {
    let (desired, by) = (wish.replicas, before.replicas - after.replicas);
    if wish.recreates || after.replicas >= desired {
        return None;
    }
    if (wish.paused || is_scaled(seen, desired)) && seen.most - by >= desired {
        return None;
    }
    let needed = desired - wish.unavailable;
    let idle = (before.replicas - before.available).max(0);
    let spare = (seen.available - needed).max(0);
    (by > idle + spare).then(|| {
        let available = seen.available;
        format!(
            "it shrinks by {by} to {}; {idle} of its pods were not available, and {available} were in all sets, of which \
             {needed} are needed",
            after.replicas
        )
    })
}
