//! How a kubelet shows that its node is alive: the Lease, and the Node's status on two grids.
//! Upstream: `component-helpers/apimachinery/lease`, `kubelet_node_status.go` (`syncNodeStatus`).
//!
//! While nothing touches the path to the API server, renewals and unchanged statuses are computed for their readers
//! ([`Effect::Heartbeat`]) and cost nothing. Otherwise ([`Kubelet::set_computed`]) the kubelet sends them itself, at the
//! same instants: the grid begins with the Lease. A status that differs from what the API server shows (images that have
//! come, conditions that the node life-cycle controller has changed) goes out at the next point of a grid of its own.
//! Where upstream asks for the Node before each status update, this is done only after renewals have failed or been
//! late: in between its watch tells of changes. Left out: jitter, upstream's four further tries of a failed renewal.

use std::sync::Arc;

use super::Kubelet;
use super::node::TRY_AGAIN;
use super::token::{Ask, Timer};
use crate::api::{EventType, Kind, Lease, Meta, Name, Node, Obj, Object, OwnerReference};
use crate::client::Outbox;
use crate::event::{ApiError, Effect, ErrorReason, Heartbeat, NODE_LEASES, Reply, Request, Target};
use crate::kernel::{Span, Time};

/// How often a failed status update is tried again at once. Upstream: `nodeStatusUpdateRetry`.
const STATUS_TRIES: u32 = 5;

impl Kubelet {
    pub(super) fn try_again(&mut self, timer: Timer, out: &mut Outbox) {
        out.timer_after(TRY_AGAIN.delay(self.node.failures), timer.token());
        self.node.failures += 1;
    }

    fn lease_body(&self, out: &Outbox) -> Lease {
        Lease {
            holder: self.fixed.name.clone(),
            duration_seconds: Some(self.settings().lease_duration_seconds),
            acquired: None,
            renewed: Some(out.clock.micro_timestamp(out.now)),
            transitions: None,
            rest: None,
        }
    }

    /// Creates the Lease.
    pub(super) fn create_lease(&mut self, out: &mut Outbox) {
        let Some(node) = &self.node.object else { return };
        let mut meta = Meta::new(Kind::Lease, NODE_LEASES, self.fixed.name.clone());
        meta.owners = Arc::new([OwnerReference {
            api_version: "v1".into(),
            kind: "Node".into(),
            name: node.meta.name.clone(),
            uid: node.meta.uid,
            controller: None,
            block_owner_deletion: None,
        }]);
        let body = self.lease_body(out);
        self.node.renewed_at = out.now;
        out.send(&mut self.api, Ask::CreateLease.token(), Request::Create(Obj { meta, body }.into_object()));
    }

    /// The Lease is there: from now on the node is kept alive.
    pub(super) fn lease_created(&mut self, reply: Reply, out: &mut Outbox) {
        self.node.beats_from = out.now;
        self.node.statuses_from = self.next_beat(out.now);
        match reply {
            Ok(answer) => self.node.lease = answer.object().and_then(Object::get::<Lease>).cloned(),
            // An earlier process has made it: it is renewed at once.
            Err(ApiError { reason: ErrorReason::AlreadyExists, .. }) => self.renew_lease(out),
            Err(_) => {
                self.node.beats_from = Time::MAX;
                return self.try_again(Timer::CreateLease, out);
            }
        }
        self.node.failures = 0;
        if self.machine.computed { self.compute_heartbeats(out) } else { self.arm_renewal(out) }
    }

    /// Whether heartbeats may be computed for their readers from now on, or are to be sent.
    pub(super) fn set_computed(&mut self, computed: bool, out: &mut Outbox) {
        let computed = computed && self.settings().elide_heartbeats;
        if computed == self.machine.computed {
            return;
        }
        self.machine.computed = computed;
        // Where they are to be computed again, the renewal that has a timer is the last that is sent.
        if !computed && self.node.beats_from != Time::MAX {
            let every = self.settings().lease_every();
            self.node.renewed_at = last_point(self.node.beats_from, every, out.now).unwrap_or(out.now);
            self.node.look = true;
            self.arm_renewal(out);
        }
    }

    fn compute_heartbeats(&mut self, out: &mut Outbox) {
        self.node.renew_at = Time::MAX;
        self.node.statuses_from = self.next_beat(out.now);
        let settings = &self.fixed.settings;
        out.effects.push(Effect::Heartbeat(Heartbeat {
            namespace: NODE_LEASES.into(),
            name: self.fixed.name.clone(),
            first: Some(self.node.statuses_from),
            lease_every: settings.lease_every(),
            status_every: Some(settings.status_report_every),
        }));
    }

    /// The first point of the grid of heartbeats after an instant.
    fn next_beat(&self, after: Time) -> Time {
        next_point(self.node.beats_from, self.settings().lease_every(), after)
    }

    fn arm_renewal(&mut self, out: &mut Outbox) {
        self.node.renew_at = self.next_beat(out.now);
        out.background_timer_after(self.node.renew_at.since(out.now), Timer::RenewLease.token());
    }

    /// A heartbeat that is not computed falls due.
    pub(super) fn renewal_due(&mut self, out: &mut Outbox) {
        if self.node.renew_at > out.now {
            return;
        }
        let every = self.settings().lease_every();
        // Statuses begin with the first renewal, as those that are computed.
        let last_status = last_point(self.node.statuses_from, self.settings().status_report_every, out.now);
        self.node.look |= out.now.since(self.node.renewed_at) > every * 2;
        let status_due = last_status.is_some_and(|at| at > self.node.renewed_at);
        self.renew_lease(out);
        self.arm_renewal(out);
        if status_due {
            self.report_node(out);
        }
        if self.node.look {
            self.arm_node_status(out);
        }
    }

    /// Renews the Lease; whoever wrote it before is overwritten. A failed renewal waits for the next.
    fn renew_lease(&mut self, out: &mut Outbox) {
        let mut meta = match &self.node.lease {
            Some(lease) => lease.meta.clone(),
            None => Meta::new(Kind::Lease, NODE_LEASES, self.fixed.name.clone()),
        };
        meta.resource_version = 0;
        let body = self.lease_body(out);
        self.node.renewed_at = out.now;
        out.send(&mut self.heartbeats, Ask::RenewLease.token(), Request::Update(Obj { meta, body }.into_object()));
    }

    /// A renewal has been answered.
    pub(super) fn renewal_answered(&mut self, reply: Reply, out: &mut Outbox) {
        match reply {
            Ok(_) => {
                if std::mem::take(&mut self.node.renewal_failed) {
                    self.node.look = true;
                    self.arm_node_status(out);
                }
                if self.machine.computed && self.node.renew_at != Time::MAX {
                    self.compute_heartbeats(out);
                }
            }
            Err(ApiError { reason: ErrorReason::NotFound, .. }) => {
                self.node.lease = None;
                self.node.renew_at = Time::MAX;
                self.create_lease(out);
            }
            Err(_) => self.node.renewal_failed = true,
        }
    }

    /// Asks for a timer at the next point of the grid of status updates, unless there is one.
    pub(super) fn arm_node_status(&mut self, out: &mut Outbox) {
        if self.node.status_at != Time::MAX || self.node.object.is_none() {
            return;
        }
        self.node.status_at = next_point(self.node.registered_at, self.settings().status_update_every, out.now);
        out.timer_at(self.node.status_at, Timer::NodeStatus.token());
    }

    /// Reports the status if it differs from what the API server shows.
    pub(super) fn node_status_due(&mut self, out: &mut Outbox) {
        if self.node.status_at > out.now {
            return;
        }
        self.node.status_at = Time::MAX;
        if self.node.look {
            let target = Target::Name(Kind::Node, Name::new(), self.fixed.name.clone());
            out.send(&mut self.heartbeats, Ask::LookAtNode.token(), Request::Get(target));
        } else {
            self.report_changes(out);
        }
    }

    fn report_changes(&mut self, out: &mut Outbox) {
        if self.images.unreported || !self.seems_healthy() || !self.shows_in_use() {
            self.report_node(out);
        }
    }

    /// The Node as it is after the connection was lost for a while.
    pub(super) fn looked_at_node(&mut self, reply: Reply, out: &mut Outbox) {
        match reply {
            Ok(answer) => {
                if let Some(Object::Node(node)) = answer.object() {
                    self.node_seen(node);
                }
                self.node.look = false;
                self.report_changes(out);
            }
            Err(_) => self.arm_node_status(out),
        }
    }

    /// Sends the Node's status.
    pub(super) fn report_node(&mut self, out: &mut Outbox) {
        let Some(node) = self.node.object.clone() else { return };
        let before = &node.body.status;
        let status = self.node_status(Some(before), out.timestamp());
        let name = &self.fixed.name;
        let boot = |status: &k8s_openapi::api::core::v1::NodeStatus| {
            status.node_info.as_ref().map_or_else(String::new, |info| info.boot_id.clone())
        };
        let rebooted = !boot(before).is_empty() && boot(before) != boot(&status);
        let rebooted = rebooted.then(|| ecow::eco_format!("Node {name} has been rebooted, boot id: {}", boot(&status)));
        let ready = (!node.body.is_ready()).then(|| ecow::eco_format!("Node {name} status is now: NodeReady"));
        if self.node.status_tries == 0 {
            if let Some(message) = rebooted {
                self.say(out, node.meta.reference(), EventType::Warning, "Rebooted", message);
            }
            self.say_conditions(out);
            if let Some(message) = ready {
                self.say(out, node.meta.reference(), EventType::Normal, "NodeReady", message);
            }
        }
        let body = Node { spec: node.body.spec.clone(), status: Arc::new(status) };
        let object = Obj { meta: node.meta.clone(), body }.into_object();
        self.images.unreported = false;
        out.send(&mut self.heartbeats, Ask::NodeStatus.token(), Request::PatchStatus(object));
    }

    /// The status has been stored, or is sent again: at once for some times, then at the next point of the grid.
    pub(super) fn node_status_answered(&mut self, reply: Reply, out: &mut Outbox) {
        match reply {
            Ok(answer) => {
                self.node.status_tries = 0;
                if let Some(Object::Node(node)) = answer.object() {
                    self.node_seen(node);
                }
                self.look_at_attached(out);
            }
            Err(_) => {
                self.images.unreported = true;
                self.node.status_tries += 1;
                if self.node.status_tries < STATUS_TRIES {
                    return self.report_node(out);
                }
                self.node.status_tries = 0;
                self.arm_node_status(out);
            }
        }
    }
}

fn last_point(first: Time, every: Span, now: Time) -> Option<Time> {
    let since = now.nanos().checked_sub(first.nanos())?;
    Some(Time(now.nanos() - since % every.as_nanos().max(1)))
}

fn next_point(from: Time, every: Span, after: Time) -> Time {
    let every = every.max(Span::from_nanos(1));
    from + every * (after.since(from).as_nanos() / every.as_nanos() + 1)
}
