//! The API server: the truth, and the only place where objects change.
//!
//! Requests come in whole and are answered at once; latency and loss are `net`'s business. Every change has a revision;
//! watches and lagging watch caches read the change log. Parts never see this room: they get answers and notices.
//!
//! Left out so far: API priority and fairness.

mod admission;
mod bodies;
mod create;
mod custom;
mod delete;
mod eviction;
mod growth;
mod heartbeat;
mod label_keys;
mod limits;
mod managed;
mod patch;
mod plugins;
mod pods;
mod quota;
mod rbac;
mod read;
mod services;
mod table;
mod template_generation;
#[cfg(test)]
mod tests;
mod update;
mod validate;
mod watch;
mod webhooks;

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::api::{Clock, Kind, KindInfo, Name, Object, ObjectId, Timestamp};
use crate::event::{
    Answer, ApiError, Cause, ChangeKind, ErrorReason, PartId, Parties, PatchKind, Reply, Request, Target,
};
use crate::kernel::{Chance, Purpose, Span, Time, object_hash};
pub use admission::{SYSTEM_PRIORITY_CLASSES, add_default_tolerations};
pub use plugins::{AdmissionPlugin, DisabledPlugins};
pub use rbac::UserInfo;
pub use services::ServiceRanges;
use table::{LogEntry, Table};
use watch::Watchers;
pub use watch::{Delivery, Watcher, WatcherId, WatcherSpec};
pub use webhooks::{
    Asked, Condition as WebhookCondition, Declared as DeclaredWebhook, Denial as WebhookDenial, Patch as WebhookPatch,
    Test as WebhookTest,
};

/// Entries of a change log that stay however old they are. Upstream: the least capacity of a watch cache.
const LOG_KEEP: usize = 100;
/// How long a change log keeps entries for watches that resume. Upstream: `eventFreshDuration` of the watch cache.
const LOG_FRESH: Span = Span::from_secs(75);

const UID: Purpose = Purpose::new("uid");
const GENERATE_NAME: Purpose = Purpose::new("generate-name");

/// An API server replica: where its watch cache stands against etcd.
#[derive(Clone, Copy, Debug)]
pub struct Replica {
    /// How far its watch cache is behind.
    pub lag: Span,
    /// Set while the watch cache is stuck: it shows nothing newer than this.
    pub frozen_at: Option<Time>,
    /// The revision with which its watch cache begins.
    pub since: u64,
}

impl Replica {
    /// The instant up to which the watch cache has seen everything.
    pub fn sees_until(&self, now: Time) -> Time {
        let lagging = Time::ZERO + now.since(Time::ZERO + self.lag);
        self.frozen_at.map_or(lagging, |frozen| lagging.min(frozen))
    }
}

/// The flags of kube-apiserver.
#[derive(Clone, Debug, Default)]
pub struct ApiServerSettings {
    /// From where Services get their addresses and node ports.
    pub service_ranges: ServiceRanges,
    /// The admission plugins that are off.
    pub disabled_plugins: DisabledPlugins,
}

/// What the server knows of a request beside its content.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// Now.
    pub now: Time,
    /// The journal's entry for the request.
    pub cause: Cause,
    /// Who asks.
    pub from: PartId,
    /// The replica that was asked.
    pub replica: u8,
}

/// A change that the last request made, for the journal.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Added, modified or deleted.
    pub kind: ChangeKind,
    /// The object, after the change.
    pub object: Object,
    /// The object before it, where there was one.
    pub before: Option<Object>,
}

/// The whole of the API server's state.
#[derive(Clone, Debug)]
pub struct Store {
    chance: Chance,
    clock: Clock,
    revision: u64,
    tables: BTreeMap<Kind, Table>,
    custom: Vec<Arc<KindInfo>>,
    replicas: Vec<Replica>,
    watchers: Watchers,
    commits: Vec<Commit>,
    since_trim: u32,
    admitted: admission::Memo,
    settings: ApiServerSettings,
    manager: managed::Manager,
    /// How many names were generated for a base, by its hash.
    generated: FxHashMap<u64, u64>,
    heartbeats: heartbeat::Heartbeats,
    events_expire: std::collections::VecDeque<(Time, ObjectId)>,
    services: services::Services,
    custom_kinds: custom::CustomKinds,
    webhooks: webhooks::Webhooks,
}

impl Store {
    /// An empty store with so many replicas, each with a watch cache that lags by as much.
    pub fn new(chance: Chance, clock: Clock, lags: &[Span]) -> Store {
        let tables = Kind::ALL
            .iter()
            .filter_map(|kind| Some((*kind, Table::new(*kind, Arc::new(kind.info()?.clone())))))
            .collect();
        Store {
            chance,
            clock,
            revision: 0,
            tables,
            custom: Vec::new(),
            replicas: lags.iter().map(|lag| Replica { lag: *lag, frozen_at: None, since: 0 }).collect(),
            watchers: Watchers::default(),
            commits: Vec::new(),
            since_trim: 0,
            admitted: admission::Memo::default(),
            settings: ApiServerSettings::default(),
            manager: managed::Manager::default(),
            generated: FxHashMap::default(),
            heartbeats: heartbeat::Heartbeats::default(),
            events_expire: std::collections::VecDeque::new(),
            services: services::Services::new(&ServiceRanges::default()),
            custom_kinds: custom::CustomKinds::default(),
            webhooks: webhooks::Webhooks::default(),
        }
    }

    /// Sets the flags. Before the first object.
    pub fn configure(&mut self, settings: &ApiServerSettings) {
        self.settings = settings.clone();
        self.services = services::Services::new(&settings.service_ranges);
    }

    /// Adds a custom kind that is served whether there is a CRD or not.
    pub fn add_kind(&mut self, info: KindInfo) -> Kind {
        if let Some(index) = self.custom.iter().position(|known| **known == info) {
            return Kind::Custom(index as u16);
        }
        let kind = Kind::Custom(self.custom.len() as u16);
        let info = Arc::new(info);
        self.custom.push(info.clone());
        self.tables.insert(kind, Table::new(kind, info));
        kind
    }

    /// All kinds, built in and custom.
    pub fn kinds(&self) -> Vec<Kind> {
        self.tables.keys().copied().collect()
    }

    /// A number that moves with every change of an object of this kind: to look again only where something changed.
    pub fn version(&self, kind: Kind) -> u64 {
        self.table(kind).log.end()
    }

    /// The changes of a kind after a [`Store::version`] of it, oldest first, each with the object as it was after it (for
    /// a deletion: before it). `None` where the change log does not reach back so far.
    pub fn changes_since(&self, kind: Kind, version: u64) -> Option<impl Iterator<Item = (ChangeKind, &Object)>> {
        let log = &self.table(kind).log;
        let reaches = version >= log.end() || log.get(version).is_some();
        reaches.then(|| (version..log.end()).filter_map(|at| log.get(at)).map(|entry| (entry.kind, &entry.object)))
    }

    /// What a kind is called.
    pub fn info(&self, kind: Kind) -> &Arc<KindInfo> {
        &self.table(kind).info
    }

    /// The newest revision.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The replicas, to be slowed down or frozen.
    pub fn replicas_mut(&mut self) -> &mut [Replica] {
        &mut self.replicas
    }

    /// The replicas.
    pub fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    /// Answers a request.
    pub fn handle(&mut self, request: Request, context: &Context) -> Reply {
        self.expire_events(context);
        match request {
            Request::Create(object) => self.create(object, context).map(Answer::Object),
            Request::Update(object) => self.update(object, context).map(Answer::Object),
            Request::UpdateStatus(object) => self.update_status(object, context).map(Answer::Object),
            Request::PatchStatus(object) => self.patch_status(&object, context).map(Answer::Object),
            Request::Bind { pod, uid, node, annotations } => {
                self.bind(&pod, uid, (&node, &annotations), context).map(|()| Answer::Done)
            }
            Request::Evict { pod, options } => self.evict(&pod, options, context),
            Request::PatchMeta { target, preconditions, edit } => {
                self.patch_meta(&target, preconditions, &edit, context).map(Answer::Object)
            }
            Request::PatchEvent { target, count, last, message } => {
                self.patch_event(&target, count, last, message, context).map(Answer::Object)
            }
            Request::Patch { target, subresource, patch } => {
                let is_new = matches!(patch.kind, PatchKind::Apply { .. }) && self.live(&target).is_err();
                let patched = self.patch(&target, subresource, &patch, context);
                patched.map(if is_new { Answer::Created } else { Answer::Object })
            }
            Request::Scale { target, preconditions, replicas } => {
                self.scale(&target, preconditions, replicas, context).map(Answer::Object)
            }
            Request::FinalizeNamespace(object) => self.finalize_namespace(&object, context).map(Answer::Object),
            Request::Delete { target, options } => self.delete(&target, options, context),
            Request::DeleteCollection { query, options } => self.delete_collection(&query, options, context),
            Request::Get(target) => self.get(&target, context).map(Answer::Object),
            Request::List { query, at } => self.list(&query, at, context),
        }
    }

    /// Answers a request whose manager is known by name: what it changes belongs to it.
    pub fn handle_as(&mut self, manager: Name, request: Request, context: &Context) -> Reply {
        self.manager = managed::Manager::Named(manager);
        let reply = self.handle(request, context);
        self.manager = managed::Manager::Unsaid;
        reply
    }

    /// The changes that requests have made since this was last asked.
    pub fn take_commits(&mut self) -> Vec<Commit> {
        std::mem::take(&mut self.commits)
    }

    /// The watchers that are to be woken, and when.
    pub fn take_wakes(&mut self) -> Vec<(WatcherId, Time)> {
        self.watchers.take_wakes()
    }

    /// Opens a watch for changes after a revision.
    ///
    /// # Errors
    /// `Expired` (410) where the revision is older than the change log reaches.
    pub fn watch(&mut self, spec: WatcherSpec, from: u64) -> Result<WatcherId, ApiError> {
        let log = &self.table(spec.kind).log;
        if from < log.compacted.max(self.replicas[usize::from(spec.replica)].since) {
            let message = format!(
                "too old resource version: {from} ({})",
                log.compacted.max(self.replicas[usize::from(spec.replica)].since) + 1
            );
            return Err(ApiError::new(ErrorReason::Expired, message));
        }
        let table = self.tables.get(&spec.kind).expect("every kind has a table");
        Ok(self.watchers.open(spec, from, &table.log))
    }

    /// Closes a watch.
    pub fn close_watch(&mut self, id: WatcherId) -> Option<Watcher> {
        self.watchers.close(id)
    }

    /// Closes all watches of a part.
    pub fn close_watches_of(&mut self, part: PartId) {
        for id in self.watchers.select(|watcher| watcher.part == part) {
            self.watchers.close(id);
        }
    }

    /// The open watches of some parts, of one kind or all, at one replica or any.
    pub fn watchers_of(&self, parts: &Parties, kind: Option<Kind>, replica: Option<u8>) -> Vec<WatcherId> {
        self.watchers.select(|watcher| {
            parts.contains(watcher.part)
                && kind.is_none_or(|kind| watcher.kind == kind)
                && replica.is_none_or(|replica| watcher.replica == replica)
        })
    }

    /// A replica starts anew: its watch cache begins now, and watches from earlier revisions have to list again.
    pub fn restart_replica(&mut self, replica: u8) {
        self.replicas[usize::from(replica)].since = self.revision;
    }

    /// An open watch.
    pub fn watcher(&self, id: WatcherId) -> Option<&Watcher> {
        self.watchers.get(id)
    }

    /// What a woken watcher is given at an instant: all that its replica's watch cache had seen in time,
    /// where the way takes so much longer than usual.
    pub fn collect(&mut self, id: WatcherId, now: Time, late: Span) -> Delivery {
        let Some(watcher) = self.watchers.get(id) else { return Delivery { changes: Vec::new(), next: None } };
        let replica = &self.replicas[usize::from(watcher.replica)];
        let way = Time::ZERO + now.since(Time::ZERO + watcher.delay + late);
        let upto = replica.frozen_at.map_or(way, |frozen| way.min(frozen));
        let log = &self.tables.get(&watcher.kind).expect("every kind has a table").log;
        self.watchers.collect(id, upto, late, log)
    }

    /// The namespace and name of what a request is about, for journals, draws and messages.
    pub fn path_of(&self, target: &Target) -> Option<(Name, Name)> {
        match target {
            Target::Id(id) => {
                let meta = self.table(id.kind).get(id.slot)?.meta();
                Some((meta.namespace.clone(), meta.name.clone()))
            }
            Target::Name(_, namespace, name) => Some((namespace.clone(), name.clone())),
        }
    }

    /// The interned key of a name, if the name is known.
    pub fn id_of(&self, kind: Kind, namespace: &Name, name: &Name) -> Option<ObjectId> {
        self.table(kind).slot(namespace, name).map(|slot| ObjectId { kind, slot })
    }

    fn table(&self, kind: Kind) -> &Table {
        self.tables.get(&kind).expect("every kind has a table")
    }

    fn table_mut(&mut self, kind: Kind) -> &mut Table {
        self.tables.get_mut(&kind).expect("every kind has a table")
    }

    /// The live object of a target, or the 404 that upstream answers.
    fn live(&self, target: &Target) -> Result<Object, ApiError> {
        let table = self.table(target.kind());
        let found = match target {
            Target::Id(id) => table.get(id.slot),
            Target::Name(_, namespace, name) => table.by_name(namespace, name),
        };
        found.cloned().ok_or_else(|| {
            let name = self.path_of(target).map_or_else(Name::new, |(_, name)| name);
            not_found(&table.info, &name)
        })
    }

    fn timestamp(&self, context: &Context) -> Timestamp {
        self.clock.timestamp(context.now)
    }

    /// Writes a change: gives it a revision, logs it, wakes watchers. Returns the object as stored.
    fn commit(&mut self, kind: ChangeKind, mut object: Object, before: Option<Object>, context: &Context) -> Object {
        self.revision += 1;
        object.meta_mut().resource_version = self.revision;
        let entry = LogEntry {
            revision: self.revision,
            time: context.now,
            kind,
            object: object.clone(),
            before: before.clone(),
            cause: context.cause,
        };
        let id = object.meta().id;
        if let (ChangeKind::Deleted, Kind::Service, Object::Untyped(service)) = (kind, id.kind, &object) {
            self.services.release(service);
        }
        self.service_cidr_changed(kind, &object);
        let table = self.tables.get_mut(&id.kind).expect("every kind has a table");
        let position = table.log.end();
        self.watchers.written(id.kind, position, &entry);
        table.write(entry);
        self.commits.push(Commit { kind, object: object.clone(), before });
        self.since_trim += 1;
        if self.since_trim >= 1024 {
            self.trim(context.now);
        }
        match (kind, id.kind) {
            (ChangeKind::Deleted, Kind::CustomResourceDefinition) => self.undefine(&object),
            (_, Kind::ValidatingWebhookConfiguration | Kind::MutatingWebhookConfiguration) => self.reread_webhooks(),
            (ChangeKind::Deleted, kind @ Kind::Custom(_)) => self.end_if_empty(kind, context),
            _ => {}
        }
        object
    }

    fn trim(&mut self, now: Time) {
        self.since_trim = 0;
        let older_than = Time::ZERO + now.since(Time::ZERO + LOG_FRESH);
        if !self.tables.values().any(|table| table.log.has_older_than(older_than, LOG_KEEP)) {
            return;
        }
        let needed = self.watchers.needed();
        for (kind, table) in &mut self.tables {
            table.log.trim(older_than, needed.get(kind).copied(), LOG_KEEP);
        }
    }

    /// Compacts as etcd would: changes up to now can no longer be read or resumed from, but for those that an open
    /// watch has still to deliver.
    pub fn compact(&mut self) {
        let needed = self.watchers.needed();
        for (kind, table) in &mut self.tables {
            table.log.trim(Time::MAX, needed.get(kind).copied(), 0);
        }
    }

    fn draw_hash(&self, kind: Kind, namespace: &str, name: &str) -> u64 {
        object_hash(&format!("{}/{namespace}/{name}", self.info(kind).plural))
    }
}

fn not_found(info: &KindInfo, name: &str) -> ApiError {
    ApiError::new(ErrorReason::NotFound, format!("{} {name:?} not found", info.group_resource()))
}

fn conflict(info: &KindInfo, name: &str, why: &str) -> ApiError {
    let resource = info.group_resource();
    ApiError::new(ErrorReason::Conflict, format!("Operation cannot be fulfilled on {resource} {name:?}: {why}"))
}

/// What upstream says where a resourceVersion does not match.
const MODIFIED: &str = "the object has been modified; please apply your changes to the latest version and try again";
