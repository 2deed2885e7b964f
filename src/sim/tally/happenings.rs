//! What happened of note, as it happened: Kubernetes Events but the routine ones, and what became of nodes.
//!
//! Kept in bounded memory: where there are too many, what says the same about one object within a longer and longer
//! while becomes one, then what has one reason in one namespace. The Events themselves are gone after an hour.

use std::sync::Arc;

use crate::api::{Event, EventType, Kind, Name, Node, Obj};
use crate::event::ChangeKind;
use crate::kernel::{Span, Time};

/// How many are kept at most.
const KEPT: usize = 4_000;
/// How far apart two equal ones are two at first.
const APART: Span = Span::from_secs(1);
/// What each pod and node goes through, and what controllers say of each; kept of nobody.
const ROUTINE: [&str; 9] = [
    "Scheduled",
    "Pulling",
    "Pulled",
    "Created",
    "Started",
    "Killing",
    "SuccessfulCreate",
    "SuccessfulDelete",
    "RegisteredNode",
];

/// What a happening is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum HappeningKind {
    /// An Event of type `Warning`.
    Warning,
    /// An Event of type `Normal`.
    Normal,
    /// A change of a Node: its `Ready` condition, its taints, its being.
    Node,
}

/// Something that happened, once or several times.
#[derive(Clone, PartialEq, Debug)]
pub struct Happening {
    /// What it is.
    pub kind: HappeningKind,
    /// When it happened first.
    pub first: Time,
    /// When it happened last.
    pub last: Time,
    /// How often it happened.
    pub count: u64,
    /// One word in CamelCase.
    pub reason: Name,
    /// The kind of the object that it happened to.
    pub object_kind: Kind,
    /// The object's namespace; may be empty.
    pub namespace: Name,
    /// The object's name; of several that of the first.
    pub name: Name,
    /// What is said about it; of several the first.
    pub message: Name,
}

/// What becomes one. The order of fields is the order of happenings.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key {
    cell: u64,
    kind: HappeningKind,
    reason: Name,
    object_kind: Kind,
    namespace: Name,
    name: Name,
    message: Name,
}

/// All happenings.
#[derive(Clone, Debug)]
pub struct Happenings {
    all: imbl::OrdMap<Key, Arc<Happening>>,
    apart: Span,
    by_object: bool,
    left_out: u64,
    /// The first Warning, whatever becomes of the others.
    first_warning: Option<Arc<Happening>>,
}

impl Default for Happenings {
    fn default() -> Happenings {
        Happenings { all: imbl::OrdMap::new(), apart: APART, by_object: true, left_out: 0, first_warning: None }
    }
}

impl Happenings {
    /// The happenings, roughly in order of time.
    pub fn iter(&self) -> impl Iterator<Item = &Happening> {
        self.all.values().map(|happening| &**happening)
    }

    /// The first Warning: the first sign of trouble that anyone could have seen.
    pub fn first_warning(&self) -> Option<&Happening> {
        self.first_warning.as_deref()
    }

    /// How many happened that are not kept in any form.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    pub(super) fn event(&mut self, now: Time, event: &Obj<Event>) {
        let body = &event.body;
        let kind = match body.kind {
            EventType::Warning => HappeningKind::Warning,
            EventType::Normal if ROUTINE.contains(&body.reason.as_str()) => return,
            EventType::Normal => HappeningKind::Normal,
        };
        let happening = Happening {
            kind,
            first: now,
            last: now,
            count: 1,
            reason: body.reason.clone(),
            object_kind: body.involved.kind,
            namespace: body.involved.namespace.clone(),
            name: body.involved.name.clone(),
            message: body.message.clone(),
        };
        self.add(now, happening);
    }

    pub(super) fn node(&mut self, now: Time, before: Option<&Arc<Obj<Node>>>, node: &Arc<Obj<Node>>, kind: ChangeKind) {
        let mut say = |reason: &str, message: String| {
            let happening = Happening {
                kind: HappeningKind::Node,
                first: now,
                last: now,
                count: 1,
                reason: reason.into(),
                object_kind: Kind::Node,
                namespace: Name::new(),
                name: node.meta.name.clone(),
                message: message.into(),
            };
            self.add(now, happening);
        };
        match (kind, before) {
            // Nodes that are there from the beginning are nothing of note.
            (ChangeKind::Added, _) if now == Time::ZERO => {}
            (ChangeKind::Added, _) => say("Registered", "the Node has been created".to_owned()),
            (ChangeKind::Deleted, _) => say("Gone", "the Node has been deleted".to_owned()),
            (ChangeKind::Modified, Some(before)) => {
                if !Arc::ptr_eq(&before.body.status, &node.body.status) {
                    ready_change(&before.body, &node.body).into_iter().for_each(|(reason, text)| say(reason, text));
                }
                if !Arc::ptr_eq(&before.body.spec, &node.body.spec) {
                    spec_changes(&before.body, &node.body).into_iter().for_each(|(reason, text)| say(reason, text));
                }
            }
            (ChangeKind::Modified, None) => {}
        }
    }

    fn add(&mut self, now: Time, happening: Happening) {
        if happening.kind == HappeningKind::Warning && self.first_warning.is_none() {
            self.first_warning = Some(Arc::new(happening.clone()));
        }
        let key = self.key(&happening);
        if let Some(same) = self.all.get_mut(&key) {
            Arc::make_mut(same).take_in(&happening);
            return;
        }
        if self.all.len() >= KEPT && !self.make_room(now) {
            self.left_out += 1;
            return;
        }
        self.put(Arc::new(happening));
    }

    fn key(&self, happening: &Happening) -> Key {
        let of_object = |name: &Name| if self.by_object { name.clone() } else { Name::new() };
        Key {
            cell: happening.first.nanos() / self.apart.as_nanos(),
            kind: happening.kind,
            reason: happening.reason.clone(),
            object_kind: happening.object_kind,
            namespace: happening.namespace.clone(),
            name: of_object(&happening.name),
            message: of_object(&happening.message),
        }
    }

    fn put(&mut self, happening: Arc<Happening>) {
        let key = self.key(&happening);
        match self.all.get_mut(&key) {
            Some(same) => Arc::make_mut(same).take_in(&happening),
            None => {
                self.all.insert(key, happening);
            }
        }
    }

    /// Tells fewer apart until there is room; false where that is not to be had.
    fn make_room(&mut self, now: Time) -> bool {
        while self.all.len() > KEPT / 2 {
            // A sixteenth of the time so far is coarse enough while objects are told apart.
            if self.apart.as_nanos() < now.nanos() / 16 || (!self.by_object && self.apart.as_nanos() <= now.nanos()) {
                self.apart = self.apart * 2;
            } else if self.by_object {
                self.by_object = false;
            } else {
                return self.all.len() < KEPT;
            }
            for happening in std::mem::take(&mut self.all).into_iter().map(|(_, happening)| happening) {
                self.put(happening);
            }
        }
        true
    }
}

impl Happening {
    fn take_in(&mut self, other: &Happening) {
        self.last = self.last.max(other.last);
        self.count += other.count;
    }
}

fn ready_change(before: &Node, after: &Node) -> Option<(&'static str, String)> {
    let status = |node: &Node| node.condition("Ready").map(|ready| ready.status.clone());
    if status(before) == status(after) {
        return None;
    }
    let ready = after.condition("Ready")?;
    let reason = match ready.status.as_str() {
        "True" => "Ready",
        "False" => "NotReady",
        _ => "Unreachable",
    };
    let text =
        [ready.reason.as_deref(), ready.message.as_deref()].into_iter().flatten().filter(|text| !text.is_empty());
    Some((reason, text.collect::<Vec<_>>().join(": ")))
}

fn spec_changes(before: &Node, after: &Node) -> Vec<(&'static str, String)> {
    let mut changes = Vec::new();
    let text = |taint: &k8s_openapi::api::core::v1::Taint| {
        let value = taint.value.as_deref().map_or(String::new(), |value| format!("={value}"));
        format!("{}{value}:{}", taint.key, taint.effect)
    };
    let taints = |node: &Node| node.taints().iter().map(text).collect::<Vec<String>>();
    let (old, new) = (taints(before), taints(after));
    changes.extend(new.iter().filter(|taint| !old.contains(taint)).map(|taint| ("Tainted", taint.clone())));
    changes.extend(old.iter().filter(|taint| !new.contains(taint)).map(|taint| ("Untainted", taint.clone())));
    match (before.is_unschedulable(), after.is_unschedulable()) {
        (false, true) => changes.push(("Cordoned", "no pod is placed here any more".to_owned())),
        (true, false) => changes.push(("Uncordoned", "pods may be placed here again".to_owned())),
        (true, true) | (false, false) => {}
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Meta, Reference, Timestamp, Uid};

    fn event(kind: EventType, reason: &str, pod: &str, message: &str) -> Obj<Event> {
        let involved = Reference { kind: Kind::Pod, namespace: "default".into(), name: pod.into(), uid: Uid(7) };
        let body = Event {
            involved,
            reason: reason.into(),
            message: message.into(),
            kind,
            component: "kubelet".into(),
            host: Name::new(),
            count: 1,
            first: Timestamp(0),
            last: Timestamp(0),
            rest: None,
        };
        Obj { meta: Meta::new(Kind::Event, "default", "e"), body }
    }

    fn at(seconds: u64) -> Time {
        Time::ZERO + Span::from_secs(seconds)
    }

    #[test]
    fn routine_is_left_out_and_what_repeats_itself_is_one() {
        let mut happenings = Happenings::default();
        happenings.event(at(1), &event(EventType::Normal, "Scheduled", "a", ""));
        happenings.event(at(2), &event(EventType::Warning, "BackOff", "a", "Back-off"));
        happenings.event(at(2), &event(EventType::Warning, "BackOff", "a", "Back-off"));
        happenings.event(at(2), &event(EventType::Warning, "BackOff", "a", "something else"));
        happenings.event(at(5), &event(EventType::Warning, "BackOff", "a", "Back-off"));
        let counts: Vec<(u64, u64)> = happenings.iter().map(|one| (one.first.seconds(), one.count)).collect();
        assert_eq!(counts, [(2, 2), (2, 1), (5, 1)]);
        assert_eq!(happenings.first_warning().map(|one| one.first), Some(at(2)));
    }

    #[test]
    fn however_much_happens_all_of_it_is_counted_in_bounded_memory() {
        let mut happenings = Happenings::default();
        for n in 0..50_000 {
            let pod = format!("pod-{}", n % 3_000);
            happenings.event(at(n / 10), &event(EventType::Warning, "FailedScheduling", &pod, "0/3 nodes"));
        }
        assert!(happenings.all.len() <= KEPT);
        assert_eq!(happenings.iter().map(|one| one.count).sum::<u64>() + happenings.left_out(), 50_000);
        assert_eq!(happenings.left_out(), 0);
    }
}
