//! Leader election: of several replicas of a process the one that holds a Lease works, the others wait.
//!
//! ```text
//!  candidate: GET ─┬─ 404 ──────────────────────► CREATE ─┐
//!     ▲            ├─ free, or unchanged for 15 s ► UPDATE ─┴─► leads
//!     └─ 2 to 4.4 s after a failure
//!  leader: UPDATE at the version seen last, every 2 s ── failed ─► GET, UPDATE; again every 2 s
//!                                                    └─ 10 s without success ─► the process ends
//! ```
//!
//! Upstream: client-go `tools/leaderelection/leaderelection.go`, `resourcelock/leaselock.go` of 1.34. A candidate goes by
//! the time at which it saw the record change, never by the times in it.
//!
//! While nothing touches the path, nobody sends anything: the leader's renewals are computed for their readers
//! ([`Effect::Heartbeat`]), and candidates do not poll a Lease that beats by itself. When that ends, candidates go on as if
//! they had polled all the time, the leader on its own grid.
//!
//! Left out: coordinated leader election (`LeaseCandidate`), the release of the Lease by a process that ends in good order
//! (kube-scheduler's `ReleaseOnCancel`), the health check of a leader. A Lease that somebody else edits or deletes while
//! its renewals are computed is not noticed.

use std::sync::Arc;

use super::{Client, Flag, FlagValue, Flags, Occurrence, Outbox, Recorder};
use crate::api::{EventType, Kind, Lease, Meta, MicroTimestamp, Name, Obj, Object, Uid};
use crate::event::{Answer, Effect, ErrorReason, Heartbeat, Reply, Request, Target, TimerToken, Token};
use crate::kernel::{Purpose, Span, Time, object_hash};

/// `--leader-elect`.
pub const LEADER_ELECT: Flag = Flag {
    name: "leader-elect",
    default: FlagValue::Bool(true),
    doc: "whether replicas elect a leader, which alone works; false: each works at once",
};
/// `--leader-elect-lease-duration`.
pub const LEASE_DURATION: Flag = Flag {
    name: "leader-elect-lease-duration",
    default: FlagValue::Span(Span::from_secs(15)),
    doc: "how long candidates must see the Lease unchanged before they take it over",
};
/// `--leader-elect-renew-deadline`.
pub const RENEW_DEADLINE: Flag = Flag {
    name: "leader-elect-renew-deadline",
    default: FlagValue::Span(Span::from_secs(10)),
    doc: "how long a leader tries to renew the Lease before it gives up; less than the lease duration",
};
/// `--leader-elect-retry-period`.
pub const RETRY_PERIOD: Flag = Flag {
    name: "leader-elect-retry-period",
    default: FlagValue::Span(Span::from_secs(2)),
    doc: "how long clients wait between tries to acquire or renew the Lease",
};
/// `--leader-elect-resource-namespace`.
pub const RESOURCE_NAMESPACE: Flag = Flag {
    name: "leader-elect-resource-namespace",
    default: FlagValue::Text("kube-system"),
    doc: "the namespace of the Lease",
};
const RESOURCE_NAME: &str = "leader-elect-resource-name";
const RESOURCE_NAME_DOC: &str = "the name of the Lease";

/// A candidate waits for its next try up to this times the retry period longer than that. Upstream: `JitterFactor`.
const JITTER_FACTOR: f64 = 1.2;

const IDENTITY: Purpose = Purpose::new("leader-identity");
const RETRY: Purpose = Purpose::new("leader-retry");
const RETRY_PHASE: Purpose = Purpose::new("leader-retry-phase");

const TIMER_TRY: u64 = 0;
const TIMER_DEADLINE: u64 = 1;
const TIMER_NO_ANSWER: u64 = 2;

/// `--leader-elect-resource-name` of a component.
pub const fn resource_name(default: &'static str) -> Flag {
    Flag { name: RESOURCE_NAME, default: FlagValue::Text(default), doc: RESOURCE_NAME_DOC }
}

/// How a component elects its leader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeaderElection {
    /// How long a Lease holds that is not renewed.
    pub lease_duration: Span,
    /// How long a leader tries to renew it.
    pub renew_deadline: Span,
    /// Between two tries.
    pub retry_period: Span,
    /// The Lease's namespace.
    pub namespace: Name,
    /// The Lease's name.
    pub name: Name,
}

impl LeaderElection {
    /// What the flags say; `None` where there is no election. `name` is the component's [`resource_name`].
    ///
    /// # Errors
    /// Where the lease duration, the renew deadline and the retry period do not fit together.
    pub fn of(flags: &Flags, name: &Flag) -> Result<Option<LeaderElection>, String> {
        let [lease_duration, renew_deadline, retry_period] =
            [&LEASE_DURATION, &RENEW_DEADLINE, &RETRY_PERIOD].map(|flag| flags.span(flag));
        let second = Span::from_secs(1);
        if lease_duration <= renew_deadline {
            return Err(format!("--{}: leaseDuration must be greater than renewDeadline", LEASE_DURATION.name));
        }
        if renew_deadline <= retry_period.scale(JITTER_FACTOR) {
            return Err(format!(
                "--{}: renewDeadline must be greater than retryPeriod*JitterFactor",
                RENEW_DEADLINE.name
            ));
        }
        if lease_duration < second {
            return Err(format!("--{}: must be at least 1s", LEASE_DURATION.name));
        }
        if retry_period == Span::ZERO {
            return Err(format!("--{}: retryPeriod must be greater than zero", RETRY_PERIOD.name));
        }
        Ok(flags.bool(&LEADER_ELECT).then(|| LeaderElection {
            lease_duration,
            renew_deadline,
            retry_period,
            namespace: flags.text(&RESOURCE_NAMESPACE).into(),
            name: flags.text(name).into(),
        }))
    }
}

/// What came of an input to an [`Elector`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Election {
    /// Nothing new.
    Unchanged,
    /// The process leads from now on.
    Won,
    /// It does not lead any more and must end.
    Lost,
}

/// What a request under way is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// The leader's update at the version seen last.
    Renew,
    Get,
    Create,
    Update,
}

/// A try to acquire or renew the Lease.
#[derive(Clone, Copy, Debug)]
struct Try {
    step: Step,
    /// When the try began: the times that it writes.
    began: Time,
    /// When its request left.
    sent: Time,
}

/// Where the process stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    /// Not started.
    Off,
    Candidate,
    /// It leads; while a renewal has not succeeded, since when it is tried.
    Leader {
        trying_since: Option<Time>,
    },
    /// It has led.
    Ended,
}

/// One replica's part in the election of a leader: plain data that the process hands its replies and timers.
#[derive(Clone, Debug)]
pub struct Elector {
    settings: LeaderElection,
    host: Name,
    client: Client,
    recorder: Recorder,
    first_token: u64,
    first_timer: u64,
    identity: Name,
    role: Role,
    /// Requests sent so far: their tokens, and the ordinals of draws.
    requests: u64,
    current: Option<Try>,
    /// When the next try begins.
    next: Option<Time>,
    /// The Lease as the API server answered it last.
    lease: Option<Arc<Obj<Lease>>>,
    /// Whether its version may still be the newest: not after computed renewals, which are written when they end.
    knows_version: bool,
    /// The record that a GET showed last. Upstream: `observedRawRecord`.
    shown: Option<Lease>,
    /// The record that holds, and since when this process knows it.
    observed: Lease,
    observed_at: Time,
    /// Whether heartbeats may be computed.
    computed: bool,
    /// When a candidate that did not have to poll would have polled last.
    would_have_polled: Option<Time>,
}

impl Elector {
    /// One that has not started. `component` is the source of its Events; `host` the machine's name; its requests and
    /// timers bear numbers from `first_token` and `first_timer` on (of timers: three).
    pub fn new(
        settings: LeaderElection,
        client: Client,
        component: &str,
        host: Name,
        first_token: u64,
        first_timer: u64,
    ) -> Elector {
        Elector {
            settings,
            host,
            client,
            recorder: Recorder::new(component, ""),
            first_token,
            first_timer,
            identity: Name::new(),
            role: Role::Off,
            requests: 0,
            current: None,
            next: None,
            lease: None,
            knows_version: false,
            shown: None,
            observed: Lease::default(),
            observed_at: Time::ZERO,
            computed: true,
            would_have_polled: None,
        }
    }

    /// Whether the process leads.
    pub fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader { .. })
    }

    /// Whether it has started.
    pub fn has_started(&self) -> bool {
        self.role != Role::Off
    }

    /// `spec.holderIdentity` where this process holds the Lease: the machine's name and a UUID of its own, which is drawn
    /// by the time of the start, since a process that starts again remembers nothing that could be counted.
    pub fn identity(&self) -> &Name {
        &self.identity
    }

    /// Its API client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Begins to stand for election.
    pub fn start(&mut self, out: &mut Outbox) {
        let draw = out.chance.draw(IDENTITY, object_hash(&self.client.name), out.now.nanos());
        self.identity = ecow::eco_format!("{}_{}", self.host, Uid::version_4(draw.word(0), draw.word(1)));
        self.role = Role::Candidate;
        self.begin_try(out);
    }

    /// Writes what of it can influence what it does next.
    pub fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        hasher.write_u8(match self.role {
            Role::Off => 0,
            Role::Candidate => 1,
            Role::Leader { trying_since: None } => 2,
            Role::Leader { trying_since: Some(_) } => 3,
            Role::Ended => 4,
        });
        hasher.write_u8(u8::from(self.current.is_some()));
    }

    /// Upstream: `tryAcquireOrRenew`.
    fn begin_try(&mut self, out: &mut Outbox) {
        self.next = None;
        if let Role::Leader { trying_since: trying_since @ None } = &mut self.role {
            *trying_since = Some(out.now);
            let deadline = TimerToken(self.first_timer + TIMER_DEADLINE);
            out.background_timer_after(self.settings.renew_deadline, deadline);
        }
        match &self.lease {
            Some(lease) if self.knows_version && self.holds() && self.is_valid(out.now) => {
                let record = self.record(&self.observed, out.now, out);
                let request = Request::Update(with(lease, record));
                self.send(Step::Renew, out.now, request, out);
            }
            Some(_) | None => self.get(out.now, out),
        }
    }

    fn get(&mut self, began: Time, out: &mut Outbox) {
        let target = Target::Name(Kind::Lease, self.settings.namespace.clone(), self.settings.name.clone());
        self.send(Step::Get, began, Request::Get(target), out);
    }

    fn send(&mut self, step: Step, began: Time, request: Request, out: &mut Outbox) {
        self.current = Some(Try { step, began, sent: out.now });
        self.requests += 1;
        out.send(&mut self.client, Token(self.first_token + self.requests), request);
        if !self.computed {
            self.expect_answer(out);
        }
    }

    /// Only while something touches the path: else there is an answer.
    fn expect_answer(&self, out: &mut Outbox) {
        out.background_timer_after(self.patience(), TimerToken(self.first_timer + TIMER_NO_ANSWER));
    }

    /// How long it waits for an answer. Upstream: `resourcelock.NewFromKubeconfig`.
    fn patience(&self) -> Span {
        Span::from_nanos(self.settings.renew_deadline.as_nanos() / 2).max(Span::from_secs(1))
    }

    /// Whether this process holds the Lease, as far as it knows. Upstream: `IsLeader`.
    fn holds(&self) -> bool {
        self.observed.holder == self.identity
    }

    fn is_valid(&self, now: Time) -> bool {
        let seconds = self.observed.duration_seconds.unwrap_or(0).max(0);
        self.observed_at + Span::from_secs(seconds as u64) > now
    }

    /// What a try writes that began at an instant, after a record that holds.
    fn record(&self, before: &Lease, began: Time, out: &Outbox) -> Lease {
        let now = Some(out.clock.micro_timestamp(began));
        let transitions = before.transitions.unwrap_or(0);
        let holds = self.holds();
        Lease {
            holder: self.identity.clone(),
            duration_seconds: Some((self.settings.lease_duration.as_nanos() / Span::from_secs(1).as_nanos()) as i32),
            acquired: if holds { before.acquired } else { now },
            renewed: now,
            transitions: Some(if holds { transitions } else { transitions + 1 }),
            rest: None,
        }
    }

    /// Takes the answer to one of its requests, by its token.
    pub fn replied(&mut self, token: u64, reply: Reply, out: &mut Outbox) -> Election {
        let Some(current) = self.current else { return Election::Unchanged };
        if token != self.first_token + self.requests {
            return Election::Unchanged;
        }
        self.current = None;
        match (current.step, reply) {
            (Step::Renew, Err(_)) => self.get(current.began, out),
            (Step::Get, Ok(answer)) => return self.shown(answer, current.began, out),
            (Step::Get, Err(error)) if error.reason == ErrorReason::NotFound => {
                let meta = Meta::new(Kind::Lease, self.settings.namespace.clone(), self.settings.name.clone());
                let body = Lease { transitions: Some(0), ..self.record(&Lease::default(), current.began, out) };
                self.send(Step::Create, current.began, Request::Create(Obj { meta, body }.into_object()), out);
            }
            (Step::Get | Step::Create | Step::Update, Err(_)) => self.failed(current.began, out),
            (Step::Renew | Step::Create | Step::Update, Ok(answer)) => return self.written(answer, out),
        }
        Election::Unchanged
    }

    /// A GET has shown the Lease.
    fn shown(&mut self, answer: Answer, began: Time, out: &mut Outbox) -> Election {
        let Some(lease) = answer.object().and_then(Object::get::<Lease>).cloned() else {
            panic!("the GET of a Lease was answered with something else");
        };
        if self.shown.as_ref() != Some(&lease.body) {
            self.observed = lease.body.clone();
            self.observed_at = self.seen_since(&lease.body, out);
            self.shown = Some(lease.body.clone());
        }
        self.would_have_polled = None;
        self.lease = Some(lease.clone());
        let is_held = !lease.body.holder.is_empty() && self.is_valid(began) && !self.holds();
        if is_held {
            self.failed(began, out);
        } else {
            let record = self.record(&lease.body, began, out);
            self.send(Step::Update, began, Request::Update(with(&lease, record)), out);
        }
        Election::Unchanged
    }

    /// Since when a candidate would have known a record, had it polled all the time.
    fn seen_since(&self, record: &Lease, out: &Outbox) -> Time {
        let renewed = record.renewed.unwrap_or(MicroTimestamp(i64::MAX));
        self.would_have_polled.filter(|polled| out.clock.micro_timestamp(*polled) >= renewed).unwrap_or(out.now)
    }

    /// The Lease is created or updated: it is this process'.
    fn written(&mut self, answer: Answer, out: &mut Outbox) -> Election {
        let Some(lease) = answer.object().and_then(Object::get::<Lease>).cloned() else {
            panic!("the write of a Lease was answered with something else");
        };
        self.observed = lease.body.clone();
        self.observed_at = out.now;
        self.lease = Some(lease);
        self.knows_version = true;
        let has_won = self.role == Role::Candidate;
        self.role = Role::Leader { trying_since: None };
        self.renew_later(out);
        if has_won {
            self.say("became leader", out);
            return Election::Won;
        }
        Election::Unchanged
    }

    /// The next renewal, by itself or by hand.
    fn renew_later(&mut self, out: &mut Outbox) {
        let due = out.now + self.settings.retry_period;
        if !self.computed {
            return self.try_at(due, out);
        }
        out.effects.push(Effect::Heartbeat(Heartbeat {
            namespace: self.settings.namespace.clone(),
            name: self.settings.name.clone(),
            first: Some(due),
            lease_every: self.settings.retry_period,
            status_every: None,
        }));
    }

    fn try_at(&mut self, at: Time, out: &mut Outbox) {
        self.next = Some(at);
        out.timer_at(at, TimerToken(self.first_timer + TIMER_TRY));
    }

    /// A try that began at an instant has failed.
    fn failed(&mut self, began: Time, out: &mut Outbox) {
        match self.role {
            Role::Candidate if self.computed && self.beats_by_itself(out) => {}
            Role::Candidate => {
                let wait = self.wait(out);
                self.try_at(out.now + wait, out);
            }
            Role::Leader { trying_since } => {
                // As upstream's ticker: on the grid of the first try, at once where its point has passed.
                let period = self.settings.retry_period;
                let since = trying_since.unwrap_or(began);
                let ticks = began.since(since).as_nanos() / period.as_nanos() + 1;
                self.try_at((since + period * ticks).max(out.now), out);
            }
            Role::Off | Role::Ended => {}
        }
    }

    /// How long a candidate waits between two tries. Upstream: `wait.Jitter`.
    fn wait(&self, out: &Outbox) -> Span {
        let (period, path) = (self.settings.retry_period, object_hash(&self.client.name));
        let draw = out.chance.draw(RETRY, path, self.requests);
        draw.span_between(period, period + period.scale(JITTER_FACTOR))
    }

    fn beats_by_itself(&self, out: &Outbox) -> bool {
        out.beats.get(&self.settings.namespace, &self.settings.name).is_some()
    }

    /// One of its timers has fired, by its token.
    pub fn timer(&mut self, token: u64, out: &mut Outbox) -> Election {
        match token - self.first_timer {
            TIMER_TRY => {
                if self.next.is_some_and(|next| next <= out.now) {
                    self.begin_try(out);
                }
            }
            TIMER_DEADLINE => {
                if let Role::Leader { trying_since: Some(since) } = self.role
                    && since + self.settings.renew_deadline <= out.now
                {
                    self.role = Role::Ended;
                    (self.current, self.next) = (None, None);
                    self.say("stopped leading", out);
                    return Election::Lost;
                }
            }
            _ => {
                if let Some(current) = self.current
                    && current.sent + self.patience() <= out.now
                {
                    self.current = None;
                    match current.step {
                        Step::Renew => self.get(current.began, out),
                        Step::Get | Step::Create | Step::Update => self.failed(current.began, out),
                    }
                }
            }
        }
        Election::Unchanged
    }

    /// Takes in whether heartbeats may be computed.
    pub fn heartbeats(&mut self, computed: bool, out: &mut Outbox) {
        if std::mem::replace(&mut self.computed, computed) == computed {
            return;
        }
        // Where they may again, the next try settles it: by then another may hold the Lease.
        if computed {
            return;
        }
        match (self.role, self.next) {
            _ if self.current.is_some() => self.expect_answer(out),
            (Role::Leader { .. }, None) => self.renew_on_grid(out),
            (Role::Candidate, None) => self.poll_again(out),
            (Role::Leader { .. } | Role::Candidate, Some(_)) | (Role::Off | Role::Ended, _) => {}
        }
    }

    /// The leader's renewals are its own again: the next one where the computed one would have been.
    fn renew_on_grid(&mut self, out: &mut Outbox) {
        let period = self.settings.retry_period;
        let beats = out.now.since(self.observed_at).as_nanos() / period.as_nanos();
        self.observed_at += period * beats;
        self.knows_version &= beats == 0;
        self.try_at(self.observed_at + period, out);
    }

    /// A candidate that has not polled goes on as if it had: somewhere in the midst of a wait.
    fn poll_again(&mut self, out: &mut Outbox) {
        let wait = self.wait(out);
        let phase = out.chance.draw(RETRY_PHASE, object_hash(&self.client.name), self.requests);
        let rest = phase.span_between(Span::ZERO, wait);
        self.would_have_polled = Some(Time::ZERO + out.now.since(Time::ZERO + (wait - rest)));
        self.try_at(out.now + rest, out);
    }

    /// Upstream: `LeaseLock.RecordEvent`.
    fn say(&mut self, what: &str, out: &mut Outbox) {
        let Some(lease) = &self.lease else { return };
        let message = ecow::eco_format!("{} {what}", self.identity);
        let about = lease.meta.reference();
        let occurrence = Occurrence { about, kind: EventType::Normal, reason: "LeaderElection", message };
        self.recorder.record(out, &mut self.client, occurrence);
    }
}

/// A Lease with another record, at the version seen last.
fn with(lease: &Obj<Lease>, body: Lease) -> Object {
    Obj { meta: lease.meta.clone(), body: Lease { rest: lease.body.rest.clone(), ..body } }.into_object()
}

#[cfg(test)]
#[path = "leader_tests.rs"]
mod tests;
