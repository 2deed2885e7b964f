//! A sync written as one straight function, as upstream writes it, and run again from its start after each answer.
//!
//! The answers so far are kept as data; [`Run::send`] hands them out in order, and asks where there is none left. So
//! the code reads like upstream's while a controller stays plain data that can be cloned at any instant. What a sync
//! reads must not change between runs: it works on a snapshot, and look-ups in between go through [`Run::look_up`].

use crate::api::{Clock, EventType, Name, Object, Reference, Timestamp};
use crate::client::{Outcome, Plan};
use crate::event::{ApiError, Reply, Request};
use crate::kernel::{Span, Time};

/// The label of the steps that a script asks.
pub(super) const ASKED: u32 = 1;
/// The label of the requests that a script sends together.
const TOGETHER: u32 = 2;

/// What a sync has learnt so far.
#[derive(Clone, Debug)]
pub(super) struct Script {
    started: Time,
    answers: Vec<Answered>,
    /// The rounds so far of requests that were sent together.
    rounds: Vec<Reply>,
}

#[derive(Clone, Debug)]
enum Answered {
    Reply(Reply, Time),
    Replies(Vec<Reply>, Time),
    Seen(Option<Object>),
}

impl Script {
    /// A sync that begins.
    pub(super) fn new(started: Time) -> Script {
        Script { started, answers: Vec::new(), rounds: Vec::new() }
    }

    /// Takes the answer to what was asked last.
    pub(super) fn answer(&mut self, reply: Reply, at: Time) {
        self.answers.push(Answered::Reply(reply, at));
    }

    /// Takes the answers to a step, whether it was one request or some sent together; whether the sync can go on.
    pub(super) fn take(&mut self, outcome: &Outcome, at: Time) -> bool {
        if outcome.label == ASKED {
            self.answer(outcome.replies[0].clone(), at);
            return true;
        }
        self.rounds.extend_from_slice(outcome.replies);
        if outcome.last {
            self.answers.push(Answered::Replies(std::mem::take(&mut self.rounds), at));
        }
        outcome.last
    }
}

/// Why a sync does not go on.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stop {
    /// It waits for an answer.
    Asked,
    /// It failed: to be tried again.
    Failed(Name),
    /// The namespace is being deleted: an error that is not worth another try.
    NamespaceTerminating,
}

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Stop {
        if super::pod_util::is_namespace_terminating(&error) {
            Stop::NamespaceTerminating
        } else {
            Stop::Failed(error.message)
        }
    }
}

/// One run through a sync.
#[derive(Debug)]
pub(super) struct Run<'a> {
    script: &'a mut Script,
    next: usize,
    now: Time,
    clock: Clock,
    plan: &'a mut Plan,
}

impl<'a> Run<'a> {
    /// Begins a run.
    pub(super) fn new(script: &'a mut Script, clock: Clock, plan: &'a mut Plan) -> Run<'a> {
        let now = script.started;
        Run { script, next: 0, now, clock, plan }
    }

    /// When the code at this place first ran: at the sync's start, or when the last answer came.
    pub(super) fn now(&self) -> Time {
        self.now
    }

    /// The same as Kubernetes stamps it.
    pub(super) fn timestamp(&self) -> Timestamp {
        self.clock.timestamp(self.now)
    }

    /// The clock.
    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    /// Whether the code at this place runs for the first time: what changes the controller's memory belongs here.
    pub(super) fn is_new(&self) -> bool {
        self.next == self.script.answers.len()
    }

    /// Sends a request and gives its reply; `Stop::Asked` until there is one.
    pub(super) fn send(&mut self, request: Request) -> Result<Reply, Stop> {
        match self.script.answers.get(self.next) {
            Some(Answered::Reply(reply, at)) => {
                self.next += 1;
                self.now = *at;
                Ok(reply.clone())
            }
            Some(Answered::Replies(..) | Answered::Seen(_)) => panic!("a sync took another path when it was run again"),
            None => {
                self.plan.ask(ASKED, request);
                Err(Stop::Asked)
            }
        }
    }

    /// Sends requests all at once and gives their replies, in the same order.
    pub(super) fn send_all(&mut self, requests: impl FnOnce() -> Vec<Request>) -> Result<Vec<Reply>, Stop> {
        self.together(requests, |plan, requests| plan.batch(TOGETHER, requests))
    }

    /// Sends requests in rounds of 1, 2, 4, … and gives the replies: fewer than requests where a round had an error.
    pub(super) fn send_slowly(&mut self, requests: impl FnOnce() -> Vec<Request>) -> Result<Vec<Reply>, Stop> {
        self.together(requests, |plan, requests| plan.slow_start(TOGETHER, requests))
    }

    fn together(
        &mut self,
        requests: impl FnOnce() -> Vec<Request>,
        ask: impl FnOnce(&mut Plan, Vec<Request>),
    ) -> Result<Vec<Reply>, Stop> {
        if self.is_new() {
            let requests = requests();
            if !requests.is_empty() {
                ask(self.plan, requests);
                return Err(Stop::Asked);
            }
            self.script.answers.push(Answered::Replies(Vec::new(), self.now));
        }
        let Some(Answered::Replies(replies, at)) = self.script.answers.get(self.next) else {
            panic!("a sync took another path when it was run again");
        };
        self.next += 1;
        self.now = *at;
        Ok(replies.clone())
    }

    /// Looks something up that may change between runs.
    pub(super) fn look_up(&mut self, found: impl FnOnce() -> Option<Object>) -> Option<Object> {
        if self.is_new() {
            self.script.answers.push(Answered::Seen(found()));
        }
        let Some(Answered::Seen(object)) = self.script.answers.get(self.next) else {
            panic!("a sync took another path when it was run again");
        };
        self.next += 1;
        object.clone()
    }

    /// Records a Kubernetes Event, once.
    pub(super) fn record(&mut self, about: Reference, kind: EventType, reason: &'static str, message: impl Into<Name>) {
        if self.is_new() {
            self.plan.record(about, kind, reason, message);
        }
    }

    /// Asks for the key again as soon as the queue's rate limiter allows.
    pub(super) fn requeue_rate_limited(&mut self) {
        self.plan.requeue_rate_limited();
    }

    /// Asks for the key again after a span.
    pub(super) fn requeue_after(&mut self, after: Span) {
        self.plan.requeue_after(after);
    }
}
