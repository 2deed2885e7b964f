//! Node-pressure eviction: a node that runs short of memory, disk or process numbers ends pods before the kernel does.
//! Upstream: `pkg/kubelet/eviction` of 1.34.
//!
//! Upstream looks at the node every ten seconds. What containers take is declared here as curves, so that the next look at
//! which anything changes is computed instead, whenever a container starts or ends: one timer, and none for a node on
//! which no container declares what it takes. While a threshold is met for which something is to be done, every look is
//! made. The manager starts with the kubelet's process and remembers nothing of the one before.
//!
//! After an eviction the manager waits for the pod's end, half a minute at most, and looks again a second later.
//!
//! Left out: limits of ephemeral storage and of `emptyDir`, the kernel's early notice of memory (off by default), pod-level
//! resources in messages, annotations of Events, disks of their own for images or containers, collection of images by
//! `imageGCHighThresholdPercent`.

mod evict;
mod rank;
mod state;
mod stats;
mod thresholds;

pub use thresholds::{
    Amount, EVICTION_HARD, EVICTION_MAX_POD_GRACE_PERIOD, EVICTION_MINIMUM_RECLAIM,
    EVICTION_PRESSURE_TRANSITION_PERIOD, EVICTION_SOFT, EVICTION_SOFT_GRACE_PERIOD, EvictionSettings, Pressure, Signal,
    Starved, Threshold,
};

pub(super) use evict::REASON;
pub(super) use state::State;
pub(super) use stats::Capacity;
use stats::Demand;

use std::sync::Arc;

use super::admission::Refusal;
use super::loads::Load;
use super::pod::{Life, Stage};
use super::token::Timer;
use super::usage::requested;
use super::{Fixed, Kubelet};
use crate::api::{EventType, Obj, Pod, QosClass};
use crate::client::Outbox;
use crate::kernel::{Span, Time};
use evict::Reclaimed;
use state::EVERY;

/// How long after a pod's end it counts as cleaned up. Upstream: `podCleanupPollFreq`.
const CLEANED_AFTER: Span = Span::from_secs(1);
/// The least priority of pods that are critical. Upstream: `SystemCriticalPriority`.
const CRITICAL: i32 = 2_000_000_000;

/// What is declared that takes of the node.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    fixed: Arc<Fixed>,
    loads: Arc<[Load]>,
}

/// Why the next look is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Upkeep {
    /// Something changes then.
    News,
    /// A threshold is met, and nothing could be done about it: it is looked at again and again.
    Futile,
}

/// Whether a pod is spared. Upstream: `IsCriticalPod`; static pods and their mirrors are not modelled.
fn is_critical(pod: &Obj<Pod>) -> bool {
    pod.body.spec.priority >= CRITICAL
}

impl Kubelet {
    /// The node's conditions as the manager has them.
    pub(super) fn has_pressure(&self, pressure: Pressure) -> bool {
        self.pressure.as_ref().is_some_and(|state| state.has(pressure))
    }

    /// Whether a node under pressure takes a pod. Upstream: `managerImpl.Admit`.
    pub(super) fn admits_under_pressure(&self, pod: &Obj<Pod>) -> Result<(), Refusal> {
        let conditions: Vec<Pressure> = self.pressure.iter().flat_map(|state| state.conditions()).collect();
        if conditions.is_empty() || is_critical(pod) {
            return Ok(());
        }
        if conditions == [Pressure::Memory]
            && (pod.body.status.qos != Some(QosClass::BestEffort)
                || super::admission::tolerates_memory_pressure(&pod.body.spec))
        {
            return Ok(());
        }
        let conditions: Vec<&str> = conditions.into_iter().map(Pressure::condition).collect();
        let message = ecow::eco_format!("The node had condition: [{}]. ", conditions.join(" "));
        Err(Refusal { reason: evict::REASON.into(), event: evict::REASON, message })
    }

    /// Something that takes of the node has begun or ended: the next look is computed anew.
    pub(super) fn reconsider_pressure(&mut self, out: &mut Outbox) {
        let is_watched = self.pressure.is_some() || self.out_of_memory_at != Time::MAX || self.has_declared_usage();
        if !is_watched {
            return;
        }
        self.arm_kernel(out);
        let thresholds = self.settings().eviction.thresholds.len();
        let started = self.process_since + self.relist_phase;
        let last = started + EVERY * (out.now.since(started).as_nanos() / EVERY.as_nanos());
        let state = self.pressure.get_or_insert_with(|| Box::new(State::new(last, thresholds)));
        if state.cleaning.is_none() {
            self.arm_look(Upkeep::News, out);
        }
    }

    fn has_declared_usage(&self) -> bool {
        if !self.loads.is_empty() {
            return true;
        }
        let behaviours = &self.fixed.behaviours;
        let declared = |index| behaviours.get(index).usage.is_of_the_node();
        behaviours.declare_usage()
            && self
                .pods
                .iter()
                .flat_map(|pod| &pod.containers)
                .any(|container| matches!(container.stage, Stage::Running { .. }) && declared(container.behaviour))
    }

    /// Asks for a timer for the next look at which something changes.
    fn arm_look(&mut self, upkeep: Upkeep, out: &mut Outbox) {
        let declared = self.declared();
        let demand = self.demand(&declared, out);
        let capacity = self.capacity();
        let Some(state) = &mut self.pressure else { return };
        let due = state.next(out.now, &demand, &capacity, &declared.fixed.settings.eviction);
        let is_new = due != state.due && due != Time::MAX;
        state.due = due;
        if state.is_idle() {
            self.pressure = None;
        } else if is_new {
            match upkeep {
                Upkeep::News => out.timer_at(due, Timer::Pressure.token()),
                Upkeep::Futile => out.background_timer_after(due.since(out.now), Timer::Pressure.token()),
            }
        }
    }

    pub(super) fn declared(&self) -> Declared {
        Declared { fixed: self.fixed.clone(), loads: self.loads.clone() }
    }

    pub(super) fn capacity(&self) -> Capacity {
        Capacity::of(&self.fixed.template, &self.settings().eviction.thresholds)
    }

    /// What is taken of the node from now on, as long as no container starts or ends.
    pub(super) fn demand<'a>(&self, declared: &'a Declared, out: &Outbox) -> Demand<'a> {
        let behaviours = &declared.fixed.behaviours;
        let mut demand = Demand::default();
        for load in declared.loads.iter() {
            demand.0[load.starved as usize].courses.push((load.since, &load.course));
        }
        demand.0[Starved::Disk as usize].fixed = self.images.bytes();
        for record in &self.pods {
            for (index, container) in record.containers.iter().enumerate() {
                let Stage::Running { since, .. } = container.stage else { continue };
                let declared = &behaviours.get(container.behaviour).usage;
                let begins = record.program(index, since, behaviours, out.chance).begins();
                let memory = requested(record, index).memory.unsigned_abs();
                let courses =
                    [(&declared.memory, memory), (&declared.disk, 0), (&declared.inodes, 0), (&declared.pids, 1)];
                for (flow, (course, default)) in demand.0.iter_mut().zip(courses) {
                    match course {
                        Some(course) => flow.courses.push((begins, course)),
                        None => flow.fixed = flow.fixed.saturating_add(default),
                    }
                }
            }
        }
        demand
    }

    /// A look is due.
    pub(super) fn look_due(&mut self, out: &mut Outbox) {
        let declared = self.declared();
        let settings = &declared.fixed.settings.eviction;
        let capacity = self.capacity();
        let seen = self.demand(&declared, out).observe(&capacity, out.now);
        let Some(state) = self.pressure.as_mut().filter(|state| state.due <= out.now) else { return };
        state.due = Time::MAX;
        let before: Vec<Pressure> = state.conditions().collect();
        let acting = state.look(out.now, &seen, settings);
        if state.conditions().ne(before) {
            self.arm_node_status(out);
        }
        let Some(first) = acting.first() else { return self.arm_look(Upkeep::News, out) };
        match self.reclaim(first, &acting, &seen, out) {
            Reclaimed::Images => self.arm_look(Upkeep::News, out),
            Reclaimed::Nothing => self.arm_look(Upkeep::Futile, out),
            Reclaimed::Pod(serial, grace) => {
                let is_over = self.at(serial).is_none_or(|at| self.pods[at].life == Life::Finished);
                let patience = (grace * 3 / 2).max(evict::PATIENCE_MIN) + evict::CLEANUP_TIMEOUT;
                self.wait_for_cleanup(serial, if is_over { CLEANED_AFTER } else { patience }, out);
            }
        }
    }

    fn wait_for_cleanup(&mut self, serial: u32, at_most: Span, out: &mut Outbox) {
        let Some(state) = &mut self.pressure else { return };
        state.cleaning = Some(serial);
        state.due = out.now + at_most;
        out.timer_at(state.due, Timer::Pressure.token());
    }

    /// A pod has ended: if it was evicted, the manager looks again.
    pub(super) fn ended_under_pressure(&mut self, serial: u32, out: &mut Outbox) {
        if self.pressure.as_ref().is_some_and(|state| state.cleaning == Some(serial)) {
            self.wait_for_cleanup(serial, CLEANED_AFTER, out);
        } else {
            self.reconsider_pressure(out);
        }
    }

    /// Says of conditions that have changed since the Node was last seen. Upstream: `nodestatus/setters.go`.
    pub(super) fn say_conditions(&mut self, out: &mut Outbox) {
        let Some(node) = self.node.object.clone() else { return };
        for pressure in Pressure::ALL {
            let holds = self.has_pressure(pressure);
            let shown = node.body.condition(pressure.condition()).map(|condition| condition.status == "True");
            // What is unknown was so before: upstream says that all is well then, too.
            if shown.is_some_and(|shown| shown != holds) {
                let reason = match (pressure, holds) {
                    (Pressure::Memory, true) => "NodeHasInsufficientMemory",
                    (Pressure::Memory, false) => "NodeHasSufficientMemory",
                    (Pressure::Disk, true) => "NodeHasDiskPressure",
                    (Pressure::Disk, false) => "NodeHasNoDiskPressure",
                    (Pressure::Pid, true) => "NodeHasInsufficientPID",
                    (Pressure::Pid, false) => "NodeHasSufficientPID",
                };
                let message = ecow::eco_format!("Node {} status is now: {reason}", self.fixed.name);
                self.say(out, node.meta.reference(), EventType::Normal, reason, message);
            }
        }
    }
}
