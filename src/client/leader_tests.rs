//! Stories of replicas and one Lease, with a small API server that answers after two milliseconds.

use std::collections::BTreeMap;

use super::*;
use crate::api::Clock;
use crate::client::TokenBucket;
use crate::event::{ApiError, Beats, Cause, ClientIndex, Verb};
use crate::kernel::Chance;

const NAME: Flag = resource_name("kube-scheduler");
const WAY: Span = Span::from_millis(1);

enum Happening {
    Arrives(Token, Request),
    Reply(Token, Reply),
    Timer(TimerToken),
}

/// Some replicas, and the Lease that they want.
struct Story {
    replicas: Vec<Elector>,
    lease: Option<Obj<Lease>>,
    beats: Beats,
    now: Time,
    agenda: BTreeMap<(Time, u64), (usize, Happening)>,
    posted: u64,
    /// Whether what a replica sends is lost.
    cut: Vec<bool>,
    /// Whether a replica is gone.
    dead: Vec<bool>,
    /// Seconds, replica, what.
    log: Vec<(f64, usize, String)>,
}

impl Story {
    /// Replicas that start one after the other, ten milliseconds apart.
    fn of(count: usize) -> Story {
        let settings = LeaderElection::of(&Flags::default(), &NAME).expect("the defaults fit").expect("elects");
        let replicas = (0..count).map(|index| {
            let name = ecow::eco_format!("replica-{index}/leader-election");
            let client = Client { index: ClientIndex(0), name, limit: TokenBucket::unlimited() };
            Elector::new(settings.clone(), client, "test", ecow::eco_format!("host-{index}"), 1000, 50)
        });
        let mut story = Story {
            replicas: replicas.collect(),
            lease: None,
            beats: Beats::default(),
            now: Time::ZERO,
            agenda: BTreeMap::new(),
            posted: 0,
            cut: vec![false; count],
            dead: vec![false; count],
            log: Vec::new(),
        };
        for index in 0..count {
            story.run_for(0.01);
            story.start(index);
        }
        story.run_for(0.1);
        story
    }

    fn start(&mut self, index: usize) {
        self.with(index, |elector, out| {
            elector.start(out);
            Election::Unchanged
        });
    }

    /// The first replica ends and starts again, without memory. Returns when, in seconds.
    fn restart(&mut self) -> f64 {
        let lease = self.lease.clone().expect("a Lease");
        self.beats.set(beat(&lease, None));
        self.agenda.clear();
        let Elector { settings, client, host, .. } = self.replicas[0].clone();
        self.replicas[0] = Elector::new(settings, client, "test", host, 1000, 50);
        self.start(0);
        self.now.since(Time::ZERO).as_secs_f64()
    }

    fn with(&mut self, index: usize, act: impl FnOnce(&mut Elector, &mut Outbox) -> Election) {
        let mut out = Outbox::new(self.now, Clock::DEFAULT, Chance { seed: 7 }, Cause(0));
        out.beats = self.beats.clone();
        match act(&mut self.replicas[index], &mut out) {
            Election::Unchanged => {}
            Election::Won => self.note(index, "leads"),
            Election::Lost => self.note(index, "ends"),
        }
        for effect in out.effects {
            match effect {
                Effect::Send { token, request, .. } => match &request {
                    Request::Create(Object::Event(event)) => {
                        self.note(index, event.body.message.trim_start_matches(|letter| letter != ' '));
                    }
                    other => {
                        self.note(index, other.verb().as_str());
                        if !self.cut[index] {
                            self.post(self.now + WAY, index, Happening::Arrives(token, request));
                        }
                    }
                },
                Effect::Timer { at, token, .. } => self.post(at, index, Happening::Timer(token)),
                Effect::Heartbeat(heartbeat) => {
                    self.note(index, "beats");
                    self.beats.set(heartbeat);
                }
                Effect::Watch { .. } | Effect::Exit | Effect::Note(_) => panic!("not an elector's: {effect:?}"),
            }
        }
    }

    fn note(&mut self, index: usize, what: &str) {
        self.log.push((self.now.since(Time::ZERO).as_secs_f64(), index, what.trim().to_owned()));
    }

    fn post(&mut self, at: Time, index: usize, happening: Happening) {
        self.posted += 1;
        self.agenda.insert((at, self.posted), (index, happening));
    }

    fn run_for(&mut self, seconds: f64) {
        let until = self.now + Span::from_secs(1).scale(seconds);
        while let Some(((at, number), _)) = self.agenda.first_key_value()
            && *at <= until
        {
            let key = (*at, *number);
            let (index, happening) = self.agenda.remove(&key).expect("it was just there");
            self.now = key.0;
            if self.dead[index] {
                continue;
            }
            match happening {
                Happening::Arrives(token, request) => {
                    let reply = self.answer(request);
                    self.post(self.now + WAY, index, Happening::Reply(token, reply));
                }
                Happening::Reply(Token(token), reply) => self.with(index, |one, out| one.replied(token, reply, out)),
                Happening::Timer(TimerToken(token)) => self.with(index, |one, out| one.timer(token, out)),
            }
        }
        self.now = until;
    }

    /// The Lease as the API server shows it.
    fn lease(&self) -> Obj<Lease> {
        let mut lease = self.lease.clone().expect("a Lease");
        let beat = self.beats.get(&lease.meta.namespace, &lease.meta.name);
        if let Some(at) = beat.and_then(|beat| beat.renewed(self.now)) {
            lease.body.renewed = Some(Clock::DEFAULT.micro_timestamp(at));
        }
        lease
    }

    fn answer(&mut self, request: Request) -> Reply {
        let error = |reason| Err(ApiError::new(reason, "no"));
        let written = match (request, &self.lease) {
            (Request::Get(_), None) => return error(ErrorReason::NotFound),
            (Request::Get(_), Some(_)) => return Ok(Answer::Object(self.lease().into_object())),
            (Request::Create(_), Some(_)) => return error(ErrorReason::AlreadyExists),
            (Request::Update(object), Some(lease)) => {
                if object.meta().resource_version != lease.meta.resource_version {
                    return error(ErrorReason::Conflict);
                }
                object
            }
            (Request::Create(object), None) => object,
            other => panic!("no elector asks this: {other:?}"),
        };
        let mut lease = Obj::clone(written.get::<Lease>().expect("a Lease"));
        lease.meta.resource_version += 1;
        self.lease = Some(lease.clone());
        Ok(Answer::Object(lease.into_object()))
    }

    /// As the tank does where something touches the path, or no longer does.
    fn computed(&mut self, computed: bool) {
        if !computed && let Some(lease) = self.lease.is_some().then(|| self.lease()) {
            let mut written = lease.clone();
            written.meta.resource_version += 1;
            self.beats.set(beat(&lease, None));
            self.lease = Some(written);
        }
        for index in 0..self.replicas.len() {
            if !self.dead[index] {
                self.with(index, |elector, out| {
                    elector.heartbeats(computed, out);
                    Election::Unchanged
                });
            }
        }
    }

    fn count(&self, index: usize, what: &str) -> usize {
        self.log.iter().filter(|(_, of, did)| *of == index && did == what).count()
    }

    /// The seconds at which a replica did something.
    fn times(&self, index: usize, what: &str) -> Vec<f64> {
        self.log.iter().filter(|(_, of, did)| *of == index && did == what).map(|(at, _, _)| *at).collect()
    }

    #[track_caller]
    fn check(&self, index: usize, what: &str, low: f64, high: f64) {
        let times = self.times(index, what);
        assert!(
            times.iter().any(|at| (low..=high).contains(at)),
            "{what} by {index} at {times:?}, not in {low}..{high}"
        );
    }
}

fn beat(lease: &Obj<Lease>, first: Option<Time>) -> Heartbeat {
    let (namespace, name) = (lease.meta.namespace.clone(), lease.meta.name.clone());
    Heartbeat { namespace, name, first, lease_every: Span::from_secs(2), status_every: None }
}

#[test]
fn the_first_creates_the_lease_and_leads_and_nobody_polls_what_beats_by_itself() {
    let mut story = Story::of(3);
    story.run_for(86_400.0);
    let first: Vec<&str> = story.log.iter().filter(|line| line.1 == 0).map(|line| line.2.as_str()).collect();
    assert_eq!(first, [Verb::Get.as_str(), "create", "leads", "beats", "became leader"]);
    assert_eq!((story.count(1, "get"), story.count(2, "get")), (1, 1));
    assert!(story.agenda.is_empty() && story.replicas[0].is_leader() && !story.replicas[1].is_leader());
    let lease = story.lease();
    assert_eq!(lease.body.holder, *story.replicas[0].identity());
    assert!(lease.body.holder.starts_with("host-0_") && lease.body.holder.len() == "host-0_".len() + 36);
    assert_eq!((lease.body.duration_seconds, lease.body.transitions), (Some(15), Some(0)));
}

#[test]
fn a_leader_renews_every_two_seconds_and_candidates_poll_where_renewals_are_not_computed() {
    let mut story = Story::of(2);
    story.run_for(100.0);
    story.computed(false);
    let since = story.now;
    story.run_for(60.0);
    assert_eq!(story.count(0, "get"), 2, "once: the version after computed renewals is not known");
    assert!((29..=30).contains(&story.count(0, "update")), "{}", story.count(0, "update"));
    let first = story.times(0, "update")[0] - story.times(0, "beats")[0];
    assert!((first % 2.0) < 0.01, "on the grid: {first}");
    let polls = story.times(1, "get");
    let gaps: Vec<f64> = polls[1..].windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.len() > 12 && gaps.iter().all(|gap| (2.0..4.41).contains(gap)), "{gaps:?}");
    assert!(gaps[0] != gaps[1] && story.count(1, "update") == 0);
    story.computed(true);
    story.run_for(20.0);
    assert!(story.agenda.is_empty(), "quiet again");
    assert_eq!(story.count(0, "beats"), 2);
    assert!(story.lease().body.renewed > Some(Clock::DEFAULT.micro_timestamp(since)));
}

#[test]
fn a_candidate_takes_over_fifteen_seconds_after_it_saw_the_last_renewal() {
    for after in 0..12 {
        let mut story = Story::of(2);
        story.run_for(100.0 + f64::from(after) * 0.37);
        let died = story.now.since(Time::ZERO).as_secs_f64();
        story.dead[0] = true;
        story.computed(false);
        story.run_for(60.0);
        // Seen at most 2 s before (the last renewal) and 4.4 s after it; then 15 s, and up to a wait.
        story.check(1, "leads", died + 13.0, died + 23.9);
        let (lease, own) = (story.lease(), story.replicas[1].identity());
        assert_eq!((&lease.body.holder, lease.body.transitions), (own, Some(1)));
        let won = Clock::DEFAULT.micro_timestamp(Time::ZERO + Span::from_secs(1).scale(died + 13.0));
        assert!(lease.body.acquired >= Some(won));
    }
}

#[test]
fn a_leader_that_is_cut_off_ends_ten_seconds_into_its_first_failed_renewal() {
    let mut story = Story::of(2);
    story.run_for(100.0);
    story.cut[0] = true;
    story.computed(false);
    story.run_for(60.0);
    story.check(0, "ends", 110.0, 112.2);
    story.check(0, "stopped leading", 110.0, 112.2);
    assert!(story.times(0, "ends")[0] < story.times(1, "leads")[0], "two never lead");
    let tries = story.times(0, "get");
    assert!((tries[2] - tries[1] - 5.0).abs() < 0.01, "a request is given up after 5 s: {tries:?}");
    assert!(!story.replicas[0].is_leader());
}

#[test]
fn a_leader_that_is_cut_off_for_a_moment_goes_on() {
    let mut story = Story::of(2);
    story.run_for(100.0);
    story.cut[0] = true;
    story.computed(false);
    story.run_for(6.0);
    story.cut[0] = false;
    story.computed(true);
    story.run_for(60.0);
    assert!(story.replicas[0].is_leader() && story.count(1, "leads") == 0);
    assert!(story.agenda.is_empty(), "quiet again");
}

#[test]
fn a_leader_whose_update_meets_a_conflict_looks_and_updates_again() {
    let mut story = Story::of(1);
    story.computed(false);
    story.run_for(10.0);
    let gets = story.count(0, "get");
    story.lease.as_mut().expect("a Lease").meta.resource_version += 5;
    story.run_for(10.0);
    assert_eq!(story.count(0, "get"), gets + 1);
    assert!(story.replicas[0].is_leader() && story.count(0, "ends") == 0);
}

#[test]
fn the_times_in_a_foreign_lease_do_not_matter() {
    for renewed in [0, i64::MAX / 2] {
        let mut story = Story::of(1);
        let body = &mut story.lease.as_mut().expect("a Lease").body;
        (body.renewed, body.transitions) = (Some(MicroTimestamp(renewed)), Some(4));
        let started = story.restart();
        story.run_for(60.0);
        story.check(0, "leads", started + 15.0, started + 19.5);
        assert_eq!(story.lease().body.transitions, Some(5));
    }
}

#[test]
fn a_process_that_starts_again_is_another_holder() {
    let mut story = Story::of(1);
    let before = story.replicas[0].identity().clone();
    story.run_for(10.0);
    let started = story.restart();
    story.run_for(60.0);
    assert_ne!(*story.replicas[0].identity(), before);
    story.check(0, "leads", started + 15.0, started + 19.5);
    assert_eq!(story.lease().body.transitions, Some(1));
}

#[test]
fn a_leader_that_stood_still_while_another_took_over_ends_and_leaves_the_lease_alone() {
    let mut story = Story::of(2);
    story.run_for(100.0);
    let frozen = story.replicas[0].clone();
    story.dead[0] = true;
    story.computed(false);
    story.run_for(60.0);
    assert!(story.replicas[1].is_leader());
    story.dead[0] = false;
    story.replicas[0] = frozen;
    let back = story.now.since(Time::ZERO).as_secs_f64();
    // What was kept for it: that something touched its path, and that nothing does any more.
    for computed in [false, true] {
        story.with(0, |elector, out| {
            elector.heartbeats(computed, out);
            Election::Unchanged
        });
    }
    story.run_for(30.0);
    story.check(0, "ends", back + 10.0, back + 12.1);
    assert_eq!(story.count(0, "beats"), 1, "only the first time");
    assert_eq!(story.lease().body.holder, *story.replicas[1].identity());
}

#[test]
fn times_that_do_not_fit_together_are_refused() {
    let check = |flag: &Flag, value: &str, expected: &str| {
        let mut flags = Flags::default();
        flags.set(flag, value).expect("a duration");
        assert_eq!(LeaderElection::of(&flags, &NAME).unwrap_err(), expected);
    };
    let lease = "--leader-elect-lease-duration: leaseDuration must be greater than renewDeadline";
    check(&LEASE_DURATION, "10s", lease);
    check(&RENEW_DEADLINE, "15s", lease);
    let renew = "--leader-elect-renew-deadline: renewDeadline must be greater than retryPeriod*JitterFactor";
    check(&RETRY_PERIOD, "9s", renew);
    check(&RENEW_DEADLINE, "2s", renew);
    check(&RETRY_PERIOD, "0s", "--leader-elect-retry-period: retryPeriod must be greater than zero");
    let mut off = Flags::default();
    off.set(&LEADER_ELECT, "false").expect("a switch");
    assert_eq!(LeaderElection::of(&off, &NAME), Ok(None));
}
