//! Parts: what they are called, what they are handed and what they want.

use super::{Answer, ApiError, Change, Filter, InformerIndex, Request, WatchEnd};
use crate::api::{Kind, Name};
use crate::kernel::{Span, Time};

/// A part of the control plane or the world that speaks with the API server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PartId {
    /// Whoever runs the scenario's timeline: kubectl, in effect.
    User,
    /// A replica of kube-controller-manager.
    ControllerManager(u8),
    /// A replica of kube-scheduler.
    Scheduler(u8),
    /// The kubelet of a node, by the node's number in the set-up.
    Kubelet(u32),
    /// A controller under test, native or foreign.
    Guest(u16),
    /// What no part does: machines that break, networks that part.
    World,
}

/// The entry of the journal that made something happen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Cause(pub u32);

impl Cause {
    /// The start of the simulation, which has no cause.
    pub const START: Cause = Cause(0);
}

/// Which of a part's API clients speaks: each has its own name and rate limit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientIndex(pub u8);

/// A part's own name for a request under way; comes back with the reply.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Token(pub u64);

/// A part's own name for a timer; comes back when it fires.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TimerToken(pub u64);

/// What the tank hands to a part.
#[derive(Clone, Debug)]
pub enum Input {
    /// The process starts with empty memory. For a kubelet, the machine has gone on meanwhile: its containers are as they
    /// are.
    Start,
    /// A kubelet's machine has been switched on: no container runs. Then the process starts.
    Boot,
    /// Whether heartbeats of this part may be computed for their readers ([`Effect::Heartbeat`]), as they may at the
    /// start. They may not while anything touches the path of a message from this part, or to a reader: the part then
    /// sends them itself, on the same grid.
    Heartbeats {
        /// Whether they may.
        computed: bool,
    },
    /// What a kubelet's machine carries beside its pods has changed.
    Loaded,
    /// The answer to a request.
    Reply {
        /// As given when it was sent.
        token: Token,
        /// What the API server said.
        result: Result<Answer, ApiError>,
    },
    /// A watch delivers changes, in the order of their revisions.
    Notice {
        /// The informer that opened the watch.
        informer: InformerIndex,
        /// At least one change.
        changes: Vec<Change>,
    },
    /// A watch has ended; the informer resumes or lists again.
    WatchEnded {
        /// The informer that opened the watch.
        informer: InformerIndex,
        /// Why.
        end: WatchEnd,
    },
    /// A timer fires.
    Timer(TimerToken),
    /// What is wrong with disks is another thing than before; for kubelets.
    DisksChanged,
}

/// What a part wants the tank to do for it.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Send a request.
    Send {
        /// When the client's rate limit lets it leave.
        at: Time,
        /// The client that sends it.
        client: ClientIndex,
        /// Comes back with the reply.
        token: Token,
        /// What made it.
        cause: Cause,
        /// The request.
        request: Request,
    },
    /// Hand a [`Input::Timer`] to this part at a time.
    Timer {
        /// When.
        at: Time,
        /// Comes back when it fires.
        token: TimerToken,
        /// Whether a simulation counts as quiet while only such timers are pending: upkeep that finds nothing to do in a
        /// cluster at rest and comes for ever.
        background: bool,
    },
    /// Open a watch.
    Watch {
        /// The informer that opens it.
        informer: InformerIndex,
        /// The kind to watch.
        kind: Kind,
        /// Which of its objects.
        filter: Filter,
        /// The revision after which changes are wanted.
        from: u64,
    },
    /// From now on this part renews a Lease (and a kubelet repeats its unchanged status) by itself, until it says
    /// otherwise or is told otherwise: readers of these objects get the times computed, and nobody else is bothered.
    Heartbeat(Heartbeat),
    /// The process ends itself. It is started again a little later, as a static pod is.
    Exit,
    /// A reconcile or decision begins or ends: for the journal.
    Note(Note),
}

/// The heartbeats of a Lease's holder whose path nothing touches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heartbeat {
    /// The Lease's namespace.
    pub namespace: Name,
    /// The Lease's name; in [`NODE_LEASES`](super::NODE_LEASES), the node's name.
    pub name: Name,
    /// When the first heartbeat falls due; `None`: there are none any more.
    pub first: Option<Time>,
    /// How often the Lease is renewed. Upstream: a quarter of `nodeLeaseDurationSeconds`, 10 s.
    pub lease_every: Span,
    /// How often a node's unchanged status is reported. Upstream: `nodeStatusReportFrequency`, 5 min. `None` for Leases
    /// that are not a node's.
    pub status_every: Option<Span>,
}

/// Something about a part's own work that the journal keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Note {
    /// Which.
    pub kind: NoteKind,
    /// The object that it is about.
    pub object: crate::api::ObjectId,
    /// The controller or client of the part.
    pub client: ClientIndex,
    /// What made it.
    pub cause: Cause,
}

/// The kinds of [`Note`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoteKind {
    /// A reconcile of the object's key begins.
    ReconcileBegins,
    /// It ended well.
    ReconcileDone,
    /// It ended with an error and will be tried again.
    ReconcileFailed,
    /// The scheduler chose a node for the pod.
    Placed,
    /// The scheduler found no node for the pod.
    Unplaced,
    /// The first container of the pod runs on this kubelet's node.
    PodStarts,
    /// No container of the pod runs on this kubelet's node any more.
    PodStops,
}
