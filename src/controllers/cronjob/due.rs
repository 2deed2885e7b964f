//! Which run is due and when to look again. Upstream: `mostRecentScheduleTime` and its callers in
//! `pkg/controller/cronjob/utils.go`.

use crate::api::cron::Schedule;
use crate::api::{Clock, Timestamp};
use crate::kernel::{Span, Time};

/// How long after a run is due it is looked at. Upstream: `nextScheduleDelta`.
const DELTA: Span = Span::from_millis(100);
/// More missed runs than this are too many.
const MANY: i64 = 100;

/// How many runs were missed before the one that is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Missed {
    /// None.
    None,
    /// Some.
    Few,
    /// More than a hundred.
    Many,
}

/// When a CronJob was due last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Recent {
    /// From when on it was looked.
    earliest: Timestamp,
    /// The last time at which a run was due; none since `earliest`.
    pub(super) due: Option<Timestamp>,
    /// How many were before that.
    pub(super) missed: Missed,
}

/// Finds the last run that is due. `since` is the last one that was started, or when the CronJob was created; runs that
/// were due more than `deadline` seconds ago are not looked for.
///
/// # Errors
/// The schedule never comes. Upstream's words.
pub(super) fn most_recent(
    schedule: &Schedule,
    since: Timestamp,
    deadline: Option<i64>,
    now: Timestamp,
) -> Result<Recent, String> {
    let limit = deadline.map_or(since, |seconds| Timestamp(now.0.saturating_sub(seconds)));
    let earliest = since.max(limit);
    let first = schedule.next(earliest);
    let second = first.and_then(|first| schedule.next(first));
    let error = || "time difference between two schedules is less than 1 second".to_owned();
    let first = first.ok_or_else(error)?;
    if now < first {
        return Ok(Recent { earliest, due: None, missed: Missed::None });
    }
    let second = second.ok_or_else(error)?;
    if now < second {
        return Ok(Recent { earliest, due: Some(first), missed: Missed::None });
    }
    // An estimate, since the distances may vary.
    let distance = second.seconds_since(first);
    let count = now.seconds_since(first) / distance + 1;
    let mut due = None;
    let mut next = schedule.next(Timestamp(first.0 + (count - 2) * distance));
    while let Some(time) = next.filter(|time| *time <= now) {
        due = Some(time);
        next = schedule.next(time);
    }
    let missed = if count > MANY { Missed::Many } else { Missed::Few };
    Ok(Recent { earliest, due, missed })
}

/// How long until the next run; none where there is none. Upstream: `nextScheduleTimeDuration`.
pub(super) fn until_next(schedule: &Schedule, since: Timestamp, now: Time, clock: Clock) -> Option<Span> {
    let stamp = clock.timestamp(now);
    let from = match most_recent(schedule, since, None, stamp) {
        Ok(Recent { due: Some(due), .. }) => due,
        Ok(Recent { due: None, missed: Missed::None, earliest }) => earliest,
        Ok(Recent { due: None, missed: Missed::Few | Missed::Many, .. }) | Err(_) => stamp,
    };
    let at = clock.time(schedule.next(from)?) + DELTA;
    Some(if at > now { at.since(now) } else { Span::ZERO })
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    /// Minutes since the CronJob was created: when it is due, and how many were missed.
    #[track_caller]
    fn check(schedule: &str, deadline: Option<i64>, minutes: i64, due: Option<i64>, missed: Missed) {
        let schedule = Schedule::parse(schedule, TimeZone::UTC).expect("a schedule");
        let start = Timestamp(Clock::DEFAULT.start_unix_seconds);
        let recent = most_recent(&schedule, start, deadline, Timestamp(start.0 + minutes * 60)).expect("it comes");
        assert_eq!(recent.due.map(|due| due.seconds_since(start) / 60), due);
        assert_eq!(recent.missed, missed);
    }

    #[test]
    fn the_last_of_all_missed_runs_is_the_one_that_is_due() {
        check("*/10 * * * *", None, 9, None, Missed::None);
        check("*/10 * * * *", None, 10, Some(10), Missed::None);
        check("*/10 * * * *", None, 19, Some(10), Missed::None);
        check("*/10 * * * *", None, 20, Some(20), Missed::Few);
        check("*/10 * * * *", None, 45, Some(40), Missed::Few);
        check("* * * * *", None, 100, Some(100), Missed::Few);
        check("* * * * *", None, 101, Some(101), Missed::Many);
        check("* * * * *", Some(200), 500, Some(500), Missed::Few);
        check("0 * * * *", Some(60), 90, None, Missed::None);
    }

    #[test]
    fn the_next_look_is_shortly_after_the_next_run() {
        let schedule = Schedule::parse("*/10 * * * *", TimeZone::UTC).expect("a schedule");
        let start = Timestamp(Clock::DEFAULT.start_unix_seconds);
        let after = |seconds| until_next(&schedule, start, Time::ZERO + Span::from_secs(seconds), Clock::DEFAULT);
        assert_eq!(after(0), Some(Span::from_millis(600_100)));
        assert_eq!(after(590), Some(Span::from_millis(10_100)));
        assert_eq!(after(610), Some(Span::from_millis(590_100)));
        let never = Schedule::parse("0 0 31 2 *", TimeZone::UTC).expect("a schedule");
        assert_eq!(until_next(&never, start, Time::ZERO, Clock::DEFAULT), None);
        assert!(most_recent(&never, start, None, start).is_err());
    }
}
