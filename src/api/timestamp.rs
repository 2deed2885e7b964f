//! Kubernetes' timestamps, as whole seconds or microseconds of Unix time, and the clock that makes them.

use std::fmt;

use crate::kernel::{Span, Time};

/// `meta/v1.Time`: whole seconds of Unix time. The default stands for 'absent' in `creationTimestamp`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(pub i64);

/// `meta/v1.MicroTime`: microseconds of Unix time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct MicroTimestamp(pub i64);

impl Timestamp {
    /// Seconds from `earlier` to here; negative where `earlier` is later.
    pub fn seconds_since(self, earlier: Timestamp) -> i64 {
        self.0 - earlier.0
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, as the API server prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0) {
            Ok(instant) => write!(f, "{instant}"),
            Err(_) => write!(f, "{}s", self.0),
        }
    }
}

/// What turns simulated time into Kubernetes' timestamps: the instant at which simulated time is zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    /// Unix seconds at time zero.
    pub start_unix_seconds: i64,
}

impl Clock {
    /// 2026-01-01T00:00:00Z, where a scenario names no start.
    pub const DEFAULT: Clock = Clock { start_unix_seconds: 1_767_225_600 };

    /// The timestamp of an instant, truncated to seconds as `metav1.Now()` is when it is stored.
    pub fn timestamp(self, at: Time) -> Timestamp {
        Timestamp(self.start_unix_seconds + (at.nanos() / 1_000_000_000) as i64)
    }

    /// The timestamp of an instant with microseconds.
    pub fn micro_timestamp(self, at: Time) -> MicroTimestamp {
        MicroTimestamp(self.start_unix_seconds * 1_000_000 + (at.nanos() / 1_000) as i64)
    }

    /// The instant of a timestamp with microseconds; time zero for anything before the start.
    pub fn time_of_micros(self, at: MicroTimestamp) -> Time {
        Time::ZERO + Span::from_micros((at.0 - self.start_unix_seconds * 1_000_000).max(0) as u64)
    }

    /// The instant of a timestamp; time zero for anything before the start.
    pub fn time(self, at: Timestamp) -> Time {
        Time::ZERO + Span::from_secs((at.0 - self.start_unix_seconds).max(0) as u64)
    }
}
