//! A stand-in for scheduler and kubelets: binds each pod at once, and does with it what its image says.
//!
//! Images: `app:ok…` is ready with the first status, `app:slow-Ns…` N seconds later, `app:notready…` and `app:crash…`
//! never, `app:badimage…` stays Pending. With `serial`, one transition at a time, as recorded rollouts were made.

use std::collections::BTreeMap;

use super::{Story, Todo};
use crate::api::{Clock, ConditionStatus, Obj, ObjectId, Pod, PodConditionType, PodPhase, Uid};
use crate::kernel::{Span, Time};

/// How long a pod takes to go once it is asked to.
pub(super) const FINISH_AFTER: Span = Span::from_millis(500);
const FIRST_STATUS_AFTER: Span = Span::from_millis(500);

/// What the kubelet has to do.
#[derive(Debug, Default)]
pub struct Kubelet {
    /// The least time between two transitions of any pods.
    pub serial: Span,
    /// Whether pods get on by themselves.
    pub idle: bool,
    queue: BTreeMap<(Time, u64), (ObjectId, Uid, bool)>,
    queued: u64,
    last: Option<Time>,
    wake: Option<Time>,
}

impl Story {
    /// Binds a new pod and plans its first status.
    pub(super) fn pod_created(&mut self, id: ObjectId) {
        if self.kubelet.idle {
            return;
        }
        let mut pod = Obj::clone(self.get::<Pod>(id));
        pod.body.node_name = ecow::eco_format!("n{}", id.slot % 4);
        let (uid, image) = (pod.meta.uid, image(&pod));
        self.store(pod.into_object());
        self.plan(FIRST_STATUS_AFTER, id, uid, image.starts_with("app:ok"));
        let slow = image.strip_prefix("app:slow-").and_then(|rest| rest.split('s').next());
        if let Some(seconds) = slow.and_then(|seconds| seconds.parse().ok()) {
            self.plan(FIRST_STATUS_AFTER + Span::from_secs(seconds), id, uid, true);
        }
    }

    fn plan(&mut self, after: Span, id: ObjectId, uid: Uid, ready: bool) {
        self.kubelet.queued += 1;
        self.kubelet.queue.insert((self.now + after, self.kubelet.queued), (id, uid, ready));
        self.post(after, Todo::Kubelet);
    }

    /// Does what is due.
    pub(super) fn run_kubelet(&mut self) {
        while let Some((&key, &(id, uid, ready))) = self.kubelet.queue.first_key_value() {
            let pod = self.objects.get(&id).and_then(|object| object.get::<Pod>());
            let gets_on = |pod: &&std::sync::Arc<Obj<Pod>>| {
                pod.meta.uid == uid && !pod.meta.is_terminating() && !pod.body.status.phase.is_finished()
            };
            let Some(pod) = pod.filter(gets_on) else {
                self.kubelet.queue.remove(&key);
                continue;
            };
            let at = self.kubelet.last.map_or(key.0, |last| key.0.max(last + self.kubelet.serial));
            if at > self.now {
                if self.kubelet.wake.replace(at) != Some(at) {
                    self.post_at(at, Todo::Kubelet);
                }
                return;
            }
            let running = !image(pod).starts_with("app:badimage");
            self.kubelet.queue.remove(&key);
            self.kubelet.last = Some(self.now);
            if running {
                self.set_ready(id, ready);
            }
        }
    }

    /// Makes a pod run, ready or not.
    pub fn set_ready(&mut self, id: ObjectId, ready: bool) {
        let now = Clock::DEFAULT.timestamp(self.now);
        let mut pod = Obj::clone(self.get::<Pod>(id));
        pod.body.status.phase = PodPhase::Running;
        pod.body.status.set_condition(PodConditionType::Ready, ConditionStatus::of(ready), None, now);
        self.store(pod.into_object());
    }

    /// A pod that was asked to go is gone; one with finalizers has ended and waits for them.
    pub(super) fn finish_pod(&mut self, id: ObjectId, uid: Uid) {
        let Some(pod) = self.objects.get(&id).and_then(|object| object.get::<Pod>()) else { return };
        if pod.meta.uid != uid {
            return;
        }
        if pod.meta.finalizers.is_empty() {
            self.remove(id);
            return;
        }
        let mut pod = Obj::clone(pod);
        if !pod.body.status.phase.is_finished() {
            pod.body.status.phase = PodPhase::Failed;
        }
        if let Some(deletion) = &mut pod.meta.deletion {
            deletion.grace_seconds = None;
        }
        self.store(pod.into_object());
    }
}

fn image(pod: &Obj<Pod>) -> String {
    pod.body.spec.containers().first().and_then(|container| container.image.clone()).unwrap_or_default()
}
