//! The clocks: CPU time of this process, and time as it passes on the wall.

use std::ops::{Add, Sub};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How much time had passed when it was looked at, or passed between two looks.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Spent {
    /// Of CPUs, by all threads of this process.
    pub(super) cpu: Duration,
    /// On the wall.
    pub(super) wall: Duration,
}

impl Spent {
    /// What has passed by now.
    pub(super) fn by_now() -> Spent {
        let read = |clock: ClockId| {
            let now = clock_gettime(clock);
            Duration::new(now.tv_sec.max(0).unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
        };
        Spent { cpu: read(ClockId::ProcessCPUTime), wall: read(ClockId::Monotonic) }
    }
}

impl Sub for Spent {
    type Output = Spent;

    fn sub(self, earlier: Spent) -> Spent {
        Spent { cpu: self.cpu.saturating_sub(earlier.cpu), wall: self.wall.saturating_sub(earlier.wall) }
    }
}

impl Add for Spent {
    type Output = Spent;

    fn add(self, more: Spent) -> Spent {
        Spent { cpu: self.cpu + more.cpu, wall: self.wall + more.wall }
    }
}
