//! The work queue of a controller. Upstream: client-go `util/workqueue` with its default controller rate limiter.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{ItemBackoff, TokenBucket};
use crate::api::ObjectId;
use crate::event::Cause;
use crate::kernel::{Span, Time};

/// Keys to reconcile: each at most once in the queue and at most once in work, in the order of first arrival.
///
/// Delays: [`WorkQueue::add_after`] as upstream's `AddAfter` (the earliest wish wins), [`WorkQueue::add_rate_limited`]
/// as upstream's `AddRateLimited`: the longer of 5 ms doubling to 1000 s by failures of the key, and an overall bucket
/// of 10 a second, 100 at once.
#[derive(Clone, Debug)]
pub struct WorkQueue {
    now: Time,
    order: VecDeque<ObjectId>,
    /// Keys that want work, with what first asked for it.
    dirty: BTreeMap<ObjectId, Cause>,
    processing: BTreeSet<ObjectId>,
    waiting: BTreeMap<(Time, u64), (ObjectId, Cause)>,
    ready_at: BTreeMap<ObjectId, (Time, u64)>,
    posted: u64,
    failures: BTreeMap<ObjectId, u32>,
    backoff: ItemBackoff,
    bucket: TokenBucket,
}

impl Default for WorkQueue {
    /// Upstream's `DefaultControllerRateLimiter`.
    fn default() -> WorkQueue {
        WorkQueue::new(ItemBackoff::CONTROLLER_DEFAULT, TokenBucket::new(10.0, 100))
    }
}

impl WorkQueue {
    /// An empty queue with a back-off for failing keys and an overall bucket for retries.
    pub fn new(backoff: ItemBackoff, bucket: TokenBucket) -> WorkQueue {
        WorkQueue {
            now: Time::ZERO,
            order: VecDeque::new(),
            dirty: BTreeMap::new(),
            processing: BTreeSet::new(),
            waiting: BTreeMap::new(),
            ready_at: BTreeMap::new(),
            posted: 0,
            failures: BTreeMap::new(),
            backoff,
            bucket,
        }
    }

    /// Tells the queue what time it is, and lets go what has waited long enough.
    pub fn advance(&mut self, now: Time) {
        self.now = now;
        while let Some(entry) = self.waiting.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let (key, cause) = entry.remove();
            self.ready_at.remove(&key);
            self.add(key, cause);
        }
    }

    /// Asks for work on a key, now.
    pub fn add(&mut self, key: ObjectId, cause: Cause) {
        if self.dirty.contains_key(&key) {
            return;
        }
        self.dirty.insert(key, cause);
        if !self.processing.contains(&key) {
            self.order.push_back(key);
        }
    }

    /// Asks for work on a key after a span.
    pub fn add_after(&mut self, key: ObjectId, after: Span, cause: Cause) {
        if after == Span::ZERO {
            self.add(key, cause);
            return;
        }
        let at = self.now + after;
        if let Some(earlier) = self.ready_at.get(&key).copied() {
            if earlier.0 <= at {
                return;
            }
            self.waiting.remove(&earlier);
        }
        self.posted += 1;
        self.waiting.insert((at, self.posted), (key, cause));
        self.ready_at.insert(key, (at, self.posted));
    }

    /// Asks for work on a key that has failed, after its back-off.
    pub fn add_rate_limited(&mut self, key: ObjectId, cause: Cause) {
        let failures = self.failures.entry(key).or_default();
        let delay = self.backoff.delay(*failures);
        *failures += 1;
        let bucket = self.bucket.reserve(self.now).since(self.now);
        self.add_after(key, delay.max(bucket), cause);
    }

    /// Forgets the failures of a key.
    pub fn forget(&mut self, key: ObjectId) {
        self.failures.remove(&key);
    }

    /// How often the key has failed in a row.
    pub fn failures(&self, key: ObjectId) -> u32 {
        self.failures.get(&key).copied().unwrap_or(0)
    }

    /// Takes the next key into work.
    pub fn pop(&mut self) -> Option<(ObjectId, Cause)> {
        let key = self.order.pop_front()?;
        self.processing.insert(key);
        let cause = self.dirty.remove(&key).unwrap_or(Cause::START);
        Some((key, cause))
    }

    /// Ends the work on a key; it comes again where it was asked for meanwhile.
    pub fn done(&mut self, key: ObjectId) {
        self.processing.remove(&key);
        if self.dirty.contains_key(&key) {
            self.order.push_back(key);
        }
    }

    /// When the next delayed key is due.
    pub fn next_release(&self) -> Option<Time> {
        self.waiting.first_key_value().map(|((at, _), _)| *at)
    }

    /// The keys that wait for their time, soonest first.
    pub fn delayed(&self) -> impl Iterator<Item = (Time, ObjectId)> + '_ {
        self.waiting.iter().map(|((at, _), (key, _))| (*at, *key))
    }

    /// How many keys want work now.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether no key wants work now.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// How many keys are in work.
    pub fn in_work(&self) -> usize {
        self.processing.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Kind;

    fn key(slot: u32) -> ObjectId {
        ObjectId { kind: Kind::Deployment, slot }
    }

    #[test]
    fn a_key_that_is_asked_for_while_in_work_comes_once_more() {
        let mut queue = WorkQueue::default();
        queue.add(key(1), Cause(1));
        queue.add(key(1), Cause(2));
        assert_eq!(queue.pop(), Some((key(1), Cause(1))));
        queue.add(key(1), Cause(3));
        assert_eq!(queue.pop(), None, "at most once in work");
        queue.done(key(1));
        assert_eq!(queue.pop(), Some((key(1), Cause(3))));
        queue.done(key(1));
        assert!(queue.is_empty());
    }

    #[test]
    fn the_earliest_delayed_wish_wins() {
        let mut queue = WorkQueue::default();
        queue.advance(Time::ZERO);
        queue.add_after(key(1), Span::from_secs(10), Cause(1));
        queue.add_after(key(1), Span::from_secs(5), Cause(2));
        queue.add_after(key(1), Span::from_secs(7), Cause(3));
        assert_eq!(queue.next_release(), Some(Time::ZERO + Span::from_secs(5)));
        queue.advance(Time::ZERO + Span::from_secs(5));
        assert_eq!(queue.pop(), Some((key(1), Cause(2))));
        assert_eq!(queue.next_release(), None);
    }

    #[test]
    fn a_failing_key_backs_off_until_it_is_forgotten() {
        let mut queue = WorkQueue::default();
        queue.advance(Time::ZERO);
        let mut delays = Vec::new();
        for _ in 0..4 {
            queue.add_rate_limited(key(1), Cause(1));
            let due = queue.next_release().expect("the key waits");
            delays.push((due - queue.now).as_millis());
            queue.advance(due);
            queue.pop();
            queue.done(key(1));
        }
        assert_eq!(delays, [5, 10, 20, 40]);
        queue.forget(key(1));
        assert_eq!(queue.failures(key(1)), 0);
    }
}
