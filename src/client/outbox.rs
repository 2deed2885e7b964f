//! The outbox: the only way in which a part acts.

use super::TokenBucket;
use crate::api::{Clock, Kind, Name, ObjectId, Timestamp};
use crate::event::{
    Beats, Cause, ClientIndex, Disks, Effect, Filter, InformerIndex, Input, Note, NoteKind, Request, TimerToken, Token,
};
use crate::kernel::{Chance, Span, Time};

/// A process of the control plane or the world: plain data that answers inputs with effects.
pub trait Part {
    /// Handles one input. `out` says what time it is and takes what the part wants.
    fn handle(&mut self, input: Input, out: &mut Outbox);

    /// The names of its API clients by [`ClientIndex`], as the journal and the report call them.
    fn client_names(&self) -> Vec<Name>;

    /// Whether it has nothing to do before its next timer, notice or reply.
    fn is_idle(&self) -> bool;

    /// Writes the memory that can influence what it does next, in a canonical form: no revisions, uids or absolute
    /// times.
    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher);
}

/// What a handler may know beside its memory and its caches, and where it puts what it wants.
#[derive(Debug)]
pub struct Outbox {
    /// Now.
    pub now: Time,
    /// Turns instants into timestamps.
    pub clock: Clock,
    /// Draws.
    pub chance: Chance,
    /// What made the input that is being handled.
    pub cause: Cause,
    /// Which Leases beat by themselves.
    pub beats: Beats,
    /// What is wrong with the disks of the cloud.
    pub disks: Disks,
    /// What the handler wanted, in order.
    pub effects: Vec<Effect>,
}

impl Outbox {
    /// An empty outbox at an instant, where no Lease beats by itself and nothing is wrong with disks.
    pub fn new(now: Time, clock: Clock, chance: Chance, cause: Cause) -> Outbox {
        let (beats, disks) = (Beats::default(), Disks::default());
        Outbox { now, clock, chance, cause, beats, disks, effects: Vec::new() }
    }

    /// Now as Kubernetes stamps it.
    pub fn timestamp(&self) -> Timestamp {
        self.clock.timestamp(self.now)
    }

    /// Sends a request through a client, as soon as the client's rate limit allows.
    pub fn send(&mut self, client: &mut Client, token: Token, request: Request) {
        self.send_for(client, token, self.cause, request);
    }

    /// The same with a cause other than the input that is being handled.
    pub fn send_for(&mut self, client: &mut Client, token: Token, cause: Cause, request: Request) {
        let at = client.limit.reserve(self.now);
        self.effects.push(Effect::Send { at, client: client.index, token, cause, request });
    }

    /// Asks for a timer after a span.
    pub fn timer_after(&mut self, after: Span, token: TimerToken) {
        self.timer_at(self.now + after, token);
    }

    /// Asks for a timer at an instant; at once, where it has passed.
    pub fn timer_at(&mut self, at: Time, token: TimerToken) {
        self.effects.push(Effect::Timer { at: at.max(self.now), token, background: false });
    }

    /// Asks for a timer after a span that does not keep the simulation from counting as quiet.
    pub fn background_timer_after(&mut self, after: Span, token: TimerToken) {
        self.effects.push(Effect::Timer { at: self.now + after, token, background: true });
    }

    /// Opens a watch for changes after a revision.
    pub fn watch(&mut self, informer: InformerIndex, kind: Kind, filter: Filter, from: u64) {
        self.effects.push(Effect::Watch { informer, kind, filter, from });
    }

    /// Leaves a note in the journal.
    pub fn note(&mut self, kind: NoteKind, object: ObjectId, client: ClientIndex, cause: Cause) {
        self.effects.push(Effect::Note(Note { kind, object, client, cause }));
    }
}

/// One API client of a part: a name and a rate limit. Upstream: client-go's `rest.Config` with QPS and Burst.
#[derive(Clone, PartialEq, Debug)]
pub struct Client {
    /// Its number among the part's clients.
    pub index: ClientIndex,
    /// As the journal and the report call it: `kube-controller-manager/replicaset-controller`.
    pub name: Name,
    /// `--kube-api-qps` and `--kube-api-burst`.
    pub limit: TokenBucket,
}
