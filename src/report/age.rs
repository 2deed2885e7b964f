//! Ages as kubectl prints them. Follows apimachinery `util/duration.HumanDuration`.

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// An age of so many seconds with two or three digits of worth: seconds up to two minutes (`119s`), minutes and seconds
/// up to ten (`9m5s`), minutes up to three hours (`179m`), and so on up to years. One second in the future is `0s`,
/// more is `<invalid>`, as kubectl has it.
pub fn human_duration(seconds: i64) -> String {
    let pair = |large: i64, large_unit: char, small: i64, small_unit: char| match small {
        0 => format!("{large}{large_unit}"),
        _ => format!("{large}{large_unit}{small}{small_unit}"),
    };
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        _ if seconds < 2 * MINUTE => format!("{seconds}s"),
        _ if seconds < 10 * MINUTE => pair(seconds / MINUTE, 'm', seconds % MINUTE, 's'),
        _ if seconds < 3 * HOUR => format!("{}m", seconds / MINUTE),
        _ if seconds < 8 * HOUR => pair(seconds / HOUR, 'h', seconds % HOUR / MINUTE, 'm'),
        _ if seconds < 2 * DAY => format!("{}h", seconds / HOUR),
        _ if seconds < 8 * DAY => pair(seconds / DAY, 'd', seconds % DAY / HOUR, 'h'),
        _ if seconds < 2 * YEAR => format!("{}d", seconds / DAY),
        _ if seconds < 8 * YEAR => pair(seconds / YEAR, 'y', seconds % YEAR / DAY, 'd'),
        _ => format!("{}y", seconds / YEAR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(seconds: i64, expected: &str) {
        assert_eq!(human_duration(seconds), expected);
    }

    #[test]
    fn ages_read_as_kubectl_prints_them() {
        check(-2, "<invalid>");
        check(-1, "0s");
        check(0, "0s");
        check(1, "1s");
        check(70, "70s");
        check(119, "119s");
        check(120, "2m");
        check(190, "3m10s");
        check(9 * MINUTE + 59, "9m59s");
        check(10 * MINUTE + 59, "10m");
        check(70 * MINUTE, "70m");
        check(179 * MINUTE, "179m");
        check(3 * HOUR, "3h");
        check(3 * HOUR + 11 * MINUTE, "3h11m");
        check(8 * HOUR, "8h");
        check(47 * HOUR, "47h");
        check(2 * DAY, "2d");
        check(49 * HOUR, "2d1h");
        check(8 * DAY + HOUR, "8d");
        check(2 * YEAR - 1, "729d");
        check(2 * YEAR, "2y");
        check(2 * YEAR + DAY, "2y1d");
        check(8 * YEAR + DAY, "8y");
    }
}
