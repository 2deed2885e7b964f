//! Follows a claim through the change log, so that an object is looked at only where it has changed.

use rustc_hash::FxHashMap;

use super::claim::{Claim, Quantifier};
use crate::api::Object;
use crate::event::ChangeKind;
use crate::kernel::Time;
use crate::store::Store;

/// What is known of the objects that a claim is about.
#[derive(Clone, Debug)]
pub struct Follow {
    /// The claim.
    pub claim: Claim,
    /// Up to where the change log has been read; `None`: nothing has been looked at.
    position: Option<u64>,
    /// The objects that the claim is about, by number, and whether they fulfil it. Looked up, never iterated.
    objects: FxHashMap<u32, bool>,
    fulfilling: u64,
    /// Whether any such object has been seen.
    pub seen: bool,
}

impl Follow {
    /// Nothing seen yet.
    pub fn new(claim: Claim) -> Follow {
        Follow { claim, position: None, objects: FxHashMap::default(), fulfilling: 0, seen: false }
    }

    /// How many objects the claim is about.
    pub fn count(&self) -> u64 {
        self.objects.len() as u64
    }

    /// How many of them fulfil it.
    pub fn fulfilling(&self) -> u64 {
        self.fulfilling
    }

    /// Reads the change log from where it was left. False where there was nothing new.
    pub fn follow(&mut self, store: &Store) -> bool {
        let end = store.version(self.claim.kind);
        if self.position == Some(end) {
            return false;
        }
        match self.position.and_then(|position| store.changes_since(self.claim.kind, position)) {
            Some(changes) => {
                for (kind, object) in changes {
                    self.take(object, kind != ChangeKind::Deleted);
                }
            }
            // Nothing seen yet, or the log does not reach back: afresh.
            None => {
                self.objects.clear();
                self.fulfilling = 0;
                for object in store.unordered(self.claim.kind) {
                    self.take(object, true);
                }
            }
        }
        self.position = Some(end);
        true
    }

    fn take(&mut self, object: &Object, lives: bool) {
        let slot = object.meta().id.slot;
        let fulfils = (lives && self.claim.is_about(object)).then(|| self.claim.holds_of(object));
        let before = match fulfils {
            Some(fulfils) => self.objects.insert(slot, fulfils),
            None => self.objects.remove(&slot),
        };
        self.seen |= fulfils.is_some();
        self.fulfilling += u64::from(fulfils == Some(true));
        self.fulfilling -= u64::from(before == Some(true));
    }

    /// Whether the claim holds. `Every` holds only where there is one.
    pub fn holds(&self) -> bool {
        match self.claim.quantifier {
            Quantifier::None => self.fulfilling == 0,
            Quantifier::Between(low, high) => (low..=high).contains(&self.fulfilling),
            Quantifier::Every => self.fulfilling == self.count() && self.count() > 0,
        }
    }

    /// What the objects show now, for the reason of a failure.
    pub fn why(&self, store: &Store, now: Time) -> String {
        let claim = &self.claim;
        let (count, fulfilling) = (self.count(), self.fulfilling);
        let about = || store.objects(claim.kind, now).filter(|object| claim.is_about(object));
        let example = |fulfils: bool| {
            let found = about().find(|object| claim.holds_of(object) == fulfils)?;
            Some((found.meta().key(), claim.shows(&found)))
        };
        if claim.name.is_some() {
            return about().next().map_or_else(
                || if self.seen { "it is gone".to_owned() } else { "it does not exist".to_owned() },
                |object| claim.shows(&object),
            );
        }
        let summary = match claim.quantifier {
            Quantifier::Every if count == 0 => return "there are none".to_owned(),
            Quantifier::Every | Quantifier::Between(..) => format!("{fulfilling} of {count}"),
            Quantifier::None => format!("{fulfilling} of {count} do"),
        };
        match example(claim.quantifier == Quantifier::None) {
            Some((key, shows)) => format!("{summary}; {key}: {shows}"),
            None => summary,
        }
    }
}
