//! The back-off of one key. Upstream: client-go `util/flowcontrol/backoff.go`, `Backoff` without jitter.

use crate::kernel::{Span, Time};

/// How long something that keeps failing waits: doubling, forgotten after twice the maximum without a new failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub(super) struct Backoff {
    /// The present delay; zero: nothing has failed yet.
    pub(super) delay: Span,
    updated: Time,
}

impl Backoff {
    /// Until when to wait, if something that happened at `event` must not be tried again yet at `now`.
    /// Upstream: `IsInBackOffSince`, and `IsInBackOffSinceUpdate` where `event` is the last update.
    pub(super) fn until(&self, event: Time, now: Time, max: Span) -> Option<Time> {
        let until = event + self.delay;
        (now < until && !self.has_expired(event, max)).then_some(until)
    }

    /// The same, counted from the last failure.
    pub(super) fn until_since_update(&self, now: Time, max: Span) -> Option<Time> {
        self.until(self.updated, now, max)
    }

    /// Notes a try after a failure at `event`. Upstream: `Next`.
    pub(super) fn next(&mut self, event: Time, now: Time, base: Span, max: Span) {
        let fresh = self.delay == Span::ZERO || self.has_expired(event, max);
        self.delay = if fresh { base } else { (self.delay * 2).min(max) };
        self.updated = now;
    }

    fn has_expired(&self, event: Time, max: Span) -> bool {
        event.since(self.updated) > max * 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Span = Span::from_secs(10);
    const MAX: Span = Span::from_mins(5);

    #[test]
    fn delays_double_to_the_maximum_and_are_forgotten_after_twice_that() {
        let mut backoff = Backoff::default();
        let mut now = Time::ZERO + Span::from_secs(1);
        assert_eq!(backoff.until(now, now, MAX), None, "the first failure is tried again at once");
        let mut delays = Vec::new();
        for _ in 0..7 {
            backoff.next(now, now, BASE, MAX);
            delays.push(backoff.delay.as_millis() / 1000);
            now = backoff.until(now, now, MAX).expect("in back-off");
        }
        assert_eq!(delays, [10, 20, 40, 80, 160, 300, 300]);
        let later = now + MAX * 2 + BASE;
        assert_eq!(backoff.until(later, later, MAX), None);
        backoff.next(later, later, BASE, MAX);
        assert_eq!(backoff.delay, BASE);
    }
}
