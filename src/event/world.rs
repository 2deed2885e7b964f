//! What strikes a cluster: the small closed set of primitive effects of which every fault is composed.
//!
//! A primitive says what becomes of a part, a message, a watch or an API server replica; it never names a fault. Adding
//! one touches the tank; adding a fault does not.

use std::sync::Arc;

use super::{DiskTrouble, PartId, WatchEnd, WebhookRule};
use crate::api::{IpFamily, Kind};
use crate::kernel::Span;

/// One primitive effect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Primitive {
    /// The process of a part dies at once: its memory, its watches and what it had under way are gone. What it has sent
    /// still arrives. A kubelet's containers go on.
    Stop(PartId),
    /// The process starts with empty memory, unless it runs already or its machine is off.
    Start(PartId),
    /// The process stands still: what reaches it waits.
    Pause(PartId),
    /// It goes on, with what has waited, in order.
    Resume(PartId),
    /// The machine of a node loses its power: its kubelet and its containers are gone at once.
    PowerOff(u32),
    /// The machine of a node is switched on: its kubelet starts and finds no container running.
    PowerOn(u32),
    /// A program of a node's machine that is no pod's takes more and more of it, from nothing to a share of the whole,
    /// until the strike ends.
    Load {
        /// Which node.
        node: u32,
        /// Of what.
        resource: MachineResource,
        /// In the end, in percent of the whole.
        percent: u32,
        /// How long that takes.
        over: Span,
    },
    /// What the strike has put on a node's machine is gone.
    Unload(u32),
    /// From now on messages fare so, until the fault ends.
    Impose(Arc<NetRule>),
    /// Requests to Services over a family of addresses do not come to these nodes nor leave them, until the fault ends.
    LoseFamily {
        /// Which family.
        family: IpFamily,
        /// The nodes, by number.
        nodes: Vec<u32>,
    },
    /// From now on calls of admission webhooks fare so, until the fault ends.
    ImposeOnWebhooks(Arc<WebhookRule>),
    /// All open watches of these parts, of one kind or of all, end so.
    CutWatches {
        /// Whose.
        parts: Parties,
        /// Of which kind; `None`: of all.
        kind: Option<Kind>,
        /// What the watchers are told.
        end: WatchEnd,
    },
    /// An API server replica is gone: its watches end, requests to it are refused.
    ReplicaDown(u8),
    /// It is back, with a watch cache that begins now.
    ReplicaUp(u8),
    /// A replica's watch cache shows nothing newer than now.
    ReplicaFreeze(u8),
    /// It catches up.
    ReplicaThaw(u8),
    /// From now on this is wrong with disks, until the fault ends.
    Trouble(DiskTrouble),
}

impl Primitive {
    /// Whether it goes on until the fault ends, which undoes it.
    pub fn is_undone_at_the_end(&self) -> bool {
        use Primitive::{Impose, ImposeOnWebhooks, LoseFamily, Trouble};
        matches!(self, Impose(_) | ImposeOnWebhooks(_) | LoseFamily { .. } | Trouble(_))
    }
}

/// What a machine can run short of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MachineResource {
    /// Memory.
    Memory,
    /// Bytes of its disk.
    Disk,
    /// Process numbers.
    Pids,
}

/// A set of parts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Parties {
    /// All of them.
    All,
    /// These, in rising order.
    Some(Vec<PartId>),
}

impl Parties {
    /// A set of some parts.
    pub fn of(parts: impl IntoIterator<Item = PartId>) -> Parties {
        let mut parts: Vec<PartId> = parts.into_iter().collect();
        parts.sort_unstable();
        parts.dedup();
        Parties::Some(parts)
    }

    /// Whether a part is among them.
    pub fn contains(&self, part: PartId) -> bool {
        match self {
            Parties::All => true,
            Parties::Some(parts) => parts.binary_search(&part).is_ok(),
        }
    }
}

/// Which of the messages between a part and the API server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Way {
    /// Requests.
    Request,
    /// Answers to requests.
    Reply,
    /// What watches deliver.
    Watch,
}

/// What becomes of messages that a rule is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NetEffect {
    /// They are lost. Whoever waits for an answer is told after a time-out that the connection was lost; watches deliver
    /// nothing, and after a longer time count as lost.
    Drop,
    /// They take longer, by a span drawn between these two.
    Delay(Span, Span),
}

/// How some messages fare. One rule that drops a message is enough; delays add up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetRule {
    /// The parts at the one end; the API server is at the other.
    pub parts: Parties,
    /// The API server replica at the other end; `None`: all.
    pub replica: Option<u8>,
    /// Which messages.
    pub ways: Vec<Way>,
    /// Of which kind; `None`: of all.
    pub kind: Option<Kind>,
    /// What becomes of them.
    pub effect: NetEffect,
}

impl NetRule {
    /// Whether it is about a message.
    pub fn concerns(&self, part: PartId, replica: u8, way: Way, kind: Kind) -> bool {
        self.ways.contains(&way)
            && self.replica.is_none_or(|own| own == replica)
            && self.kind.is_none_or(|own| own == kind)
            && self.parts.contains(part)
    }
}
