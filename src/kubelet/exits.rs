//! What follows when a container has ended: a restart now or after a back-off, or the end of the pod.
//! Upstream: `kuberuntime_manager.go` (`computePodActions`, `doBackOff`).

use std::sync::Arc;

use super::Kubelet;
use super::pod::{Life, PodRecord, Stage};
use super::texts;
use super::token::Timer;
use crate::api::{EventType, ReasonText};
use crate::client::Outbox;
use crate::kernel::Time;

impl Kubelet {
    /// A sync finds that a container has ended.
    pub(super) fn notice_exit(&mut self, at: usize, index: usize, ended: Time, out: &mut Outbox) {
        let max = self.settings().crash_backoff_max;
        let record = &mut self.pods[at];
        let code = record.containers[index].exit.as_ref().map_or(0, |exit| exit.exit_code);
        if !record.restarts(index, code) {
            record.containers[index].stage = Stage::Ended;
            return;
        }
        // A container that the kubelet has killed is started again in the same sync: upstream then looks at the end
        // before this one.
        let before = record.containers[index].last.as_ref().map(|last| out.clock.time(last.finished_at));
        let counts_from = if record.containers[index].stopping { before } else { Some(ended) };
        let crash = record.trouble(index).crash;
        let in_backoff = counts_from.is_some_and(|from| crash.until(from, out.now, max).is_some());
        let Some(until) = crash.until(ended, out.now, max).filter(|_| in_backoff) else {
            return self.restart(at, index, counts_from.unwrap_or(ended), out.now);
        };
        let pod = texts::pod(&record.pod);
        let name = record.spec(index).name.clone();
        let reference = record.pod.meta.reference();
        let serial = record.serial;
        let trouble = record.trouble(index);
        let delay = texts::go_duration(trouble.crash.delay);
        trouble.waiting = Arc::new(ReasonText {
            reason: "CrashLoopBackOff".into(),
            message: ecow::eco_format!("back-off {delay} restarting failed container={name} pod={pod}"),
        });
        record.containers[index].stage = Stage::CrashLoop { ended };
        record.containers[index].due = until;
        out.timer_at(until, Timer::Container(serial, index as u16).token());
        let message = ecow::eco_format!("Back-off restarting failed container {name} in pod {pod}");
        self.say(out, reference, EventType::Warning, "BackOff", message);
    }

    /// A container that has ended may be started again; the next time it will wait longer.
    pub(super) fn restart(&mut self, at: usize, index: usize, ended: Time, now: Time) {
        let (base, max) = (self.settings().crash_backoff, self.settings().crash_backoff_max);
        let record = &mut self.pods[at];
        record.trouble(index).crash.next(ended, now, base, max);
        record.containers[index].stage = Stage::Wanted;
    }

    /// Whether a pod has nothing left to do: an init container has failed for good, or all containers have ended.
    pub(super) fn is_done(&self, at: usize) -> bool {
        let record = &self.pods[at];
        let ended = |index: usize| record.containers[index].stage == Stage::Ended;
        let failed_init =
            (0..record.inits()).any(|index| record.is_plain_init(index) && ended(index) && has_failed(record, index));
        let mut containers = record.inits()..record.containers.len();
        record.life == Life::Live && (failed_init || (record.initialized && containers.all(ended)))
    }
}

fn has_failed(record: &PodRecord, index: usize) -> bool {
    record.containers[index].exit.as_ref().is_some_and(|exit| exit.exit_code != 0)
}
