//! Stories of a process with one toy controller, and of its informers: plans, back-off, lists, resync.

use std::sync::Arc;

use super::*;
use crate::api::{Clock, Meta, Obj, Uid, Untyped};
use crate::client::{ControllerEntry, Outbox, Part};
use crate::event::{Answer, ApiError, Effect, ErrorReason, ListAt, Target, WatchEnd};
use crate::kernel::Chance;

/// What the toy plans for a key, by the number of the key.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Script {
    InOrder,
    SlowStart(usize),
    Tolerant,
    Asking,
    Nothing,
}

#[derive(Clone, Debug)]
struct Toy {
    script: Script,
    /// What it saw and resumed from, in order.
    log: Vec<String>,
}

const WORKERS: Flag = Flag { name: "concurrent-toys", default: FlagValue::Int(1), doc: "keys at a time" };
static ENTRY: ControllerEntry = ControllerEntry {
    name: "toy",
    doc: "",
    source: "",
    watches: Watches::Kinds(&[Kind::ConfigMap]),
    workers: &WORKERS,
    flags: &[],
    build: |_| Box::new(Toy { script: Script::Nothing, log: Vec::new() }),
};

fn get(name: &str) -> Request {
    Request::Get(Target::Name(Kind::ConfigMap, "default".into(), name.into()))
}

impl Controller for Toy {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn observe(&mut self, change: Observed, _: &View, queue: &mut WorkQueue) {
        let (name, same) = (&change.new.meta().name, change.old == Some(change.new));
        self.log.push(format!("{:?} {name} resync={} same={same}", change.kind, change.resync));
        queue.add(change.new.meta().id, change.cause);
    }

    fn reconcile(&mut self, _: ObjectId, _: &View, plan: &mut Plan) {
        match self.script {
            Script::InOrder => ["a", "b", "c"].iter().for_each(|name| plan.send(get(name))),
            Script::SlowStart(count) => plan.slow_start(3, (0..count).map(|n| get(&n.to_string())).collect()),
            Script::Tolerant => {
                plan.send_tolerating(get("a"), &[ErrorReason::NotFound]);
                plan.send(get("b"));
            }
            Script::Asking => plan.ask(7, get("a")),
            Script::Nothing => {}
        }
    }

    fn resume(&mut self, _: ObjectId, outcome: Outcome, _: &View, plan: &mut Plan) {
        let good = outcome.replies.iter().filter(|reply| reply.is_ok()).count();
        let Outcome { label, replies, skipped, last } = outcome;
        self.log.push(format!("{label}: {good} of {} good, {skipped} skipped, last={last}", replies.len()));
        if label == 7 {
            plan.send(get(if good == 1 { "then" } else { "else" }));
        }
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        hasher.write(self.log.join("\n").as_bytes());
    }
}

/// A host, and what it wants.
struct Bench {
    host: Host,
    now: Time,
    effects: Vec<Effect>,
}

fn config_map(slot: u32, revision: u64) -> Object {
    let info = Arc::new(Kind::ConfigMap.info().unwrap().clone());
    let mut meta = Meta::new(Kind::ConfigMap, "default", ecow::eco_format!("m{slot}"));
    meta.id.slot = slot;
    meta.uid = Uid(u128::from(slot) + 1);
    meta.resource_version = revision;
    Object::Untyped(Arc::new(Obj { meta, body: Untyped { info, fields: serde_json::Map::new() } }))
}

impl Bench {
    /// A started host whose list was answered with so many objects.
    fn new(script: Script, objects: u32, flags: &Flags) -> Bench {
        let toy = Toy { script, log: Vec::new() };
        let host = Host::new("test", vec![Box::new(toy)], &[], flags);
        let mut bench = Bench { host, now: Time::ZERO, effects: Vec::new() };
        bench.hand(Input::Start);
        let (token, _) = bench.sent().pop().expect("a list");
        bench.listed(token, objects, 10);
        bench
    }

    fn listed(&mut self, token: Token, objects: u32, revision: u64) {
        let items = (0..objects).map(|slot| config_map(slot, 5)).collect();
        self.hand(Input::Reply { token, result: Ok(Answer::List { items, resource_version: revision }) });
    }

    fn hand(&mut self, input: Input) {
        let mut out = Outbox::new(self.now, Clock::DEFAULT, Chance { seed: 1 }, Cause(9));
        self.host.handle(input, &mut out);
        self.effects.extend(out.effects);
    }

    /// Takes the requests that were sent since this was last asked.
    fn sent(&mut self) -> Vec<(Token, Request)> {
        let mut sent = Vec::new();
        self.effects.retain(|effect| match effect {
            Effect::Send { token, request, .. } => {
                sent.push((*token, request.clone()));
                false
            }
            _ => true,
        });
        sent
    }

    /// Takes the timers that were asked for.
    fn timers(&mut self) -> Vec<(Time, TimerToken, bool)> {
        let mut timers = Vec::new();
        self.effects.retain(|effect| match effect {
            Effect::Timer { at, token, background } => {
                timers.push((*at, *token, *background));
                false
            }
            _ => true,
        });
        timers
    }

    /// Lets the last timer fire, and takes the request that it sends.
    fn sent_after_back_off(&mut self) -> (Token, Request) {
        let (at, timer, _) = self.timers().pop().expect("a timer");
        self.now = at;
        self.hand(Input::Timer(timer));
        self.sent().pop().expect("a request")
    }

    /// Answers all that was sent, well or with errors, and returns what was asked.
    fn answer(&mut self, reply: &dyn Fn(&str) -> Option<ErrorReason>) -> Vec<String> {
        let sent = self.sent();
        let mut names = Vec::new();
        for (token, request) in sent {
            let Request::Get(Target::Name(_, _, name)) = request else { panic!("the toy only gets: {request:?}") };
            names.push(name.to_string());
            let result = match reply(&name) {
                None => Ok(Answer::Done),
                Some(reason) => Err(ApiError::new(reason, "no")),
            };
            self.hand(Input::Reply { token, result });
        }
        names
    }

    fn log(&self) -> Vec<String> {
        let mut lines = LineHasher(Vec::new());
        self.host.controllers[0].controller.hash_memory(&mut lines);
        String::from_utf8(lines.0).unwrap().lines().map(str::to_owned).collect()
    }
}

/// Reads back what a toy writes as its memory.
struct LineHasher(Vec<u8>);

impl std::hash::Hasher for LineHasher {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }
}

fn well(_: &str) -> Option<ErrorReason> {
    None
}

fn queue_of(bench: &Bench) -> &WorkQueue {
    &bench.host.controllers[0].queue
}

#[test]
fn a_step_goes_out_when_the_one_before_is_answered() {
    let mut bench = Bench::new(Script::InOrder, 1, &Flags::default());
    assert_eq!(bench.answer(&well), ["a"]);
    assert_eq!(bench.answer(&well), ["b"]);
    assert!(!bench.host.is_idle());
    assert_eq!(bench.answer(&well), ["c"]);
    assert!(bench.host.is_idle() && bench.sent().is_empty());
}

#[test]
fn an_error_ends_the_plan_and_the_key_comes_back_after_its_back_off() {
    let mut bench = Bench::new(Script::InOrder, 1, &Flags::default());
    bench.timers();
    assert_eq!(bench.answer(&|_| Some(ErrorReason::Conflict)), ["a"]);
    assert!(bench.sent().is_empty(), "b and c are not sent");
    let timers = bench.timers();
    assert_eq!(timers.len(), 1);
    assert_eq!((timers[0].0, timers[0].2), (Time::ZERO + Span::from_millis(5), false));
    bench.now = timers[0].0;
    bench.hand(Input::Timer(timers[0].1));
    assert_eq!(bench.answer(&|_| Some(ErrorReason::Conflict)), ["a"], "from the beginning");
    assert_eq!(bench.timers()[0].0, bench.now + Span::from_millis(10));
    assert_eq!(queue_of(&bench).failures(ObjectId { kind: Kind::ConfigMap, slot: 0 }), 2);
}

#[test]
fn tolerated_errors_do_not_matter_and_others_do() {
    let missing = |name: &str| (name == "a").then_some(ErrorReason::NotFound);
    let mut bench = Bench::new(Script::Tolerant, 1, &Flags::default());
    assert_eq!(bench.answer(&missing), ["a"]);
    assert_eq!(bench.answer(&missing), ["b"]);
    assert!(queue_of(&bench).next_release().is_none());
    let mut bench = Bench::new(Script::Tolerant, 1, &Flags::default());
    assert_eq!(bench.answer(&|_| Some(ErrorReason::Timeout)), ["a"]);
    assert!(bench.sent().is_empty() && queue_of(&bench).next_release().is_some());
}

#[test]
fn slow_start_sends_rounds_of_one_two_four_and_stops_after_an_error() {
    let mut bench = Bench::new(Script::SlowStart(10), 1, &Flags::default());
    let rounds: Vec<usize> = (0..4).map(|_| bench.answer(&well).len()).collect();
    assert_eq!(rounds, [1, 2, 4, 3]);
    assert_eq!(bench.log().last().unwrap(), "3: 3 of 3 good, 0 skipped, last=true");
    let mut bench = Bench::new(Script::SlowStart(10), 1, &Flags::default());
    bench.answer(&well);
    assert_eq!(bench.answer(&|name| (name == "2").then_some(ErrorReason::Forbidden)), ["1", "2"]);
    assert!(bench.sent().is_empty());
    assert_eq!(bench.log()[1..], ["3: 1 of 1 good, 0 skipped, last=false", "3: 1 of 2 good, 7 skipped, last=true"]);
}

#[test]
fn a_labelled_step_resumes_with_its_reply_good_or_bad() {
    for (error, next) in [(None, "then"), (Some(ErrorReason::NotFound), "else")] {
        let mut bench = Bench::new(Script::Asking, 1, &Flags::default());
        assert_eq!(bench.answer(&|_| error), ["a"]);
        assert_eq!(bench.answer(&well), [next]);
        assert!(bench.host.is_idle());
    }
}

#[test]
fn there_are_as_many_plans_as_workers_and_one_a_key() {
    let mut flags = Flags::default();
    flags.set(&WORKERS, "2").unwrap();
    let mut bench = Bench::new(Script::InOrder, 3, &flags);
    assert_eq!(bench.sent().len(), 2);
    let changes = vec![Change { kind: ChangeKind::Modified, object: config_map(0, 11), revision: 11, cause: Cause(3) }];
    bench.hand(Input::Notice { informer: InformerIndex(0), changes });
    assert!(bench.sent().is_empty(), "a key in work waits until its plan has ended");
    assert_eq!(queue_of(&bench).in_work(), 2);
}

#[test]
fn a_failed_list_is_tried_again_and_an_expired_watch_lists_and_finds_the_differences() {
    let host = Host::new("test", vec![(ENTRY.build)(&Flags::default())], &[], &Flags::default());
    let mut bench = Bench { host, now: Time::ZERO, effects: Vec::new() };
    bench.hand(Input::Start);
    let (token, request) = bench.sent().pop().unwrap();
    assert!(matches!(request, Request::List { at: ListAt::Any, .. }), "the first list is from the watch cache");
    bench.hand(Input::Reply { token, result: Err(ApiError::new(ErrorReason::Timeout, "no")) });
    let (token, request) = bench.sent_after_back_off();
    assert!(matches!(request, Request::List { at: ListAt::Any, .. }), "and so is the next");
    bench.listed(token, 3, 10);
    let informer = InformerIndex(0);
    assert!(matches!(bench.effects.last(), Some(Effect::Watch { from: 10, .. }) | Some(_)));
    bench.effects.clear();
    let changes = vec![Change { kind: ChangeKind::Modified, object: config_map(2, 11), revision: 11, cause: Cause(3) }];
    bench.hand(Input::Notice { informer, changes });
    bench.hand(Input::WatchEnded { informer, end: WatchEnd::Closed });
    assert!(bench.effects.iter().any(|effect| matches!(effect, Effect::Watch { from: 11, .. })), "it resumes");
    bench.hand(Input::WatchEnded { informer, end: WatchEnd::Expired });
    let (token, request) = bench.sent_after_back_off();
    assert!(matches!(request, Request::List { at: ListAt::NotOlderThan(11), .. }), "at the last revision seen");
    let mut reborn = config_map(1, 20);
    reborn.meta_mut().uid = Uid(77);
    let items = vec![config_map(0, 5), reborn, config_map(3, 21)];
    let seen = bench.log().len();
    bench.hand(Input::Reply { token, result: Ok(Answer::List { items, resource_version: 30 }) });
    let told: Vec<String> =
        bench.log()[seen..].iter().map(|line| line.split(" resync").next().unwrap().to_owned()).collect();
    assert_eq!(told, ["Deleted m1", "Added m1", "Added m3", "Deleted m2"]);
}

#[test]
fn informers_play_their_caches_again_between_twelve_and_twenty_four_hours() {
    let mut bench = Bench::new(Script::Nothing, 2, &Flags::default());
    let timers = bench.timers();
    let [(at, token, true)] = timers.as_slice() else { panic!("one timer in the background: {timers:?}") };
    let hours = at.since(Time::ZERO).as_secs_f64() / 3600.0;
    assert!((12.0..24.0).contains(&hours), "{hours}");
    let seen = bench.log().len();
    bench.now = *at;
    bench.hand(Input::Timer(*token));
    assert_eq!(bench.log()[seen..], ["Modified m0 resync=true same=true", "Modified m1 resync=true same=true"]);
    let again = bench.timers();
    assert_eq!(again[0].0.since(*at), at.since(Time::ZERO), "the period is drawn once");
}

#[test]
fn a_new_list_starts_the_resync_anew_and_zero_turns_it_off() {
    let mut bench = Bench::new(Script::Nothing, 1, &Flags::default());
    let (at, token, _) = bench.timers()[0];
    bench.now = Time::ZERO + Span::from_hours(6);
    bench.hand(Input::WatchEnded { informer: InformerIndex(0), end: WatchEnd::Expired });
    let (list, _) = bench.sent_after_back_off();
    bench.listed(list, 1, 20);
    let seen = bench.log().len();
    bench.now = at;
    bench.hand(Input::Timer(token));
    assert_eq!(bench.log().len(), seen, "the timer of the first list is void");
    let mut flags = Flags::default();
    flags.set(&MIN_RESYNC_PERIOD, "0s").unwrap();
    assert!(Bench::new(Script::Nothing, 1, &flags).timers().is_empty());
}
