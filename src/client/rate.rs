//! Rate limits and back-off. Upstream: client-go `util/flowcontrol`, `util/workqueue/default_rate_limiters.go`.

use crate::kernel::{Span, Time};

/// A token bucket that hands out instants instead of making anyone wait.
///
/// Integer arithmetic: a token takes `1e9 / qps` nanoseconds to grow, so rates are exact to a nanosecond a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenBucket {
    /// Nanoseconds that a token takes to grow; zero: no limit.
    interval: Span,
    /// Tokens in a full bucket.
    burst: u64,
    /// When the bucket will be, or was, full again.
    full_at: Time,
}

impl TokenBucket {
    /// A bucket that is full at the start. A rate of zero or below means no limit, as in client-go.
    pub fn new(qps: f64, burst: u64) -> TokenBucket {
        let interval = if qps > 0.0 { Span::from_nanos((1e9 / qps) as u64) } else { Span::ZERO };
        TokenBucket { interval, burst: burst.max(1), full_at: Time::ZERO }
    }

    /// A bucket without a limit.
    pub fn unlimited() -> TokenBucket {
        TokenBucket::new(0.0, 1)
    }

    /// Takes a token and says when its owner may go.
    pub fn reserve(&mut self, now: Time) -> Time {
        if self.interval == Span::ZERO {
            return now;
        }
        self.full_at = self.full_at.max(now) + self.interval;
        // With `burst` tokens owed the bucket is empty: the next one is there when fewer are owed.
        let allowance = self.interval * self.burst;
        now.max(Time::ZERO + self.full_at.since(Time::ZERO + allowance))
    }

    /// Takes a token if there is one.
    pub fn try_take(&mut self, now: Time) -> bool {
        let mut after = self.clone();
        let free = after.reserve(now) == now;
        if free {
            *self = after;
        }
        free
    }
}

/// Exponential back-off of one item by its number of failures.
/// Upstream: `ItemExponentialFailureRateLimiter` (5 ms doubling to 1000 s).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ItemBackoff {
    /// The delay after the first failure.
    pub base: Span,
    /// The longest delay.
    pub max: Span,
}

impl ItemBackoff {
    /// What upstream's controllers use.
    pub const CONTROLLER_DEFAULT: ItemBackoff = ItemBackoff { base: Span::from_millis(5), max: Span::from_secs(1000) };

    /// The delay after `failures` earlier failures.
    pub fn delay(self, failures: u32) -> Span {
        let factor = 1u64.checked_shl(failures).unwrap_or(u64::MAX);
        match self.base.as_nanos().checked_mul(factor) {
            Some(nanos) if failures < 64 => Span::from_nanos(nanos).min(self.max),
            _ => self.max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lets_a_burst_go_at_once_and_then_one_an_interval() {
        let mut bucket = TokenBucket::new(10.0, 3);
        let start = Time::ZERO + Span::from_secs(1);
        let waits: Vec<u64> = (0..5).map(|_| (bucket.reserve(start) - start).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 100, 200]);
        let later = start + Span::from_secs(10);
        assert_eq!(bucket.reserve(later), later, "after a rest the bucket is full again");
    }

    #[test]
    fn a_bucket_at_time_zero_is_full() {
        let mut bucket = TokenBucket::new(20.0, 2);
        let waits: Vec<u64> = (0..4).map(|_| (bucket.reserve(Time::ZERO) - Time::ZERO).as_millis()).collect();
        assert_eq!(waits, [0, 0, 50, 100]);
    }

    #[test]
    fn back_off_doubles_to_its_maximum() {
        let backoff = ItemBackoff::CONTROLLER_DEFAULT;
        let delays: Vec<u64> = [0, 1, 2, 10, 17, 18, 63, 64, 200].map(|n| backoff.delay(n).as_millis()).to_vec();
        assert_eq!(delays, [5, 10, 20, 5120, 655_360, 1_000_000, 1_000_000, 1_000_000, 1_000_000]);
    }
}
