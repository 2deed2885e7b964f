//! A sync written as one straight function, as upstream writes it, and run again from its start after each answer.
//!
//! The answers so far are kept as data; [`Run::send`] hands them out in order, and asks where there is none left. So
//! the code reads like upstream's while a controller stays plain data that can be cloned at any instant. What a sync
//! reads must not change between runs: it works on a snapshot, and look-ups in between go through [`Run::look_up`].

use crate::api::{Clock, EventType, Name, Object, Reference, Timestamp};
use crate::client::Plan;
use crate::event::{ApiError, Reply, Request};
use crate::kernel::{Span, Time};

/// The label of the steps that a script asks.
pub(super) const ASKED: u32 = 1;

/// What a sync has learnt so far.
#[derive(Clone, Debug)]
pub(super) struct Script {
    started: Time,
    answers: Vec<Answered>,
}

#[derive(Clone, Debug)]
enum Answered {
    Reply(Reply, Time),
    Seen(Option<Object>),
}

impl Script {
    /// A sync that begins.
    pub(super) fn new(started: Time) -> Script {
        Script { started, answers: Vec::new() }
    }

    /// Takes the answer to what was asked last.
    pub(super) fn answer(&mut self, reply: Reply, at: Time) {
        self.answers.push(Answered::Reply(reply, at));
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

    /// Whether the code at this place runs for the first time.
    fn is_new(&self) -> bool {
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
            Some(Answered::Seen(_)) => panic!("a sync took another path when it was run again"),
            None => {
                self.plan.ask(ASKED, request);
                Err(Stop::Asked)
            }
        }
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
