//! Stories of the scheduler as a process, told without a server: notices in, effects out.

mod cards;
mod preemption;
mod volumes;

use std::sync::Arc;

use super::testing::{node, pod_numbered};
use super::{Profile, Scheduler, SchedulerSettings};
use crate::api::{Clock, Name, Obj, Object, Pod, PodConditionType, Uid};
use crate::client::{Flags, Outbox, Part};
use crate::event::{
    Answer, ApiError, Cause, Change, ChangeKind, Effect, ErrorReason, InformerIndex, Input, Request, Target,
    TimerToken, Token,
};
use crate::kernel::{Chance, Span, Time};

/// How many informers there are.
const LISTS: u64 = 4 + super::Volumes::KINDS.len() as u64 + super::Owners::KINDS.len() as u64;
const SMALL: &str = "{status: {allocatable: {cpu: '1', memory: 1Gi, pods: '10'}}}";
const BIG: &str = "{status: {allocatable: {cpu: '8', memory: 8Gi, pods: '10'}}}";

fn asks(cpu: &str) -> String {
    format!("{{containers: [{{name: c, resources: {{requests: {{cpu: '{cpu}'}}}}}}]}}")
}

struct Story {
    scheduler: Scheduler,
    now: Time,
    timers: Vec<(Time, TimerToken)>,
    /// What was said to the API server, in short.
    said: Vec<String>,
    binds: Vec<Token>,
    /// What was to be updated.
    updates: Vec<Object>,
    /// Requests about victims that are not answered yet.
    victims: Vec<Token>,
    revision: u64,
}

impl Story {
    fn new(cycle_time: Span) -> Story {
        let mut settings = SchedulerSettings::of(&Flags::default()).expect("the defaults are allowed");
        settings.leader_election = None;
        settings.cycle_time = cycle_time;
        let scheduler = Scheduler::new("kube-scheduler", "control-plane-0", settings);
        let mut story = Story {
            scheduler,
            now: Time::ZERO,
            timers: vec![],
            said: vec![],
            binds: vec![],
            updates: vec![],
            victims: vec![],
            revision: 1,
        };
        story.handle(Input::Start);
        story.said.clear();
        for list in 0..LISTS {
            let answer = Answer::List { items: vec![], resource_version: 1 };
            story.handle(Input::Reply { token: Token((1 << 48) + list), result: Ok(answer) });
        }
        story
    }

    fn handle(&mut self, input: Input) {
        let mut out = Outbox::new(self.now, Clock::DEFAULT, Chance { seed: 1 }, Cause(7));
        self.scheduler.handle(input, &mut out);
        for effect in out.effects {
            match effect {
                Effect::Send { token, request, .. } => self.hear(token, request),
                Effect::Timer { at, token, .. } => self.timers.push((at, token)),
                Effect::Watch { .. } | Effect::Heartbeat(_) | Effect::Note(_) | Effect::Exit => {}
            }
        }
    }

    fn hear(&mut self, token: Token, request: Request) {
        let said = match request {
            Request::Bind { node, annotations, .. } => {
                self.binds.push(token);
                let with = annotations.iter().map(|(key, value)| format!(" with {key}={value}"));
                format!("bind to {node}{}", with.collect::<String>())
            }
            Request::PatchStatus(Object::Pod(pod)) => self.hear_status(token, &pod),
            Request::Delete { target, .. } => {
                self.victims.push(token);
                let Target::Id(id) = target else { panic!("a victim is known by its number") };
                format!("delete p{}", id.slot)
            }
            Request::Create(Object::Event(event)) => format!("{}: {}", event.body.reason, event.body.message),
            Request::PatchEvent { count, .. } => format!("event again: {count}"),
            Request::Update(object) => {
                self.binds.push(token);
                self.updates.push(object.clone());
                format!("update {:?} {}", object.kind(), object.meta().name)
            }
            other => format!("{other:?}").chars().take(30).collect(),
        };
        self.said.push(said);
    }

    /// `name: why`, and the node that is nominated.
    fn hear_status(&mut self, token: Token, pod: &Obj<Pod>) -> String {
        let why = |kind| Some(pod.body.condition(kind)?.text.as_ref()?.reason.clone());
        if let Some(why) = why(PodConditionType::DisruptionTarget) {
            self.victims.push(token);
            return format!("{}: {why}", pod.meta.name);
        }
        let why = why(PodConditionType::PodScheduled).unwrap_or_else(|| "Pending".into());
        match pod.body.status.nominated_node_name.as_str() {
            "" => format!("{}: {why}", pod.meta.name),
            node => format!("{}: {why}, waits for {node}", pod.meta.name),
        }
    }

    fn change(&mut self, informer: u8, kind: ChangeKind, object: Object) {
        self.revision += 1;
        let change = Change { kind, object, revision: self.revision, cause: Cause(self.revision as u32) };
        self.handle(Input::Notice { informer: InformerIndex(u16::from(informer)), changes: vec![change] });
    }

    fn node(&mut self, name: &str, text: &str) {
        self.change(0, ChangeKind::Added, Object::Node(node(name, text)));
    }

    fn pod(&mut self, slot: u32, spec: &str) -> Arc<Obj<Pod>> {
        let pod = pod_numbered(slot, &format!("p{slot}"), spec);
        self.change(2, ChangeKind::Added, Object::Pod(pod.clone()));
        pod
    }

    fn bound(&mut self, pod: &Arc<Obj<Pod>>, node: &str) {
        let mut bound = Obj::clone(pod);
        bound.body.node_name = node.into();
        self.change(2, ChangeKind::Modified, bound.into_object());
    }

    /// Lets time pass until an instant, or until no timer is left before it.
    fn run_until(&mut self, until: Time) {
        while let Some(at) = (0..self.timers.len()).min_by_key(|at| self.timers[*at].0) {
            if self.timers[at].0 > until {
                break;
            }
            let (at, token) = self.timers.remove(at);
            self.now = at;
            self.handle(Input::Timer(token));
        }
        self.now = until;
    }

    fn run(&mut self, span: Span) {
        self.run_until(self.now + span);
    }

    fn answer_bind(&mut self, result: Result<Answer, ApiError>) {
        let token = self.binds.remove(0);
        self.handle(Input::Reply { token, result });
    }

    #[track_caller]
    fn expect(&mut self, said: &[&str]) {
        assert_eq!(std::mem::take(&mut self.said), said);
    }
}

const NO_CPU: &str = "FailedScheduling: 0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, \
                      preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";

#[test]
fn a_pod_is_decided_bound_and_announced() {
    let mut t = Story::new(Span::from_millis(1));
    t.node("n1", BIG);
    let pod = t.pod(1, &asks("1"));
    t.expect(&[]);
    t.run(Span::from_millis(1));
    t.expect(&["bind to n1"]);
    assert!(t.scheduler.cluster().is_assumed(1));
    t.bound(&pod, "n1");
    assert!(!t.scheduler.cluster().is_assumed(1));
    t.answer_bind(Ok(Answer::Done));
    t.expect(&["Scheduled: Successfully assigned default/p1 to n1"]);
    assert!(t.scheduler.is_idle() && t.timers.is_empty(), "at rest nothing is due");
}

#[test]
fn the_next_pod_is_decided_before_the_bind_is_answered() {
    let mut t = Story::new(Span::ZERO);
    t.node("n1", SMALL);
    t.node("n2", SMALL);
    t.pod(1, &asks("800m"));
    t.pod(2, &asks("800m"));
    t.said.sort();
    t.expect(&["bind to n1", "bind to n2"]);
}

#[test]
fn a_pod_that_fits_nowhere_waits_for_an_event_that_matters() {
    let mut t = Story::new(Span::ZERO);
    t.node("n1", SMALL);
    t.pod(1, &asks("2"));
    t.expect(&[NO_CPU, "p1: Unschedulable"]);
    t.node("n2", SMALL);
    t.run(Span::from_secs(60));
    t.expect(&[]);
    t.node("n3", BIG);
    t.expect(&["bind to n3"]);
}

#[test]
fn a_pod_without_any_hint_is_tried_again_after_five_minutes() {
    let mut t = Story::new(Span::ZERO);
    t.node("n1", SMALL);
    let pod = t.pod(1, &asks("2"));
    t.said.clear();
    t.run_until(Time::ZERO + Span::from_secs(329));
    t.expect(&[]);
    t.run_until(Time::ZERO + Span::from_secs(330));
    t.expect(&["event again: 2", "p1: Unschedulable"]);
    let mut patched = Obj::clone(&pod);
    patched.body.status.set_condition(
        PodConditionType::PodScheduled,
        crate::api::ConditionStatus::False,
        Some(Arc::new(crate::api::ReasonText {
            reason: "Unschedulable".into(),
            message: NO_CPU.trim_start_matches("FailedScheduling: ").into(),
        })),
        Clock::DEFAULT.timestamp(t.now),
    );
    t.change(2, ChangeKind::Modified, patched.into_object());
    t.run(Span::from_secs(400));
    t.expect(&["event again: 3"]);
}

#[test]
fn a_failed_bind_is_forgotten_and_tried_again_after_a_back_off() {
    let mut t = Story::new(Span::ZERO);
    t.node("n1", SMALL);
    t.pod(1, &asks("800m"));
    t.expect(&["bind to n1"]);
    t.answer_bind(Err(ApiError::new(ErrorReason::InternalError, "no")));
    t.expect(&["FailedScheduling: running Bind plugin \"DefaultBinder\": no", "p1: SchedulerError"]);
    assert!(!t.scheduler.cluster().is_assumed(1));
    t.run_until(Time::ZERO + Span::from_millis(1999));
    t.expect(&[]);
    t.run_until(Time::ZERO + Span::from_secs(2));
    t.expect(&["bind to n1"]);
}

#[test]
fn what_happens_while_a_pod_is_decided_counts_for_it() {
    let mut t = Story::new(Span::from_millis(10));
    t.node("n1", SMALL);
    t.pod(1, &asks("2"));
    t.run(Span::from_millis(5));
    t.node("n2", BIG);
    t.run(Span::from_millis(5));
    t.expect(&[NO_CPU, "p1: Unschedulable"]);
    t.run(Span::from_millis(10));
    t.expect(&["bind to n2"]);
}

#[test]
fn the_deletion_of_a_pod_makes_room() {
    let mut t = Story::new(Span::ZERO);
    t.node("n1", SMALL);
    let first = t.pod(1, &asks("800m"));
    t.bound(&first, "n1");
    t.pod(2, &asks("800m"));
    assert_eq!(t.scheduler.queue().counts(), (0, 0, 1));
    t.said.clear();
    let mut gone = Obj::clone(&first);
    gone.body.node_name = "n1".into();
    t.change(2, ChangeKind::Deleted, gone.into_object());
    t.expect(&["bind to n1"]);
}

#[test]
fn a_gated_pod_waits_until_its_gates_are_gone() {
    let mut t = Story::new(Span::ZERO);
    t.node("n1", BIG);
    let pod = t.pod(1, "{containers: [], schedulingGates: [{name: a.b/c}]}");
    t.run(Span::from_secs(1000));
    t.expect(&[]);
    let mut free = Obj::clone(&pod);
    free.body.spec = crate::api::PodSpec::new(Default::default());
    t.change(2, ChangeKind::Modified, free.into_object());
    t.expect(&["bind to n1"]);
}

#[test]
fn the_higher_priority_goes_first() {
    let mut t = Story::new(Span::from_millis(1));
    t.node("n1", BIG);
    t.pod(1, &asks("1"));
    t.pod(2, &asks("1"));
    t.pod(3, "{containers: [], priority: 10}");
    t.run(Span::from_millis(2));
    let assumed: Vec<u32> = (1..4).filter(|slot| t.scheduler.cluster().is_assumed(*slot)).collect();
    assert_eq!(assumed, [1, 3], "the first was under way, then the important one");
}

#[test]
fn pods_of_other_schedulers_and_deleted_pods_are_left_alone() {
    let mut t = Story::new(Span::from_millis(1));
    t.node("n1", BIG);
    t.pod(1, "{containers: [], schedulerName: other}");
    let pod = t.pod(2, &asks("1"));
    t.change(2, ChangeKind::Deleted, Object::Pod(pod));
    t.run(Span::from_secs(10));
    t.expect(&[]);
    assert!(t.scheduler.is_idle());
}

#[test]
fn a_pod_of_the_same_name_is_another_pod() {
    let mut t = Story::new(Span::ZERO);
    t.node("n1", SMALL);
    let pod = t.pod(1, &asks("800m"));
    let mut again = Obj::clone(&pod);
    again.meta.uid = Uid(99);
    t.change(2, ChangeKind::Deleted, Object::Pod(pod));
    t.change(2, ChangeKind::Added, again.into_object());
    t.expect(&["bind to n1", "bind to n1"]);
    t.answer_bind(Err(ApiError::new(ErrorReason::NotFound, "gone")));
    assert!(t.scheduler.cluster().is_assumed(1), "the answer to the first is not about the second");
}

#[test]
fn a_cluster_without_nodes_is_asked_again_soon() {
    let mut t = Story::new(Span::ZERO);
    t.pod(1, &asks("1"));
    t.expect(&["FailedScheduling: no nodes available to schedule pods", "p1: Unschedulable"]);
    t.node("n1", BIG);
    t.expect(&[]);
    t.run(Span::from_secs(2));
    t.expect(&["bind to n1"]);
}

#[test]
fn the_same_draws_give_the_same_nodes_and_both_kinds_of_ties_exist() {
    let place = |tie| {
        let mut t = Story::new(Span::ZERO);
        let mut settings = SchedulerSettings::of(&Flags::default()).expect("the defaults are allowed");
        settings.leader_election = None;
        settings.tie = tie;
        settings.cycle_time = Span::ZERO;
        settings.profiles = vec![Profile::upstream()];
        t.scheduler = Scheduler::new("kube-scheduler", "control-plane-0", settings);
        t.handle(Input::Start);
        for list in 0..LISTS {
            let answer = Answer::List { items: vec![], resource_version: 1 };
            t.handle(Input::Reply { token: Token((1 << 48) + list), result: Ok(answer) });
        }
        t.said.clear();
        for name in ["c", "a", "b", "d"] {
            t.node(name, BIG);
        }
        t.pod(1, &asks("1"));
        t.said
    };
    assert_eq!(place(super::Tie::First), ["bind to a"]);
    assert_eq!(place(super::Tie::Draw), place(super::Tie::Draw));
}

#[test]
fn clients_are_named() {
    let names = Story::new(Span::ZERO).scheduler.client_names();
    assert_eq!(names, ["kube-scheduler/informers", "kube-scheduler", "kube-scheduler/events"].map(Name::from));
}

#[test]
fn an_alarm_that_falls_into_a_cycle_is_served_at_its_end() {
    let mut t = Story::new(Span::from_secs(1));
    t.node("n1", SMALL);
    t.pod(1, &asks("2"));
    t.run_until(Time::ZERO + Span::from_millis(330_500));
    t.said.clear();
    t.pod(2, &asks("1"));
    t.run(Span::from_secs(60));
    assert!(t.timers.len() <= 2, "timers do not multiply: {:?}", t.timers);
    assert!(t.said.contains(&"bind to n1".to_owned()), "{:?}", t.said);
}
