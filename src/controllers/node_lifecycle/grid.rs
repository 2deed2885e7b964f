//! The times at which the controller looks at its nodes: a grid that begins anew after each pass that took time.
//! Upstream: `wait.UntilWithContext`, whose period starts when the work is done.

use crate::kernel::{Span, Time};

/// How many stretches of the past are remembered. A computed Lease is at most one renewal old when it is asked for.
const PAST_MAX: usize = 4;

/// The grid.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    period: Span,
    /// The grid's points lie here and each period later.
    anchor: Time,
    /// The first point that has not been used.
    next: Time,
    /// Earlier stretches: their anchors and their last points, oldest first.
    past: Vec<(Time, Time)>,
}

impl Grid {
    /// A grid that begins at an instant.
    pub(super) fn new(period: Span, start: Time) -> Grid {
        Grid { period: period.max(Span::from_millis(1)), anchor: start, next: start, past: Vec::new() }
    }

    /// The first point at or after an instant that has not been used.
    pub(super) fn at_or_after(&self, at: Time) -> Time {
        point(self.anchor, self.period, at.max(self.next))
    }

    /// Uses the point of now: the next one comes a period later.
    pub(super) fn used(&mut self, now: Time) {
        self.next = now + self.period;
    }

    /// The work that began at a point has ended only now: the next point comes a period later.
    pub(super) fn ended(&mut self, began: Time, now: Time) {
        if now > began {
            self.past.push((self.anchor, began));
            if self.past.len() > PAST_MAX {
                self.past.remove(0);
            }
            (self.anchor, self.next) = (now + self.period, now + self.period);
        }
    }

    /// The first point at or after an instant, used or not: when something of that instant was noticed.
    pub(super) fn noticed(&self, at: Time) -> Time {
        let before = self.past.iter().map(|(anchor, last)| (point(*anchor, self.period, at), *last));
        let found = before.into_iter().find(|(point, last)| point <= last);
        found.map_or_else(|| point(self.anchor, self.period, at), |(point, _)| point)
    }
}

fn point(anchor: Time, period: Span, at: Time) -> Time {
    let passed = at.since(anchor).as_nanos().div_ceil(period.as_nanos());
    anchor + period * passed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Span::from_secs(seconds)
    }

    #[test]
    fn points_are_five_seconds_apart_and_begin_anew_after_work_that_took_time() {
        let mut grid = Grid::new(Span::from_secs(5), at(1));
        assert_eq!(grid.at_or_after(at(0)), at(1));
        grid.used(at(1));
        assert_eq!(grid.at_or_after(at(1)), at(6));
        assert_eq!(grid.at_or_after(at(12)), at(16));
        grid.used(at(16));
        grid.ended(at(16), at(18));
        assert_eq!(grid.at_or_after(at(18)), at(23));
        assert_eq!(grid.noticed(at(9)), at(11));
        assert_eq!(grid.noticed(at(16)), at(16));
        assert_eq!(grid.noticed(at(17)), at(23));
        assert_eq!(grid.noticed(at(24)), at(28));
    }
}
