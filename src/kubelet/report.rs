//! The status manager: tells the API server what became of pods, at most one request a pod at a time, the newest status
//! next; and deletes a pod for good once its end has been told. Upstream: `pkg/kubelet/status/status_manager.go`.

use std::sync::Arc;

use super::Kubelet;
use super::pod::{Life, Sandbox, Stage};
use super::status;
use super::token::{Ask, Timer};
use crate::api::{Name, Obj, Object, Pod, PodStatus};
use crate::client::Outbox;
use crate::event::{ApiError, DeleteOptions, ErrorReason, Preconditions, Reply, Request, Target};
use crate::kernel::{Span, Time};

/// How often the status manager looks at all pods. Upstream: `syncPeriod`.
const SYNC_PERIOD: Span = Span::from_secs(10);

impl Kubelet {
    /// Computes a pod's status and sends it if it differs from the newest one.
    pub(super) fn report(&mut self, at: usize, out: &mut Outbox) {
        let record = &self.pods[at];
        if record.gone {
            return;
        }
        let facts = status::Facts {
            now: out.timestamp(),
            clock: out.clock,
            host_ip: self.fixed.host_ips.first().copied(),
            addresses: self.addresses(record),
        };
        let status = status::of(record, &facts);
        self.set_status(at, status, out);
    }

    /// A pod that the node does not take has failed.
    pub(super) fn refuse(&mut self, at: usize, reason: Name, message: &str, out: &mut Outbox) {
        let record = &mut self.pods[at];
        record.life = Life::Finished;
        record.sandbox = Sandbox::Down;
        for container in &mut record.containers {
            container.stage = Stage::Ended;
        }
        let status = status::refused(record, reason, message, out.timestamp());
        self.set_status(at, status, out);
    }

    /// Somebody else has changed what the kubelet reports of a pod, as the node life cycle controller does with a node that
    /// fell silent: it is put right with the next round. Upstream: `syncBatch`, every 10 s.
    pub(super) fn reconcile_later(&mut self, at: usize, out: &mut Outbox) {
        let since = out.now.since(Time::ZERO + self.relist_phase).as_nanos();
        let next = Time::ZERO + self.relist_phase + SYNC_PERIOD * (since / SYNC_PERIOD.as_nanos() + 1);
        out.timer_at(next, Timer::Reconcile(self.pods[at].serial).token());
    }

    /// The round has come.
    pub(super) fn reconcile_due(&mut self, serial: u32, out: &mut Outbox) {
        if let Some(at) = self.at(serial)
            && self.pods[at].life == Life::Live
        {
            self.report(at, out);
        }
    }

    fn set_status(&mut self, at: usize, status: PodStatus, out: &mut Outbox) {
        let record = &mut self.pods[at];
        if record.latest().body.status == status {
            return;
        }
        record.pending = Some(with_status(&record.pod, status));
        if record.sent.is_none() {
            self.send_status(at, out);
        }
    }

    fn send_status(&mut self, at: usize, out: &mut Outbox) {
        let record = &mut self.pods[at];
        let Some(next) = record.pending.take() else { return };
        // The pod may have changed since: conditions of others are theirs.
        let object = if next.meta.resource_version == record.pod.meta.resource_version {
            next
        } else {
            with_status(&record.pod, status::merged(&next.body.status, &record.pod.body.status))
        };
        record.sent = Some(object.clone());
        let token = Ask::PodStatus(record.serial).token();
        out.send(&mut self.api, token, Request::PatchStatus(Object::Pod(object)));
    }

    /// A status has arrived, or not.
    pub(super) fn status_answered(&mut self, serial: u32, reply: Reply, out: &mut Outbox) {
        let Some(at) = self.at(serial) else { return };
        let record = &mut self.pods[at];
        let Some(sent) = record.sent.take() else { return };
        match reply {
            Ok(answer) => {
                if let Some(Object::Pod(pod)) = answer.object()
                    && record.is_about(pod)
                    && pod.meta.resource_version > record.pod.meta.resource_version
                {
                    record.pod = pod.clone();
                }
                // A list that follows shows nothing newer than this answer: what it tells of is acted upon here. Upstream
                // hears of it by its watch, a moment later.
                if record.pod.meta.is_terminating() && record.life != Life::Finished {
                    self.terminate(at, out);
                }
                self.send_status(at, out);
                self.delete_if_over(at, out);
            }
            // The pod is gone, or another of its name is there: its watch will tell.
            Err(ApiError { reason: ErrorReason::NotFound | ErrorReason::Conflict, .. }) => record.pending = None,
            Err(_) => {
                record.pending.get_or_insert(sent);
                out.timer_after(self.settings().status_retry, Timer::Retry(serial).token());
            }
        }
    }

    /// A failed request is sent again.
    pub(super) fn retry_due(&mut self, serial: u32, out: &mut Outbox) {
        let Some(at) = self.at(serial) else { return };
        if self.pods[at].sent.is_none() {
            self.send_status(at, out);
            self.delete_if_over(at, out);
        }
    }

    /// Deletes a pod for good, if it is to go and its end has been told.
    pub(super) fn delete_if_over(&mut self, at: usize, out: &mut Outbox) {
        let has_volumes = self.claims.are_held(self.pods[at].serial);
        let record = &mut self.pods[at];
        let over = record.life == Life::Finished
            && !has_volumes
            && record.pod.meta.is_terminating()
            && !record.gone
            && !record.deleting
            && record.sent.is_none()
            && record.pending.is_none();
        if !over {
            return;
        }
        record.deleting = true;
        let preconditions = Preconditions { uid: Some(record.pod.meta.uid), resource_version: None };
        let options = DeleteOptions { grace_seconds: Some(0), propagation: None, preconditions };
        let request = Request::Delete { target: Target::Id(record.pod.meta.id), options };
        let token = Ask::PodDelete(record.serial).token();
        out.send(&mut self.api, token, request);
    }

    /// The deletion has been answered; the watch tells that the pod is gone.
    pub(super) fn delete_answered(&mut self, serial: u32, reply: Reply, out: &mut Outbox) {
        let Some(at) = self.at(serial) else { return };
        match reply {
            Ok(_) | Err(ApiError { reason: ErrorReason::NotFound | ErrorReason::Conflict, .. }) => {}
            Err(_) => {
                self.pods[at].deleting = false;
                out.timer_after(self.settings().status_retry, Timer::Retry(serial).token());
            }
        }
    }
}

fn with_status(pod: &Arc<Obj<Pod>>, status: PodStatus) -> Arc<Obj<Pod>> {
    let body = Pod { spec: pod.body.spec.clone(), node_name: pod.body.node_name.clone(), status };
    Arc::new(Obj { meta: pod.meta.clone(), body })
}
