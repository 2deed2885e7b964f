//! What a controller is: a plain type that watches, reconciles a key into a plan, and resumes where an answer matters.

use std::fmt;
use std::sync::Arc;

use super::{Caches, Flag, Flags, Outcome, Plan, WorkQueue};
use crate::api::{Clock, Kind, KindInfo, Object, ObjectId, Timestamp};
use crate::event::{Beats, Cause, ChangeKind, Disks};
use crate::kernel::{Chance, Time};

/// What a controller may read: the caches of its process, and what time it is.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The caches, possibly stale.
    pub caches: &'a Caches,
    /// Now.
    pub now: Time,
    /// Turns instants into timestamps.
    pub clock: Clock,
    /// Draws.
    pub chance: Chance,
    /// Which Leases beat by themselves, and when last: what their watch would tell if every renewal were sent.
    pub beats: &'a Beats,
    /// What is wrong with the disks of the cloud; only for the stand-ins of storage drivers.
    pub disks: &'a Disks,
}

impl View<'_> {
    /// Now as Kubernetes stamps it.
    pub fn timestamp(&self) -> Timestamp {
        self.clock.timestamp(self.now)
    }
}

/// A change as a controller's event handler sees it: after the cache has taken it in.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// Added, modified or deleted.
    pub kind: ChangeKind,
    /// What the cache held before.
    pub old: Option<&'a Object>,
    /// The object; for a deletion its last state.
    pub new: &'a Object,
    /// What made the change.
    pub cause: Cause,
    /// Whether nothing changed and an informer merely plays its cache again.
    pub resync: bool,
}

/// When a controller wants to be woken for work that comes with time and not with a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tick {
    /// When; what has passed counts as now.
    pub at: Time,
    /// Whether a simulation counts as quiet while only this is pending: a look that will find nothing new.
    pub background: bool,
}

/// A control loop.
///
/// Its fields are its process memory: they die with a crash, when `ControllerEntry::build` makes a new one.
pub trait Controller: Send + Sync + fmt::Debug {
    /// Its line in the registry.
    fn entry(&self) -> &'static ControllerEntry;

    /// The component that its Events name.
    fn event_source(&self) -> &'static str {
        self.entry().name
    }

    /// An event handler: decides which keys a change concerns and puts them into the queue.
    fn observe(&mut self, change: Observed, view: &View, queue: &mut WorkQueue);

    /// Compares the wish with what the caches show and plans what to do about the difference.
    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan);

    /// Goes on after a labelled step has been answered. The plan holds the steps that are still to come; an error that
    /// shall end the reconcile is passed on with [`Plan::fail`].
    fn resume(&mut self, key: ObjectId, outcome: Outcome, view: &View, plan: &mut Plan);

    /// Is told of the custom kinds that exist, before it is handed anything. Upstream: the discovery of the API server,
    /// which its garbage collector and namespace controller ask again and again.
    fn discover(&mut self, _custom: &[(Kind, Arc<KindInfo>)]) {}

    /// By how much its client's `--kube-api-qps` and `--kube-api-burst` exceed those of the other controllers.
    fn client_factors(&self) -> (f64, u64) {
        (1.0, 1)
    }

    /// Its queue at the start, with its back-off.
    fn empty_queue(&self) -> WorkQueue {
        WorkQueue::default()
    }

    /// When it wants [`Controller::tick`] next; asked after everything that it was handed. `Time::ZERO` means once, as
    /// soon as all caches of the process are filled.
    fn next_tick(&mut self, _view: &View) -> Option<Tick> {
        None
    }

    /// Work that comes with time: puts keys into the queue. Called when [`Controller::next_tick`] says so; sets the next
    /// one. Upstream: the loops of `wait.UntilWithContext`.
    fn tick(&mut self, _view: &View, _queue: &mut WorkQueue) {}

    /// A copy, memory included.
    fn boxed_clone(&self) -> Box<dyn Controller>;

    /// Writes the memory that can influence what it does next, in a canonical form: no revisions, uids or absolute
    /// times.
    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher);
}

impl Clone for Box<dyn Controller> {
    fn clone(&self) -> Box<dyn Controller> {
        self.boxed_clone()
    }
}

/// What a controller's informers watch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Watches {
    /// These kinds.
    Kinds(&'static [Kind]),
    /// Every kind whose objects can be deleted, Events excepted.
    Everything,
}

/// A controller as the registry lists it.
#[derive(Debug)]
pub struct ControllerEntry {
    /// As `--controllers` of kube-controller-manager names it.
    pub name: &'static str,
    /// What it does, and what it leaves out.
    pub doc: &'static str,
    /// The upstream source that it follows.
    pub source: &'static str,
    /// What it watches.
    pub watches: Watches,
    /// How many keys it works on at a time.
    pub workers: &'static Flag,
    /// Its other flags.
    pub flags: &'static [&'static Flag],
    /// Makes one with an empty memory.
    pub build: fn(&Flags) -> Box<dyn Controller>,
}
