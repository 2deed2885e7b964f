//! The one dispatch: from the agenda to whom it concerns, and from outboxes back to the agenda.

use super::Sim;
use crate::api::{Meta, Name, ObjectId};
use crate::client::{FORGET, Outbox};
use crate::event::{
    Cause, ChangeKind, ClientIndex, Effect, Envelope, Input, Letter, NoteKind, PartId, Request, SimEvent, Target,
    WatchEnd,
};
use crate::kernel::Time;
use crate::net::{Fate, Message};
use crate::record::{Entry, EntryKind};
use crate::store::{Context, WatcherId, WatcherSpec};

impl Sim {
    pub(super) fn dispatch(&mut self, event: SimEvent) {
        match event {
            SimEvent::Start(part) => {
                let cause = self.note_start(part);
                self.hand(part, Input::Start, cause);
            }
            SimEvent::Action(number) => {
                let action = self.timeline[number as usize].action.clone();
                let cause = self.write(EntryKind::Action, PartId::User, None, u64::from(number), Cause::START);
                if let super::Action::DefineKind(info) = &action {
                    self.store.add_kind((**info).clone());
                }
                let mut out = self.outbox(cause);
                self.parts.user.begin(number, action, &mut out);
                self.carry_out(PartId::User, out);
            }
            SimEvent::Arrive(envelope) => self.arrive(*envelope),
            SimEvent::Reply(letter) => {
                let Letter { to, incarnation, token, reply, cause } = *letter;
                if incarnation == self.incarnation(to) {
                    let cause = self.write(EntryKind::Reply, to, None, token.0, cause);
                    self.hand(to, Input::Reply { token, result: reply }, cause);
                }
            }
            SimEvent::Wake(watcher) => self.wake(WatcherId(watcher)),
            SimEvent::Timer { part, incarnation, token, background: _ } => {
                if incarnation == self.incarnation(part) {
                    let cause = self.write(EntryKind::Timer, part, None, token.0, Cause::START);
                    self.hand(part, Input::Timer(token), cause);
                }
            }
            SimEvent::WatchEnded(ended) => {
                let (part, incarnation, informer, end) = *ended;
                if incarnation == self.incarnation(part) {
                    let cause = self.write(EntryKind::WatchEnded, part, None, u64::from(informer.0), Cause::START);
                    self.hand(part, Input::WatchEnded { informer, end }, cause);
                }
            }
        }
    }

    /// A request reaches the API server.
    fn arrive(&mut self, envelope: Envelope) {
        let Envelope { from, incarnation, client, token, cause, sent: _, reply_takes, request } = envelope;
        let (verb, kind) = (request.verb(), request.kind());
        let object = match &request {
            Request::Get(target) | Request::Delete { target, .. } => self.id_of(target),
            Request::Bind { pod, .. } | Request::Evict { pod, .. } => self.id_of(pod),
            _ => None,
        };
        self.tally.count_request(self.now, from, client, verb, kind);
        let cause = self.write_for(EntryKind::Request, from, client, object, verb as u64, cause);
        let context = Context { now: self.now, cause, from, replica: self.replica_of(from) };
        let reply = self.store.handle(request, &context);
        self.after_store(from, cause);
        let (kind, code) = match &reply {
            Ok(_) => (EntryKind::Answered, 200),
            Err(error) => (EntryKind::Refused, u64::from(error.reason.code())),
        };
        let cause = self.write_for(kind, from, client, object, code, cause);
        if token != FORGET {
            let letter = Letter { to: from, incarnation, token, reply, cause };
            self.post(self.now + reply_takes, SimEvent::Reply(Box::new(letter)));
        }
    }

    /// Journals what the store has changed and posts the wake-ups that follow.
    pub(super) fn after_store(&mut self, from: PartId, cause: Cause) {
        for commit in self.store.take_commits() {
            let meta = commit.object.meta();
            let kind = match commit.kind {
                ChangeKind::Added => {
                    self.journal.name(meta.id, &meta.namespace, &meta.name);
                    EntryKind::Added
                }
                ChangeKind::Modified => EntryKind::Modified,
                ChangeKind::Deleted => EntryKind::Deleted,
            };
            let (id, revision) = (meta.id, meta.resource_version);
            self.write(kind, from, Some(id), revision, cause);
            self.tally.observe(self.now, &commit);
        }
        for (watcher, at) in self.store.take_wakes() {
            self.post(at.max(self.now), SimEvent::Wake(watcher.0));
        }
    }

    fn wake(&mut self, id: WatcherId) {
        let delivery = self.store.collect(id, self.now);
        if let Some(next) = delivery.next {
            self.post(next.max(self.now), SimEvent::Wake(id.0));
        }
        let Some(watcher) = self.store.watcher(id) else { return };
        let (part, incarnation, informer) = (watcher.part, watcher.incarnation, watcher.informer);
        if delivery.changes.is_empty() || incarnation != self.incarnation(part) {
            return;
        }
        let cause = delivery.changes[0].cause;
        let cause = self.write(EntryKind::Notice, part, None, delivery.changes.len() as u64, cause);
        self.hand(part, Input::Notice { informer, changes: delivery.changes }, cause);
    }

    fn outbox(&self, cause: Cause) -> Outbox {
        Outbox::new(self.now, self.clock, self.chance, cause)
    }

    fn hand(&mut self, part: PartId, input: Input, cause: Cause) {
        let mut out = self.outbox(cause);
        self.parts.handle(part, input, &mut out);
        self.carry_out(part, out);
    }

    /// Does what a part wants.
    fn carry_out(&mut self, part: PartId, out: Outbox) {
        for effect in out.effects {
            match effect {
                Effect::Send { at, client, token, cause, request } => {
                    self.send(part, at, client, token, cause, request);
                }
                Effect::Timer { at, token, background } => {
                    let incarnation = self.incarnation(part);
                    self.post(at, SimEvent::Timer { part, incarnation, token, background });
                }
                Effect::Watch { informer, kind, filter, from } => {
                    let replica = self.replica_of(part);
                    let delay = self.store.replicas()[usize::from(replica)].lag + self.net.watch_takes();
                    let incarnation = self.incarnation(part);
                    let spec = WatcherSpec { part, incarnation, informer, kind, filter, delay, replica };
                    if self.store.watch(spec, from).is_err() {
                        let ended = (part, incarnation, informer, WatchEnd::Expired);
                        self.post(self.now + delay, SimEvent::WatchEnded(Box::new(ended)));
                    }
                    for (watcher, at) in self.store.take_wakes() {
                        self.post(at.max(self.now), SimEvent::Wake(watcher.0));
                    }
                }
                Effect::Heartbeat(heartbeat) => self.store.set_heartbeat(heartbeat),
                Effect::Note(note) => {
                    let kind = match note.kind {
                        NoteKind::ReconcileBegins => EntryKind::ReconcileBegins,
                        NoteKind::ReconcileDone => EntryKind::ReconcileDone,
                        NoteKind::ReconcileFailed => EntryKind::ReconcileFailed,
                        NoteKind::Placed => EntryKind::Placed,
                        NoteKind::Unplaced => EntryKind::Unplaced,
                    };
                    self.write_for(kind, part, note.client, Some(note.object), 0, note.cause);
                }
            }
        }
    }

    fn send(
        &mut self,
        from: PartId,
        at: Time,
        client: ClientIndex,
        token: crate::event::Token,
        cause: Cause,
        request: Request,
    ) {
        let (namespace, name) = self.path_of(&request);
        let message = Message {
            from,
            sender: self.parts.hash(from) ^ (u64::from(client.0) << 56),
            verb: request.verb(),
            kind: request.kind(),
            namespace: &namespace,
            name: &name,
        };
        match self.net.fate(&message) {
            Fate::Deliver(takes, reply_takes) => {
                let incarnation = self.incarnation(from);
                let envelope = Envelope { from, incarnation, client, token, cause, sent: at, reply_takes, request };
                self.post(at + takes, SimEvent::Arrive(Box::new(envelope)));
            }
            Fate::Drop => {}
        }
    }

    /// The logical path of what a request is about.
    fn path_of(&self, request: &Request) -> (Name, Name) {
        let of_meta = |meta: &Meta| {
            let name = if meta.name.is_empty() { &meta.generate_name } else { &meta.name };
            (meta.namespace.clone(), name.clone())
        };
        match request {
            // An Event's own name holds the time: the object that it is about stands for it.
            Request::Create(crate::api::Object::Event(event)) => {
                (event.body.involved.namespace.clone(), event.body.involved.name.clone())
            }
            Request::Create(object)
            | Request::Update(object)
            | Request::UpdateStatus(object)
            | Request::PatchStatus(object)
            | Request::FinalizeNamespace(object) => of_meta(object.meta()),
            Request::Bind { pod: target, .. }
            | Request::Evict { pod: target, .. }
            | Request::PatchMeta { target, .. }
            | Request::PatchEvent { target, .. }
            | Request::Patch { target, .. }
            | Request::Scale { target, .. }
            | Request::Delete { target, .. }
            | Request::Get(target) => self.store.path_of(target).unwrap_or_default(),
            Request::DeleteCollection { query, .. } | Request::List { query, .. } => {
                (query.namespace.clone().unwrap_or_default(), Name::new())
            }
        }
    }

    fn id_of(&self, target: &Target) -> Option<ObjectId> {
        match target {
            Target::Id(id) => Some(*id),
            Target::Name(kind, namespace, name) => self.store.id_of(*kind, namespace, name),
        }
    }

    /// Which API server replica a part speaks with.
    fn replica_of(&self, part: PartId) -> u8 {
        let replicas = self.store.replicas().len() as u64;
        (self.parts.hash(part) % replicas) as u8
    }

    pub(super) fn write(
        &mut self,
        kind: EntryKind,
        part: PartId,
        object: Option<ObjectId>,
        detail: u64,
        cause: Cause,
    ) -> Cause {
        self.write_for(kind, part, ClientIndex(0), object, detail, cause)
    }

    fn write_for(
        &mut self,
        kind: EntryKind,
        part: PartId,
        client: ClientIndex,
        object: Option<ObjectId>,
        detail: u64,
        cause: Cause,
    ) -> Cause {
        self.journal.add(Entry { time: self.now, kind, client, part, object, detail, cause })
    }
}
