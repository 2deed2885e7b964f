//! Everything that can happen or be said in the tank, as closed enums: who speaks ([`PartId`]), what is asked
//! ([`Request`]), what is answered ([`Answer`], [`ApiError`]), what a watch tells ([`Change`]), what a part is handed
//! ([`Input`]) and what it wants in return ([`Effect`]), what strikes from outside ([`Primitive`]).
//!
//! Nothing here does anything. No part holds a reference to another: all that passes between them is of these types.

mod api_error;
mod beats;
mod disks;
mod part;
mod request;
mod sim_event;
mod watch;
mod webhook;
mod world;

pub use api_error::{ApiError, ErrorCause, ErrorReason};
pub use beats::{Beats, NODE_LEASES};
pub use disks::{DiskEffect, DiskFacts, DiskTrouble, Disks};
pub use part::{Cause, ClientIndex, Effect, Heartbeat, Input, Note, NoteKind, PartId, TimerToken, Token};
pub use request::{
    Answer, DeleteOptions, Envelope, ListAt, MetaEdit, Patch, PatchKind, Preconditions, Propagation, Query, Reply,
    Request, Subresource, Target, Verb,
};
pub use sim_event::{Letter, SimEvent};
pub use watch::{Change, ChangeKind, Filter, InformerIndex, WatchEnd};
pub use webhook::{WebhookEffect, WebhookRule, WebhookVerdict};
pub use world::{MachineResource, NetEffect, NetRule, Parties, Primitive, Way};
