//! The one dispatch: from the agenda to whom it concerns, and from outboxes back to the agenda.

use std::sync::Arc;

use super::Sim;
use crate::api::{Kind, Meta, Name, ObjectId};
use crate::check::{By, Look, Sight};
use crate::client::{FORGET, Outbox};
use crate::event::{
    ApiError, Cause, ChangeKind, ClientIndex, Effect, Envelope, ErrorReason, Filter, InformerIndex, Input, Letter,
    NoteKind, PartId, Reply, Request, SimEvent, Target, Token, WatchEnd, Way,
};
use crate::kernel::{Span, Time};
use crate::net::{Fate, Message};
use crate::record::{Entry, EntryKind};
use crate::store::{Context, WatcherId, WatcherSpec};

impl Sim {
    pub(super) fn dispatch(&mut self, event: SimEvent) {
        match event {
            SimEvent::Start(part) => self.start(part),
            SimEvent::Boot(node) => self.boot(node),
            SimEvent::Fault(number) => self.strike(number),
            SimEvent::Heal(strike) => self.heal(strike),
            SimEvent::Silent(part, strike) => self.silent(part, strike),
            SimEvent::Action(number) => {
                let action = self.timeline[number as usize].action.clone();
                let cause = self.write(EntryKind::Action, PartId::User, None, u64::from(number), Cause::START);
                if let super::Action::DefineKind(info) = &action {
                    self.store.announce_kind((**info).clone());
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
        let Envelope { from, incarnation, client, token, cause, sent, reply_takes, request, verdict } = envelope;
        let (verb, kind) = (request.verb(), request.kind());
        let kind_of = kind;
        let object = match &request {
            Request::Get(target) | Request::Delete { target, .. } => self.id_of(target),
            Request::Bind { pod, .. } | Request::Evict { pod, .. } => self.id_of(pod),
            _ => None,
        };
        let Some(replica) = self.replica_of(from) else {
            // It was under way when the last API server went.
            let error = ApiError::new(ErrorReason::ConnectionLost, "unexpected EOF");
            return self.post_reply(self.now + reply_takes, from, incarnation, token, Err(error), cause);
        };
        let refused = self.user_of_request(from, token).and_then(|user| self.store.authorize(&user, &request).err());
        if refused.is_none()
            && verdict.is_none()
            && let Some(asked) = self.store.ask_webhooks(&request)
        {
            let verdict = Some(Arc::new(asked.verdict));
            let waiting = Envelope { from, incarnation, client, token, cause, sent, reply_takes, request, verdict };
            return self.post(self.now + asked.takes, SimEvent::Arrive(Box::new(waiting)));
        }
        self.tally.count_request(self.now, from, client, verb, kind);
        let cause = self.write_for(EntryKind::Request, from, client, object, verb as u64, cause);
        let context = Context { now: self.now, cause, from, replica };
        let reply = match (refused, verdict) {
            (Some(refused), _) => Err(refused),
            (None, Some(verdict)) => self.store.handle_admitted(request, &verdict, &context),
            (None, None) => self.store.handle(request, &context),
        };
        let outlived = incarnation != self.incarnation(from);
        self.after_store(By { part: from, outlived }, cause);
        let (kind, code) = match &reply {
            Ok(_) => (EntryKind::Answered, 200),
            Err(error) => (EntryKind::Refused, u64::from(error.reason.code())),
        };
        let cause = self.write_for(kind, from, client, object, code, cause);
        match self.net.fate(from, replica, Way::Reply, kind_of) {
            Fate::Deliver(delay) => {
                self.post_reply(self.now + reply_takes + delay, from, incarnation, token, reply, cause);
            }
            Fate::Drop | Fate::Refuse => {
                if let Some(object) = object.filter(|_| code < 300) {
                    self.show(&Sight::AnswerLost { to: from, object }, cause);
                }
                let at = (sent + self.net.lost_after()).max(self.now);
                self.post_reply(at, from, incarnation, token, Err(lost()), cause);
            }
        }
    }

    fn post_reply(&mut self, at: Time, to: PartId, incarnation: u32, token: Token, reply: Reply, cause: Cause) {
        if token != FORGET {
            let letter = Letter { to, incarnation, token, reply, cause };
            self.post(at, SimEvent::Reply(Box::new(letter)));
        }
    }

    /// Journals what the store has changed and posts the wake-ups that follow.
    pub(super) fn after_store(&mut self, by: By, cause: Cause) {
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
            self.write(kind, by.part, Some(id), revision, cause);
            self.tally.observe(self.now, &commit);
            self.network.observe(self.now, commit.kind, &commit.object);
            let look = Look { store: &self.store, now: self.now };
            self.invariants.observe(&Sight::Commit(&commit, by), look, cause);
        }
        for (watcher, at) in self.store.take_wakes() {
            self.post(at.max(self.now), SimEvent::Wake(watcher.0));
        }
    }

    fn wake(&mut self, id: WatcherId) {
        let mut late = Span::ZERO;
        if !self.net.rules.is_empty()
            && let Some(watcher) = self.store.watcher(id)
        {
            match self.net.fate(watcher.part, watcher.replica, Way::Watch, watcher.kind) {
                Fate::Deliver(delay) => late = delay,
                Fate::Drop | Fate::Refuse => return self.world.silence(id),
            }
        }
        let delivery = self.store.collect(id, self.now, late);
        match delivery.next {
            Some(next) if next > self.now => self.post(next, SimEvent::Wake(id.0)),
            // Its watch cache is frozen: it is woken when that thaws.
            Some(_) => self.world.silence(id),
            None => {}
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
        let (beats, disks) = (self.store.beats().clone(), self.world.disks.clone());
        Outbox { beats, disks, ..Outbox::new(self.now, self.clock, self.chance, cause) }
    }

    pub(super) fn hand(&mut self, part: PartId, input: Input, cause: Cause) {
        let Some(input) = self.world.hold(part, input, cause) else { return };
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
                    self.open_watch(part, informer, kind, filter, from);
                }
                Effect::Heartbeat(heartbeat) => self.store.set_heartbeat(part, heartbeat),
                Effect::Exit => {
                    self.exit(part, Cause::START);
                    return;
                }
                Effect::Note(note) => {
                    let kind = match note.kind {
                        NoteKind::ReconcileBegins => EntryKind::ReconcileBegins,
                        NoteKind::ReconcileDone => EntryKind::ReconcileDone,
                        NoteKind::ReconcileFailed => EntryKind::ReconcileFailed,
                        NoteKind::Placed => EntryKind::Placed,
                        NoteKind::Unplaced => EntryKind::Unplaced,
                        NoteKind::PodStarts => EntryKind::PodStarts,
                        NoteKind::PodStops => EntryKind::PodStops,
                    };
                    let cause = self.write_for(kind, part, note.client, Some(note.object), 0, note.cause);
                    self.show_note(part, note.kind, note.object, cause);
                }
            }
        }
    }

    fn show_note(&mut self, part: PartId, kind: NoteKind, pod: ObjectId, cause: Cause) {
        let PartId::Kubelet(node) = part else { return };
        match kind {
            NoteKind::PodStarts => {
                let name = self.parts.kubelets[node as usize].name().clone();
                self.show(&Sight::PodStarts { node, name: &name, pod }, cause);
            }
            NoteKind::PodStops => self.show(&Sight::PodStops { node, pod }, cause),
            NoteKind::ReconcileBegins
            | NoteKind::ReconcileDone
            | NoteKind::ReconcileFailed
            | NoteKind::Placed
            | NoteKind::Unplaced => {}
        }
    }

    /// A watch is opened, or the part is told that it could not be.
    fn open_watch(&mut self, part: PartId, informer: InformerIndex, kind: Kind, filter: Filter, from: u64) {
        let incarnation = self.incarnation(part);
        let end = |sim: &mut Sim, after: Span, end: WatchEnd| {
            let ended = (part, incarnation, informer, end);
            sim.post(sim.now + after, SimEvent::WatchEnded(Box::new(ended)));
        };
        let Some(replica) = self.replica_of(part) else { return end(self, self.net.watch_takes(), WatchEnd::Refused) };
        for way in [Way::Request, Way::Reply] {
            match self.net.fate(part, replica, way, kind) {
                Fate::Deliver(_) => {}
                Fate::Drop => return end(self, self.net.lost_after(), WatchEnd::Lost),
                Fate::Refuse => return end(self, self.net.watch_takes(), WatchEnd::Refused),
            }
        }
        let delay = self.store.replicas()[usize::from(replica)].lag + self.net.watch_takes();
        if let Some(user) = self.user_of_part(part)
            && self.store.authorize_watch(&user, kind, &filter).is_err()
        {
            return end(self, delay, WatchEnd::Forbidden);
        }
        let spec = WatcherSpec { part, incarnation, informer, kind, filter, delay, replica };
        if self.store.watch(spec, from).is_err() {
            end(self, delay, WatchEnd::Expired);
        }
        for (watcher, at) in self.store.take_wakes() {
            self.post(at.max(self.now), SimEvent::Wake(watcher.0));
        }
    }

    pub(super) fn send(
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
        let (takes, reply_takes) = self.net.takes(&message);
        let passage = match self.replica_of(from) {
            Some(replica) => self.net.fate(from, replica, Way::Request, message.kind),
            None => Fate::Refuse,
        };
        let incarnation = self.incarnation(from);
        match passage {
            Fate::Deliver(late) => {
                let verdict = None;
                let envelope =
                    Envelope { from, incarnation, client, token, cause, sent: at, reply_takes, request, verdict };
                self.post(at + takes + late, SimEvent::Arrive(Box::new(envelope)));
            }
            Fate::Drop => self.post_reply(at + self.net.lost_after(), from, incarnation, token, Err(lost()), cause),
            Fate::Refuse => self.post_reply(at + reply_takes, from, incarnation, token, Err(refused()), cause),
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

    /// Which API server replica a part speaks with: its own, or where that is down the next one. `None`: all are down.
    fn replica_of(&self, part: PartId) -> Option<u8> {
        let replicas = self.store.replicas().len() as u64;
        let own = self.parts.hash(part) % replicas;
        let mut all = (0..replicas).map(|step| ((own + step) % replicas) as u8);
        all.find(|replica| !self.world.replica_is_down(*replica))
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

/// What client-go says of a connection to nobody.
fn refused() -> ApiError {
    ApiError::new(ErrorReason::ConnectionRefused, "dial tcp 10.96.0.1:443: connect: connection refused")
}

/// What client-go says where no answer came in time.
fn lost() -> ApiError {
    ApiError::new(ErrorReason::ConnectionLost, "http2: client connection lost")
}
