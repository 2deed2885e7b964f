//! What the agenda holds.

use super::{Cause, Envelope, PartId, Reply, TimerToken, Token};

/// Something that is going to happen. Kept small: the agenda moves millions of these.
#[derive(Clone, Debug)]
pub enum SimEvent {
    /// A part starts with empty memory.
    Start(PartId),
    /// The machine of a node is switched on, and its kubelet starts.
    Boot(u32),
    /// An action of the timeline begins, by its number.
    Action(u32),
    /// A fault strikes, by its number in the set-up.
    Fault(u32),
    /// A strike of a fault ends, by the number of the strike.
    Heal(u32),
    /// The watches of a part that have been silent since a strike, by its number, count as lost.
    Silent(PartId, u32),
    /// A request reaches its API server replica.
    Arrive(Box<Envelope>),
    /// A reply reaches the part that asked.
    Reply(Box<Letter>),
    /// A watcher is given what it is due, by the number of its watch.
    Wake(u32),
    /// A part's timer fires.
    Timer {
        /// Whose.
        part: PartId,
        /// Which life of the part set it.
        incarnation: u32,
        /// Its own name for it.
        token: TimerToken,
        /// Whether the simulation may count as quiet while it is pending.
        background: bool,
    },
    /// A watch that could not be opened, or was cut, is reported to the part: by its informer.
    WatchEnded(Box<(PartId, u32, super::InformerIndex, super::WatchEnd)>),
}

impl SimEvent {
    /// Whether the simulation may count as quiet while this is pending.
    pub fn is_background(&self) -> bool {
        match self {
            SimEvent::Timer { background, .. } => *background,
            SimEvent::Start(_)
            | SimEvent::Boot(_)
            | SimEvent::Action(_)
            | SimEvent::Fault(_)
            | SimEvent::Heal(_)
            | SimEvent::Silent(..)
            | SimEvent::Arrive(_)
            | SimEvent::Reply(_)
            | SimEvent::Wake(_)
            | SimEvent::WatchEnded(_) => false,
        }
    }
}

/// A reply on its way.
#[derive(Clone, Debug)]
pub struct Letter {
    /// To whom.
    pub to: PartId,
    /// Which life of the part asked.
    pub incarnation: u32,
    /// Its own name for the request.
    pub token: Token,
    /// The reply.
    pub reply: Reply,
    /// The journal's entry for the answer.
    pub cause: Cause,
}
