//! The kernel kills when memory runs out before a look of the eviction manager has seen it: the container that stands
//! highest by its size and its `oom_score_adj`. Upstream: `pkg/kubelet/qos/policy.go`, `oom/oom_watcher_linux.go`; the
//! kernel's `mm/oom_kill.c` (`oom_badness`).
//!
//! A container above its own limit is a matter of its own cgroup and told nobody ([`super::program`]). When memory runs
//! out is computed to the nanosecond from what is declared, as the eviction manager's looks are, and costs a timer only
//! where it will. Each container is one process here, named like its container. Left out: kills while no kubelet's
//! process runs, `oom_score_adj` of pods with pod-level resources.

use super::Kubelet;
use super::eviction::Starved;
use super::pod::{PodRecord, Stage};
use super::termination::KILLED;
use super::token::Timer;
use super::usage::requested;
use crate::api::{EventType, QosClass};
use crate::client::Outbox;
use crate::kernel::{Time, object_hash};

/// `guaranteedOOMScoreAdj`.
const GUARANTEED: i64 = -997;
/// `besteffortOOMScoreAdj`.
const BEST_EFFORT: i64 = 1000;
/// What a leaking service of the machine is called.
const SERVICE: &str = "leaking-service";
/// How much of a program's name the kernel keeps. Linux: `TASK_COMM_LEN` without the end.
const COMM: usize = 15;

impl Kubelet {
    /// Asks for a timer for the instant at which memory runs out, if it will.
    pub(super) fn arm_kernel(&mut self, out: &mut Outbox) {
        let declared = self.declared();
        let at = self.demand(&declared, out).runs_out_of_memory_at(&self.capacity(), out.now);
        if at != self.out_of_memory_at && at != Time::MAX {
            out.timer_at(at, Timer::OutOfMemory.token());
        }
        self.out_of_memory_at = at;
    }

    /// Memory has run out.
    pub(super) fn out_of_memory(&mut self, out: &mut Outbox) {
        if self.out_of_memory_at > out.now {
            return;
        }
        self.out_of_memory_at = Time::MAX;
        let (name, path) = match self.worst(out) {
            None => return,
            Some(Victim::Container(at, index)) => {
                let container = &mut self.pods[at].containers[index];
                if let Stage::Running { exit_at, code, out_of_memory, .. } = &mut container.stage {
                    (*exit_at, *code, *out_of_memory) = (out.now, KILLED, true);
                }
                let path = object_hash(&format!("{}/{}", container.path, container.restarts));
                let name = self.pods[at].spec(index).name.clone();
                self.exited(at, index, out);
                (name, path)
            }
            Some(Victim::Load(index)) => {
                self.restart_load(index, out.now);
                self.reconsider_pressure(out);
                (SERVICE.to_owned(), object_hash(&format!("{}/{}", self.fixed.name, out.now.nanos())))
            }
        };
        if let Some(node) = &self.node.object {
            let process: String = name.chars().take(COMM).collect();
            let number = path % 30_000 + 1_000;
            let message = ecow::eco_format!("System OOM encountered, victim process: {process}, pid: {number}");
            self.say(out, node.meta.reference(), EventType::Warning, "SystemOOM", message);
        }
    }

    /// Whom the kernel takes: the first of those that score highest.
    fn worst(&self, out: &Outbox) -> Option<Victim> {
        let total = self.capacity().total(Starved::Memory).max(1) as i64;
        let mut worst: Option<(i64, Victim)> = None;
        let mut consider = |badness: i64, victim: Victim| {
            if worst.is_none_or(|(most, _)| badness > most) {
                worst = Some((badness, victim));
            }
        };
        for (at, record) in self.pods.iter().enumerate() {
            for index in 0..record.containers.len() {
                if let Some(used) = self.used_by(record, index, out.now, out.chance) {
                    let badness = used.memory as i64 + score_adjust(record, index, total) * (total / 1000);
                    consider(badness, Victim::Container(at, index));
                }
            }
        }
        for (index, load) in self.loads.iter().enumerate().filter(|(_, load)| load.starved == Starved::Memory) {
            consider(load.course.at(out.now.since(load.since)) as i64, Victim::Load(index));
        }
        worst.map(|(_, victim)| victim)
    }
}

/// Whom the kernel may kill.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Victim {
    /// A container of a pod, by their places.
    Container(usize, usize),
    /// What a fault has put on the machine, by its place.
    Load(usize),
}

/// What the kubelet adds to a container's score, from -1000 to 1000. Upstream: `GetContainerOOMScoreAdjust`.
fn score_adjust(record: &PodRecord, index: usize, total: i64) -> i64 {
    let spec = &record.pod.body.spec;
    if spec.full.priority_class_name.as_deref() == Some("system-node-critical") {
        return GUARANTEED;
    }
    match record.pod.body.status.qos {
        Some(QosClass::Guaranteed) => return GUARANTEED,
        Some(QosClass::BestEffort) => return BEST_EFFORT,
        Some(QosClass::Burstable) | None => {}
    }
    let of = |index: usize| 1000 - 1000 * requested(record, index).memory / total;
    let mut adjust = of(index);
    if record.is_sidecar(index) {
        // A sidecar lives at least as long as those whom it serves.
        let served = (record.inits()..record.containers.len()).map(of).min();
        adjust = adjust.min(served.unwrap_or(adjust));
    }
    adjust.clamp(1000 + GUARANTEED, BEST_EFFORT - 1)
}
