//! Carries messages between parts and the API server: how long each takes, and whether it arrives at all.
//!
//! A message's latency is a draw of its sender, verb and object and of its ordinal among those: taking another message
//! away leaves it as it was. Messages of one watch stay in order; requests may overtake one another, as over HTTP/2.

mod latency;
mod rules;

use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::Xxh3;

pub use latency::{Latency, NetSettings};
pub use rules::{Fate, Rules};

use crate::api::Kind;
use crate::event::{PartId, Verb, Way};
use crate::kernel::{Chance, Purpose, Span};

const LATENCY: Purpose = Purpose::new("net-latency");

/// What a message is, as far as the net cares.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The sender.
    pub from: PartId,
    /// A hash of the sender's name, stable over set-ups.
    pub sender: u64,
    /// What it asks.
    pub verb: Verb,
    /// Of which kind.
    pub kind: Kind,
    /// The object's namespace.
    pub namespace: &'a str,
    /// The object's name, or the base of a name that the server generates.
    pub name: &'a str,
}

/// The network.
#[derive(Clone, Debug)]
pub struct Net {
    settings: NetSettings,
    chance: Chance,
    /// What faults have imposed.
    pub rules: Rules,
    ordinals: FxHashMap<u64, u32>,
}

impl Net {
    /// A network where nothing is broken.
    pub fn new(settings: NetSettings, chance: Chance) -> Net {
        Net { settings, chance, rules: Rules::default(), ordinals: FxHashMap::default() }
    }

    /// How long a request takes on its way, and the reply to it, where nothing is broken.
    pub fn takes(&mut self, message: &Message<'_>) -> (Span, Span) {
        let path = path_hash(message);
        let ordinal = self.ordinals.entry(path).or_default();
        let draw = self.chance.draw(LATENCY, path, u64::from(*ordinal));
        *ordinal = ordinal.wrapping_add(1);
        let write = !matches!(message.verb, Verb::Get | Verb::List);
        let there = if write { self.settings.write } else { self.settings.read };
        (there.at(draw.word(0)), self.settings.reply.at(draw.word(1)))
    }

    /// What becomes of a message, by the rules of faults.
    pub fn fate(&self, part: PartId, replica: u8, way: Way, kind: Kind) -> Fate {
        if self.rules.is_empty() {
            return Fate::Deliver(Span::ZERO);
        }
        self.rules.fate(part, replica, way, kind, self.chance)
    }

    /// How long a client waits for an answer before it takes the connection for lost.
    pub fn lost_after(&self) -> Span {
        self.settings.lost_after
    }

    /// How long a watch event is on its way from the replica to the watcher.
    pub fn watch_takes(&self) -> Span {
        self.settings.watch
    }
}

fn path_hash(message: &Message<'_>) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(&message.sender.to_le_bytes());
    hasher.update(&[message.verb as u8]);
    hasher.update(&message.kind.number().to_le_bytes());
    hasher.update(message.namespace.as_bytes());
    hasher.update(&[0]);
    hasher.update(message.name.as_bytes());
    hasher.digest()
}
