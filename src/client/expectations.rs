//! Expectations: what a controller has asked for and not yet seen in its cache.
//! Upstream: `ControllerExpectations` and `UIDTrackingControllerExpectations` of `pkg/controller`.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{ObjectId, Uid};
use crate::kernel::{Span, Time};

/// After this time an unfulfilled expectation no longer holds a controller back. Upstream: `ExpectationsTimeout`.
const EXPECTATIONS_TIMEOUT: Span = Span::from_mins(5);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Expected {
    creations: i64,
    /// The pods whose deletion is expected, as `UIDTrackingControllerExpectations` keeps them.
    deletions: BTreeSet<Uid>,
    since: Time,
}

/// The expectations of a controller, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectations {
    by_key: BTreeMap<ObjectId, Expected>,
}

impl Expectations {
    /// Expects so many creations.
    pub fn expect_creations(&mut self, key: ObjectId, count: usize, now: Time) {
        self.by_key.insert(key, Expected { creations: count as i64, deletions: BTreeSet::new(), since: now });
    }

    /// Expects these deletions.
    pub fn expect_deletions(&mut self, key: ObjectId, uids: impl IntoIterator<Item = Uid>, now: Time) {
        let deletions = uids.into_iter().collect();
        self.by_key.insert(key, Expected { creations: 0, deletions, since: now });
    }

    /// Expects so many creations and these deletions.
    pub fn expect(&mut self, key: ObjectId, creations: usize, deletions: impl IntoIterator<Item = Uid>, now: Time) {
        let deletions = deletions.into_iter().collect();
        self.by_key.insert(key, Expected { creations: creations as i64, deletions, since: now });
    }

    /// A creation was seen, or will not come.
    pub fn creation_observed(&mut self, key: ObjectId) {
        self.creations_observed(key, 1);
    }

    /// So many creations were seen, or will not come.
    pub fn creations_observed(&mut self, key: ObjectId, count: usize) {
        if let Some(expected) = self.by_key.get_mut(&key) {
            expected.creations -= count as i64;
        }
    }

    /// A deletion was seen, or will not come.
    pub fn deletion_observed(&mut self, key: ObjectId, uid: Uid) {
        if let Some(expected) = self.by_key.get_mut(&key) {
            expected.deletions.remove(&uid);
        }
    }

    /// Whether the controller may act: everything expected was seen, or it has waited long enough, or nothing was
    /// expected yet. Upstream: `SatisfiedExpectations`.
    pub fn satisfied(&self, key: ObjectId, now: Time) -> bool {
        self.by_key.get(&key).is_none_or(|expected| {
            (expected.creations <= 0 && expected.deletions.is_empty())
                || now.since(expected.since) > EXPECTATIONS_TIMEOUT
        })
    }

    /// Forgets a key whose object is gone.
    pub fn forget(&mut self, key: ObjectId) {
        self.by_key.remove(&key);
    }

    /// The keys whose expectations are unfulfilled, with the missing creations and deletions: canonical memory.
    pub fn unfulfilled(&self) -> impl Iterator<Item = (ObjectId, i64, usize)> + '_ {
        self.by_key
            .iter()
            .filter(|(_, expected)| expected.creations > 0 || !expected.deletions.is_empty())
            .map(|(key, expected)| (*key, expected.creations, expected.deletions.len()))
    }
}
