//! How NodeResourcesFit scores a node: from what is offered and what would be used of each resource to 0 to 100.
//! Upstream: `noderesources/least_allocated.go`, `most_allocated.go`, `requested_to_capacity_ratio.go`,
//! `helper/shape_score.go`.
//!
//! Pure functions in upstream's integer arithmetic, which wraps where amounts are beyond reason (memory above 92 PB).

/// The best score.
const MAX: i64 = 100;
/// The best score in a configuration's shape.
const MAX_IN_SHAPE: i64 = 10;

/// `scoringStrategy`.
#[derive(Clone, Debug, PartialEq)]
pub enum Strategy {
    /// The less would be used, the better.
    LeastAllocated,
    /// The more would be used, the better.
    MostAllocated,
    /// As the shape says.
    RequestedToCapacityRatio(Shape),
}

/// A resource of a node, with the pod there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Use {
    /// What the resource counts, from 1 to 100.
    pub weight: i64,
    /// What the node offers; where it is zero, the resource is left aside.
    pub offered: i64,
    /// What would be used of it.
    pub used: i64,
}

impl Strategy {
    /// The score of a node.
    pub fn score(&self, resources: impl Iterator<Item = Use>) -> i64 {
        let (mut sum, mut weights) = (0, 0);
        for Use { weight, offered, used } in resources.filter(|resource| resource.offered != 0) {
            let score = self.of_resource(offered, used);
            // A resource for which the shape gives nothing does not count at all.
            if score > 0 || !matches!(self, Strategy::RequestedToCapacityRatio(_)) {
                sum += score * weight;
                weights += weight;
            }
        }
        match self {
            _ if weights == 0 => 0,
            Strategy::LeastAllocated | Strategy::MostAllocated => sum / weights,
            // Upstream rounds a quotient of floats: half up, since neither is negative.
            Strategy::RequestedToCapacityRatio(_) => (2 * sum + weights) / (2 * weights),
        }
    }

    fn of_resource(&self, offered: i64, used: i64) -> i64 {
        let percent = |amount: i64| amount.wrapping_mul(MAX) / offered;
        match self {
            Strategy::LeastAllocated if used > offered => 0,
            Strategy::LeastAllocated => percent(offered - used),
            Strategy::MostAllocated => percent(used.min(offered)),
            Strategy::RequestedToCapacityRatio(shape) if used > offered => shape.score(MAX),
            Strategy::RequestedToCapacityRatio(shape) => shape.score(percent(used)),
        }
    }
}

/// `requestedToCapacityRatio.shape`: a line through points.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Utilization in percent and score, at least one point, rising in utilization.
    points: Vec<(i64, i64)>,
}

impl Shape {
    /// A shape from the points of a configuration: utilization in percent, rising, and score from 0 to 10.
    pub fn new(points: impl IntoIterator<Item = (i64, i64)>) -> Shape {
        let scaled = points.into_iter().map(|(utilization, score)| (utilization, score * (MAX / MAX_IN_SHAPE)));
        Shape { points: scaled.collect() }
    }

    /// The score at a utilization in percent: level outside of the points, straight between them.
    fn score(&self, utilization: i64) -> i64 {
        let next = self.points.iter().position(|(at, _)| utilization <= *at);
        let of = |index: usize| self.points.get(index).copied().unwrap_or_default();
        match next {
            None => of(self.points.len().saturating_sub(1)).1,
            Some(0) => of(0).1,
            Some(next) => {
                let ((from, low), (to, high)) = (of(next - 1), of(next));
                low + (high - low) * (utilization - from) / (to - from)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Resources as (weight, offered, used).
    #[track_caller]
    fn check(strategy: &Strategy, resources: &[(i64, i64, i64)], expected: i64) {
        let uses = resources.iter().map(|&(weight, offered, used)| Use { weight, offered, used });
        assert_eq!(strategy.score(uses), expected, "{strategy:?} of {resources:?}");
    }

    #[test]
    fn least_allocated_is_the_weighted_mean_of_what_is_left() {
        let strategy = Strategy::LeastAllocated;
        check(&strategy, &[(1, 4000, 1000), (1, 1000, 400)], 67);
        check(&strategy, &[(3, 4000, 1000), (1, 1000, 400)], 71);
        check(&strategy, &[(1, 4000, 4001), (1, 3, 1)], 33);
        check(&strategy, &[(5, 0, 9), (1, 4, 1)], 75);
        check(&strategy, &[(1, 0, 0)], 0);
        check(&strategy, &[], 0);
    }

    #[test]
    fn most_allocated_is_the_weighted_mean_of_what_is_used() {
        let strategy = Strategy::MostAllocated;
        check(&strategy, &[(1, 4000, 1000), (1, 1000, 400)], 32);
        check(&strategy, &[(3, 4000, 1000), (1, 1000, 400)], 28);
        check(&strategy, &[(1, 4000, 9000), (1, 3, 1)], 66);
        check(&strategy, &[(5, 0, 9), (1, 4, 1)], 25);
    }

    #[test]
    fn a_shape_is_level_outside_of_its_points_and_straight_between_them() {
        let shape = Shape::new([(20, 10), (60, 2), (90, 5)]);
        let at: Vec<i64> = [0, 20, 21, 40, 60, 61, 75, 90, 100].into_iter().map(|at| shape.score(at)).collect();
        assert_eq!(at, [100, 100, 98, 60, 20, 21, 35, 50, 50]);
        assert_eq!(Shape::new([(50, 3)]).score(0), 30);
        assert_eq!(Shape::new([(50, 3)]).score(100), 30);
    }

    #[test]
    fn a_ratio_is_rounded_and_leaves_out_what_scores_nothing() {
        let rising = Strategy::RequestedToCapacityRatio(Shape::new([(0, 0), (100, 10)]));
        check(&rising, &[(1, 100, 25), (1, 100, 26)], 26);
        check(&rising, &[(2, 100, 25), (1, 100, 26)], 25);
        check(&rising, &[(3, 100, 0), (1, 100, 40)], 40);
        check(&rising, &[(1, 100, 101), (1, 100, 50)], 75);
        check(&rising, &[(1, 100, 0)], 0);
        let falling = Strategy::RequestedToCapacityRatio(Shape::new([(0, 10), (100, 0)]));
        check(&falling, &[(1, 1000, 255), (1, 0, 1)], 75);
        check(&falling, &[(1, 100, 200), (4, 100, 90)], 10);
    }
}
