//! Plans: what a reconcile wants done, as an ordered list of steps. A step goes out when the one before is answered.

use std::collections::VecDeque;

use crate::api::{EventType, Name, ObjectId, Reference};
use crate::event::{ErrorReason, Reply, Request};
use crate::kernel::Span;

/// One step of a plan.
#[derive(Clone, Debug)]
pub enum Step {
    /// One request.
    Send {
        /// The request.
        request: Request,
        /// Errors that do not end the plan.
        tolerate: &'static [ErrorReason],
        /// Hand the reply, good or bad, to the controller's `resume` under this label.
        label: Option<u32>,
    },
    /// Requests sent together. With slow start in rounds of 1, 2, 4, …: a round with an error is the last.
    Batch {
        /// The requests that are still to be sent.
        requests: VecDeque<Request>,
        /// How many go out in the next round.
        round: usize,
        /// Hand the replies of each round to the controller's `resume` under this label.
        label: u32,
    },
    /// Record a Kubernetes Event.
    Record {
        /// The object that it is about.
        about: Reference,
        /// Normal or Warning.
        kind: EventType,
        /// One word.
        reason: &'static str,
        /// A sentence.
        message: Name,
    },
}

/// What is to be done for one key. An error that no step tolerates or labels ends it and puts the key back with back-off.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub(super) steps: VecDeque<Step>,
    pub(super) requeue_after: Option<Span>,
    pub(super) requeue_rate_limited: bool,
    pub(super) failure: Option<Name>,
    pub(super) others: Vec<ObjectId>,
}

impl Plan {
    /// Adds a request; an error ends the plan.
    pub fn send(&mut self, request: Request) {
        self.steps.push_back(Step::Send { request, tolerate: &[], label: None });
    }

    /// Adds a request with errors that do not matter.
    pub fn send_tolerating(&mut self, request: Request, tolerate: &'static [ErrorReason]) {
        self.steps.push_back(Step::Send { request, tolerate, label: None });
    }

    /// Adds a request whose reply, good or bad, goes to the controller's `resume` under a label.
    pub fn ask(&mut self, label: u32, request: Request) {
        self.steps.push_back(Step::Send { request, tolerate: &[], label: Some(label) });
    }

    /// Adds requests that are sent all at once; their replies go to `resume` under a label.
    pub fn batch(&mut self, label: u32, requests: Vec<Request>) {
        let round = requests.len();
        self.push_batch(label, requests, round);
    }

    /// Adds requests that are sent in rounds of 1, 2, 4, …, each once the round before is answered; a round with an
    /// error is the last. Upstream: `slowStartBatch`. Each round's replies go to `resume` under a label.
    pub fn slow_start(&mut self, label: u32, requests: Vec<Request>) {
        self.push_batch(label, requests, 1);
    }

    fn push_batch(&mut self, label: u32, requests: Vec<Request>, round: usize) {
        if !requests.is_empty() {
            self.steps.push_back(Step::Batch { requests: requests.into(), round, label });
        }
    }

    /// Records a Kubernetes Event when the plan comes here.
    pub fn record(&mut self, about: Reference, kind: EventType, reason: &'static str, message: impl Into<Name>) {
        self.steps.push_back(Step::Record { about, kind, reason, message: message.into() });
    }

    /// Records a Kubernetes Event before the next step that sends something, after others recorded in this way: for what
    /// an answer to one round of a batch tells while further rounds are to come.
    pub fn record_now(&mut self, about: Reference, kind: EventType, reason: &'static str, message: impl Into<Name>) {
        let at = self.steps.iter().take_while(|step| matches!(step, Step::Record { .. })).count();
        self.steps.insert(at, Step::Record { about, kind, reason, message: message.into() });
    }

    /// Ends the plan here with an error: the steps so far are still taken, then the key is put back with back-off.
    pub fn fail(&mut self, message: impl Into<Name>) {
        self.failure.get_or_insert(message.into());
    }

    /// Once the plan has ended well, asks for the key again after a span (the shortest wish wins).
    pub fn requeue_after(&mut self, after: Span) {
        self.requeue_after = Some(self.requeue_after.map_or(after, |earlier| earlier.min(after)));
    }

    /// Once the plan has ended well, asks for the key again as soon as the queue's rate limiter allows, though nothing has
    /// failed: 5 ms later, and no more than 10 keys a second in the long run. Upstream: `enqueueRateLimited` in a sync that
    /// returns no error.
    pub fn requeue_rate_limited(&mut self) {
        self.requeue_rate_limited = true;
    }

    /// Asks for work on another key of the same controller, now.
    pub fn enqueue(&mut self, key: ObjectId) {
        self.others.push(key);
    }

    /// Drops the steps that are still to come.
    pub fn clear(&mut self) {
        self.steps.clear();
    }

    /// Whether nothing is left to be done.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The steps that are still to come.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter()
    }
}

/// The replies to a labelled step, or to one round of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// The label of the step.
    pub label: u32,
    /// The replies, in the order of the requests.
    pub replies: &'a [Reply],
    /// Requests of the batch that will not be sent, since this round had an error.
    pub skipped: usize,
    /// Whether this was the last round.
    pub last: bool,
}
