//! Amounts over time: what a program takes of a resource while it lives.
//!
//! Integer arithmetic alone, so that the instant at which memory passes a limit is exact and needs no polling.

use crate::kernel::Span;

/// An amount as a function of the time since a program's start, in millicores or bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Course {
    /// Always the same.
    Constant(u64),
    /// From one amount to another in a straight line, and that one from then on.
    Ramp {
        /// At the start.
        from: u64,
        /// In the end.
        to: u64,
        /// How long it takes from the one to the other.
        over: Span,
    },
    /// Each amount from its time on; nothing before the first. Times rise.
    Steps(Vec<(Span, u64)>),
}

impl Course {
    /// The amount at a time since the start.
    pub fn at(&self, elapsed: Span) -> u64 {
        match self {
            Course::Constant(amount) => *amount,
            Course::Ramp { from, to, over } => {
                if elapsed >= *over {
                    return *to;
                }
                let part = |whole: u64| {
                    let scaled = u128::from(whole) * u128::from(elapsed.as_nanos()) / u128::from(over.as_nanos());
                    u64::try_from(scaled).unwrap_or(u64::MAX)
                };
                if to >= from { from + part(to - from) } else { from - part(from - to) }
            }
            Course::Steps(steps) => {
                steps.iter().take_while(|(since, _)| *since <= elapsed).last().map_or(0, |(_, amount)| *amount)
            }
        }
    }

    /// When it first is above a limit, if ever.
    pub fn first_above(&self, limit: u64) -> Option<Span> {
        match self {
            Course::Constant(amount) => (*amount > limit).then_some(Span::ZERO),
            Course::Ramp { from, to: _, over: _ } if *from > limit => Some(Span::ZERO),
            Course::Ramp { from: _, to, over: _ } if *to <= limit => None,
            Course::Ramp { from, to, over } => {
                // The least time whose part of the way is at least one above the limit.
                let way = u128::from(limit - from + 1) * u128::from(over.as_nanos());
                let nanos = way.div_ceil(u128::from(to - from));
                Some(Span::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
            }
            Course::Steps(steps) => steps.iter().find(|(_, amount)| *amount > limit).map(|(since, _)| *since),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: u64) -> Span {
        Span::from_secs(seconds)
    }

    #[track_caller]
    fn check(course: &Course, limit: u64, expected: Option<Span>) {
        assert_eq!(course.first_above(limit), expected);
        let Some(at) = expected else { return };
        assert!(course.at(at) > limit, "it is not above then");
        if at > Span::ZERO {
            assert!(course.at(Span::from_nanos(at.as_nanos() - 1)) <= limit, "it was above before");
        }
    }

    #[test]
    fn the_instant_at_which_a_limit_is_passed_is_exact() {
        let ramp = Course::Ramp { from: 100, to: 200, over: secs(100) };
        check(&ramp, 149, Some(secs(50)));
        check(&ramp, 99, Some(Span::ZERO));
        check(&ramp, 199, Some(secs(100)));
        check(&ramp, 200, None);
        check(&Course::Ramp { from: 1, to: 1_000_000_007, over: secs(7) }, 333, Some(Span::from_nanos(2_331)));
        check(&Course::Ramp { from: 200, to: 100, over: secs(100) }, 150, Some(Span::ZERO));
        check(&Course::Ramp { from: 5, to: 9, over: Span::ZERO }, 6, Some(Span::ZERO));
        let steps = Course::Steps(vec![(secs(1), 10), (secs(5), 50)]);
        check(&steps, 10, Some(secs(5)));
        check(&steps, 50, None);
        check(&Course::Constant(7), 6, Some(Span::ZERO));
        check(&Course::Constant(7), 7, None);
    }

    #[test]
    fn amounts_follow_their_course() {
        let ramp = Course::Ramp { from: 200, to: 100, over: secs(10) };
        assert_eq!([0, 5, 10, 20].map(|at| ramp.at(secs(at))), [200, 150, 100, 100]);
        let steps = Course::Steps(vec![(secs(1), 10), (secs(5), 50)]);
        assert_eq!([0, 1, 4, 5, 9].map(|at| steps.at(secs(at))), [0, 10, 10, 50, 50]);
    }
}
