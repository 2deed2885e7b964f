//! How long failed pods are left on a node before they are deleted, so that a set does not fight a kubelet that refuses
//! its pods. Upstream: `failedPodsBackoff`, client-go `util/flowcontrol/backoff.go` (1 s doubling to 15 min).

use std::collections::BTreeMap;

use crate::api::{Name, Uid};
use crate::kernel::{Span, Time};

const FIRST: Span = Span::from_secs(1);
const LONGEST: Span = Span::from_mins(15);

/// A set, the generation that it has observed, and a node.
pub(super) type Place = (Uid, i64, Name);

/// When pods were deleted last, and how long the next one has to wait.
#[derive(Clone, Debug, Default)]
pub(super) struct FailedPods(BTreeMap<Place, (Time, Span)>);

impl FailedPods {
    /// Whether a failed pod has to wait, and then for how long a set looks away; where it has not, its deletion counts.
    pub(super) fn wait(&mut self, place: Place, now: Time) -> Option<Span> {
        // What has not happened for twice the longest wait is forgotten.
        self.0.retain(|_, (last, _)| now.since(*last) <= LONGEST * 2);
        match self.0.get_mut(&place) {
            Some((last, delay)) if now.since(*last) < *delay => Some(*delay),
            Some((last, delay)) => {
                (*last, *delay) = (now, (*delay * 2).min(LONGEST));
                None
            }
            None => {
                self.0.insert(place, (now, FIRST));
                None
            }
        }
    }

    /// How many places are remembered.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_on_a_node_waits_twice_as_long_as_the_last() {
        let mut failed = FailedPods::default();
        let at = |millis| Time::ZERO + Span::from_millis(millis);
        let mut wait = |node: &str, millis| failed.wait((Uid(1), 1, node.into()), at(millis));
        assert_eq!(wait("a", 0), None);
        assert_eq!(wait("a", 500), Some(Span::from_secs(1)));
        assert_eq!(wait("b", 500), None, "another node");
        assert_eq!(wait("a", 1_000), None);
        assert_eq!(wait("a", 2_999), Some(Span::from_secs(2)));
        assert_eq!(wait("a", 3_000), None);
        assert_eq!(wait("a", 6_999), Some(Span::from_secs(4)));
        assert_eq!(wait("a", 2_000_000), None);
        assert_eq!(failed.len(), 1, "what is long past is forgotten");
    }
}
