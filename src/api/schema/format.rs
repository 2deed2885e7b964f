//! `format` of texts. Upstream: kube-openapi `pkg/validation/strfmt`.
//!
//! Judged are dates and times, addresses, ranges and hardware addresses, UUIDs, host names, base64 and durations. Left
//! out, and so never refused: `uri`, `email`, `bsonobjectid`, `isbn` and its kin, `creditcard`, `ssn`, colours, `password`.

use base64::Engine;

use crate::api::text::is_dns1123_subdomain;

/// Whether values are judged by this format.
pub(super) fn is_judged(format: &str) -> bool {
    const TEXTS: [&str; 14] = [
        "date",
        "date-time",
        "datetime",
        "ipv4",
        "ipv6",
        "cidr",
        "mac",
        "uuid",
        "uuid3",
        "uuid4",
        "uuid5",
        "hostname",
        "byte",
        "duration",
    ];
    const NUMBERS: [&str; 4] = ["int32", "int64", "float", "double"];
    TEXTS.contains(&format) || NUMBERS.contains(&format)
}

/// Whether a text is of a format. Numbers' formats say nothing of texts.
pub(super) fn fits(format: &str, text: &str) -> bool {
    match format {
        "date" => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
        "date-time" | "datetime" => text.contains(['T', 't', ' ']) && text.parse::<jiff::Timestamp>().is_ok(),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "cidr" => text.parse::<crate::api::Cidr>().is_ok(),
        "mac" => is_mac(text),
        "uuid" | "uuid3" | "uuid4" | "uuid5" => is_uuid(format, text),
        "hostname" => text.len() <= 255 && is_dns1123_subdomain(&text.to_lowercase()).is_empty(),
        "byte" => base64::engine::general_purpose::STANDARD.decode(text).is_ok(),
        "duration" => is_duration(text),
        _ => true,
    }
}

fn is_mac(text: &str) -> bool {
    [':', '-'].into_iter().any(|mark| {
        let parts: Vec<&str> = text.split(mark).collect();
        let is_byte = |part: &&str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        matches!(parts.len(), 6 | 8 | 20) && parts.iter().all(is_byte)
    })
}

/// With hyphens or without; the version is looked at where the format says one.
fn is_uuid(format: &str, text: &str) -> bool {
    let digits: String = text.split('-').collect();
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    let is_shaped = lengths == [32] || lengths == [8, 4, 4, 4, 12];
    let version = format.strip_prefix("uuid").and_then(|version| version.chars().next());
    is_shaped
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        && version.is_none_or(|version| digits[12..].starts_with(version))
}

/// As Go writes durations, or a number and a word: `1h30m`, `3 days`.
fn is_duration(text: &str) -> bool {
    const UNITS: [&str; 9] = ["ns", "us", "µs", "ms", "s", "m", "h", "d", "w"];
    const WORDS: [&str; 10] = ["nano", "micro", "milli", "sec", "second", "min", "minute", "hour", "day", "week"];
    let mut rest = text.trim().trim_start_matches(['+', '-']);
    if rest == "0" {
        return true;
    }
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let number = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(rest.len());
        if number == 0 || number == rest.len() {
            return false;
        }
        rest = rest[number..].trim_start();
        let unit = rest.find(|letter: char| !letter.is_alphabetic()).unwrap_or(rest.len());
        let name = &rest[..unit];
        if !UNITS.contains(&name) && !WORDS.contains(&name.trim_end_matches('s')) {
            return false;
        }
        rest = rest[unit..].trim_start();
    }
    true
}
