//! A value over time as steps, in bounded memory: it thins itself out as it grows.

use crate::kernel::{Span, Time};

/// The finest grid: changes closer together than this are one.
pub const FINEST: Span = Span::from_millis(100);

/// A value that holds from one instant on until the next.
///
/// Time is cut into cells of equal width, from zero on, a tenth of a second wide at first. Of all changes within a cell the last
/// is kept, at its own instant. Where more than `most` cells have one, cells become twice as wide. So a series is the
/// same as if its last width had been its first, whatever came between; what lies between two changes of a cell is lost,
/// a short peak too.
#[derive(Clone, PartialEq, Debug)]
pub struct Series<T> {
    points: Vec<(Time, T)>,
    most: usize,
    width: Span,
    /// Where the cell of the last point ends.
    cell_end: Time,
}

impl<T: Clone> Series<T> {
    /// An empty series that keeps so many points at most, two at least.
    pub fn new(most: usize) -> Series<T> {
        Series { points: Vec::new(), most: most.max(2), width: FINEST, cell_end: Time::ZERO }
    }

    /// The value is another one from an instant on, which is not before the last.
    pub fn set(&mut self, at: Time, value: T) {
        if at < self.cell_end
            && let Some(last) = self.points.last_mut()
        {
            *last = (at, value);
            return;
        }
        self.points.push((at, value));
        self.cell_end = end_of_cell(at, self.width);
        while self.points.len() > self.most {
            self.width = Span(self.width.as_nanos().saturating_mul(2));
            self.points = thinned(&self.points, self.width);
            self.cell_end = end_of_cell(at, self.width);
        }
    }

    /// The changes that were kept, in order of time.
    pub fn points(&self) -> &[(Time, T)] {
        &self.points
    }

    /// The width of a cell: changes that are closer together may have become one.
    pub fn width(&self) -> Span {
        self.width
    }

    /// Whether a change at an instant would begin a new cell.
    pub fn is_new_cell(&self, at: Time) -> bool {
        at >= self.cell_end
    }
}

/// Of each cell of a width the last point.
pub fn thinned<T: Clone>(points: &[(Time, T)], width: Span) -> Vec<(Time, T)> {
    let cell = |point: &(Time, T)| point.0.nanos() / width.as_nanos().max(1);
    let lasts = points.chunk_by(|a, b| cell(a) == cell(b)).filter_map(<[(Time, T)]>::last);
    lasts.cloned().collect()
}

fn end_of_cell(at: Time, width: Span) -> Time {
    let cell = at.nanos() / width.as_nanos();
    Time((cell + 1).saturating_mul(width.as_nanos()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(most: usize, changes: &[(u64, u32)], width_ms: u64, expected: &[(u64, u32)]) {
        let mut series = Series::new(most);
        changes.iter().for_each(|(at, value)| series.set(Time(at * 1_000_000), *value));
        let found: Vec<(u64, u32)> =
            series.points().iter().map(|(at, value)| (at.nanos() / 1_000_000, *value)).collect();
        assert_eq!((series.width(), found.as_slice()), (Span::from_millis(width_ms), expected));
    }

    #[test]
    fn the_last_change_of_a_cell_is_kept_at_its_instant() {
        check(10, &[], 100, &[]);
        check(10, &[(10, 1), (90, 2), (100, 3)], 100, &[(90, 2), (100, 3)]);
    }

    #[test]
    fn a_series_that_grows_becomes_coarser() {
        check(2, &[(0, 1), (150, 2), (210, 3), (900, 4)], 400, &[(210, 3), (900, 4)]);
    }

    proptest! {
        #[test]
        fn thinning_on_the_way_is_thinning_at_the_end(steps in prop::collection::vec(0_u64..5_000_000_000, 0..200)) {
            let mut series = Series::new(16);
            let mut all = Vec::new();
            let mut now = Time::ZERO;
            for (value, step) in steps.into_iter().enumerate() {
                now += Span(step);
                series.set(now, value);
                all.push((now, value));
            }
            prop_assert!(series.points().len() <= 16);
            prop_assert_eq!(series.points(), thinned(&all, series.width()));
        }
    }
}
