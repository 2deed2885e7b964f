//! A look at all nodes that have changed or whose time is up: which they are, in what order they have their turn, and what
//! is remembered of them. Upstream: `monitorNodeHealth`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::health::{Ready, look};
use super::sync::{Looked, Tainting};
use super::zones::Disruption;
use super::{EXCLUDE_DISRUPTION, Known, LOOKS_AT_A_TIME, NodeLifecycleController, Pass, REGISTERED_EVENTS_MAX};
use super::{key_of, taints, zones};
use crate::api::{Node, Obj, ObjectId};
use crate::client::{Plan, View, WorkQueue};
use crate::event::Cause;

impl NodeLifecycleController {
    /// Begins a look at all nodes that have changed or whose time is up.
    pub(super) fn begin_pass(&mut self, view: &View, queue: &mut WorkQueue) {
        if let Some(grid) = &mut self.grid {
            grid.used(view.now);
        }
        self.check_beats(view);
        let mut due = std::mem::take(&mut self.changed);
        self.changed_at = None;
        while let Some((at, slot)) = self.deadlines.first().copied().filter(|(at, _)| *at <= view.now) {
            self.deadlines.remove(&(at, slot));
            if let Some(known) = self.known.get_mut(&slot) {
                known.deadline = None;
            }
            due.entry(slot).or_insert(Cause::START);
        }
        let mut waiting = VecDeque::new();
        let mut new_nodes = 0;
        for (slot, cause) in due {
            match view.caches.nodes.by_slot(slot) {
                None if !self.known.contains_key(&slot) => {}
                None => waiting.push_back((slot, cause)),
                Some(node) => {
                    let is_new = !self.known.contains_key(&slot);
                    new_nodes += usize::from(is_new);
                    let has_event = is_new && new_nodes <= REGISTERED_EVENTS_MAX;
                    if has_event || !self.look_in_passing(node, view) {
                        waiting.push_back((slot, cause));
                    }
                }
            }
        }
        self.pass = Some(Pass { began: view.now, waiting, turns: BTreeMap::new(), judged: false });
        for (key, cause) in self.next_turns(view) {
            queue.add(key, cause);
        }
        for (key, cause) in self.end_pass(view) {
            queue.add(key, cause);
        }
    }

    /// Looks at a node that needs nothing. False where something is to be done about it.
    pub(super) fn look_in_passing(&mut self, node: &Arc<Obj<Node>>, view: &View) -> bool {
        let subject = self.subject(node, view);
        if subject.retry || taints::has_no_execute(node) || Ready::of(node) != Ready::True {
            return false;
        }
        let looked = look(subject.health.as_ref(), node, &subject.sight);
        if looked.update.is_some() {
            return false;
        }
        let (health, current) = (looked.health, Some(looked.current));
        self.looked(node, Looked { health, current, tainting: Tainting::Unmark, retry: false }, view);
        true
    }

    /// Gives the next nodes their turn.
    pub(super) fn next_turns(&mut self, view: &View) -> Vec<(ObjectId, Cause)> {
        let mut keys = Vec::new();
        let Some(pass) = &mut self.pass else { return keys };
        while pass.turns.len() < LOOKS_AT_A_TIME
            && let Some((slot, cause)) = pass.waiting.pop_front()
        {
            let name = match view.caches.nodes.by_slot(slot) {
                Some(node) => Some(&node.meta.name),
                None => self.known.get(&slot).map(|known| &known.reference.name),
            };
            let key = key_of(slot, name, view);
            pass.turns.insert(key, slot);
            keys.push((key, cause));
        }
        keys
    }

    /// Ends the look where all nodes have had their turn: judges the zones.
    pub(super) fn end_pass(&mut self, view: &View) -> Vec<(ObjectId, Cause)> {
        let is_over = |pass: &Pass| pass.turns.is_empty() && pass.waiting.is_empty();
        let Some(pass) = self.pass.as_mut().filter(|pass| is_over(pass)) else { return Vec::new() };
        let (began, judged) = (pass.began, pass.judged);
        pass.judged = true;
        match if judged { Disruption::None } else { self.zones.adjust(view.now) } {
            Disruption::None => {}
            Disruption::Begins => {
                self.zones.unmark_all();
                let tainted = view.caches.nodes.iter().filter(|node| taints::has_no_execute(node));
                let waiting = tainted.map(|node| (node.meta.id.slot, Cause::START)).collect();
                self.pass = Some(Pass { began, waiting, turns: BTreeMap::new(), judged: true });
                // The next look puts those that are not ready into the queues again.
                let silent: Vec<u32> =
                    self.known.iter().filter(|(_, k)| k.counted == Some(false)).map(|(s, _)| *s).collect();
                for slot in silent {
                    self.note_change(slot, Cause::START, view.now);
                }
                let keys = self.next_turns(view);
                if !keys.is_empty() {
                    return keys;
                }
            }
            Disruption::Ends => {
                let slots: Vec<u32> = self.known.keys().copied().collect();
                for slot in slots {
                    let Some(known) = self.known.get_mut(&slot) else { continue };
                    known.health.probe = view.now;
                    if known.deadline.is_some() {
                        let deadline = view.now.saturating_add(self.grace.of(known.health.heartbeat));
                        self.set_deadline(slot, Some(deadline));
                    }
                }
            }
        }
        self.pass = None;
        if let Some(grid) = &mut self.grid {
            grid.ended(began, view.now);
        }
        Vec::new()
    }

    /// Takes in what a look at a node showed.
    pub(super) fn looked(&mut self, node: &Obj<Node>, looked: Looked, view: &View) {
        let slot = node.meta.id.slot;
        let zone = zones::of_labels(&node.meta.labels);
        let beat = view.beats.node(&node.meta.name).cloned();
        let counts = node.meta.labels.get(EXCLUDE_DISRUPTION).is_none();
        let Looked { health, current, tainting, retry } = looked;
        self.zones.add(&zone);
        let before = self.known.get(&slot);
        let (old_zone, old_count) = before.map_or((zone.clone(), None), |known| (known.zone.clone(), known.counted));
        let was_ready = before.is_none_or(|known| known.health.ready == Ready::True);
        let counted = match current {
            Some(current) => counts.then_some(current == Ready::True),
            None => old_count,
        };
        if (&old_zone, old_count) != (&zone, counted) {
            old_count.into_iter().for_each(|ready| self.zones.count(&old_zone, ready, false));
            counted.into_iter().for_each(|ready| self.zones.count(&zone, ready, true));
        }
        match tainting {
            Tainting::Leave => {}
            Tainting::Mark(has_taint) => self.zones.mark(&zone, slot, has_taint),
            Tainting::Unmark => self.zones.unmark(&zone, slot),
        }
        self.not_ready += usize::from(health.ready != Ready::True);
        self.not_ready -= usize::from(!was_ready);
        let is_lost =
            current == Some(Ready::Unknown) && view.now >= health.probe.saturating_add(self.grace.of(health.heartbeat));
        let deadline = health.probe.saturating_add(self.grace.of(health.heartbeat));
        let deadline = (beat.is_none() && !is_lost && current.is_some()).then_some(deadline);
        let old_deadline = before.and_then(|known| known.deadline);
        let reference = node.meta.reference();
        let known = Known { reference, health, beat, deadline: old_deadline, zone, counted, retry };
        self.known.insert(slot, known);
        self.set_deadline(slot, deadline);
        if retry || current.is_none() {
            self.note_change(slot, Cause::START, view.now);
        }
    }

    /// Forgets a node.
    pub(super) fn forget(&mut self, slot: u32) {
        self.set_deadline(slot, None);
        let Some(known) = self.known.remove(&slot) else { return };
        self.not_ready -= usize::from(known.health.ready != Ready::True);
        known.counted.into_iter().for_each(|ready| self.zones.count(&known.zone, ready, false));
    }

    /// Lets the next node of a zone get its taint, where one may.
    pub(super) fn next_taint(&mut self, view: &View) -> Option<ObjectId> {
        let (zone, slot) = self.zones.next(view.now)?;
        let known = self.known.get(&slot);
        let key = key_of(slot, known.map(|known| &known.reference.name), view);
        self.tainting = Some((zone, slot));
        Some(key)
    }

    /// A node's turn in a look is over.
    pub(super) fn turn_over(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        if let Some(pass) = &mut self.pass {
            pass.turns.remove(&key);
        }
        for (key, _) in self.next_turns(view).into_iter().chain(self.end_pass(view)) {
            plan.enqueue(key);
        }
    }
}
