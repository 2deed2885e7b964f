//! Pods that were about to be disrupted and were not: their condition `DisruptionTarget` becomes False after two
//! minutes. Upstream: `nonTerminatingPodHasStaleDisruptionCondition`, `syncStalePodDisruption`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::api::{Clock, ConditionStatus, Obj, Object, Pod, PodConditionType};
use crate::client::Tick;
use crate::kernel::{Span, Time};

/// Upstream: `stalePodDisruptionTimeout`.
const TIMEOUT: Span = Span::from_secs(120);
/// A deletion follows its condition so soon that, until then, a look is no news.
const USUAL: Span = Span::from_secs(10);
/// The reason of conditions that kubelets set, which are never stale.
const BY_KUBELET: &str = "TerminationByKubelet";

/// The pods whose condition may be stale, by when it was set.
#[derive(Clone, Debug, Default)]
pub(super) struct Stale {
    since: BTreeSet<(Time, u32)>,
    pods: BTreeMap<u32, Time>,
}

impl Stale {
    /// Looks at a pod that has changed; none: that is gone.
    pub(super) fn note(&mut self, slot: u32, pod: Option<&Obj<Pod>>, clock: Clock) {
        if let Some(since) = self.pods.remove(&slot) {
            self.since.remove(&(since, slot));
        }
        if let Some(since) = pod.and_then(|pod| since(pod, clock)) {
            self.pods.insert(slot, since);
            self.since.insert((since, slot));
        }
    }

    /// When to look next. While a deletion is still to be expected, nothing waits for that.
    pub(super) fn next(&self, now: Time) -> Option<Tick> {
        let (since, _) = self.since.first()?;
        let usual = *since + USUAL;
        if now < usual {
            return Some(Tick { at: usual, background: true });
        }
        Some(Tick { at: *since + TIMEOUT, background: false })
    }

    /// The pods whose time is over, which are taken out.
    pub(super) fn take_due(&mut self, now: Time) -> Vec<u32> {
        let mut due = Vec::new();
        while let Some((since, slot)) = self.since.first().copied().filter(|(since, _)| *since + TIMEOUT <= now) {
            self.since.remove(&(since, slot));
            self.pods.remove(&slot);
            due.push(slot);
        }
        due
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.pods.len()
    }
}

/// The pod without the condition, where it is stale now.
pub(super) fn cleaned(pod: &Arc<Obj<Pod>>, clock: Clock, now: Time) -> Option<Object> {
    let since = since(pod, clock)?;
    if since + TIMEOUT > now {
        return None;
    }
    let mut pod = Obj::clone(pod);
    let at = clock.timestamp(now);
    pod.body.status.set_condition(PodConditionType::DisruptionTarget, ConditionStatus::False, None, at);
    Some(pod.into_object())
}

/// Since when a pod has a condition that can become stale.
fn since(pod: &Obj<Pod>, clock: Clock) -> Option<Time> {
    if pod.meta.is_terminating() || pod.body.status.phase.is_finished() {
        return None;
    }
    let condition = pod.body.condition(PodConditionType::DisruptionTarget)?;
    let by_kubelet = condition.text.as_ref().is_some_and(|text| text.reason == BY_KUBELET);
    (condition.status == ConditionStatus::True && !by_kubelet).then(|| clock.time(condition.last_transition))
}
