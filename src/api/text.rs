//! Whether a name, label or key is well formed, with upstream's sentences for what is not.
//!
//! Follows apimachinery `pkg/util/validation` and `pkg/api/validate/content`. Every function gives
//! the list of complaints, empty where the text is valid. Left out: the wildcard and
//! relaxed-environment rules.

/// The longest DNS label (RFC 1123 and 1035), in bytes.
pub const DNS_LABEL_MAX: usize = 63;
/// The longest DNS subdomain, in bytes.
pub const DNS_SUBDOMAIN_MAX: usize = 253;
/// The longest label value and the longest name part of a label key, in bytes.
pub const LABEL_MAX: usize = 63;

const NAME_FORMAT: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const NAME_MESSAGE: &str =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const VALUE_FORMAT: &str = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";
const VALUE_MESSAGE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const LABEL_FORMAT: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const LABEL_MESSAGE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
const SUBDOMAIN_FORMAT: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const SUBDOMAIN_MESSAGE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
const LABEL_1035_FORMAT: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const LABEL_1035_MESSAGE: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";

/// Complaints about a qualified name (a label or annotation key): `[subdomain/]name`.
pub fn is_qualified_name(value: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let parts: Vec<&str> = value.split('/').collect();
    let name = match parts[..] {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                complaints.push(format!("prefix part {}", empty_error()));
            } else {
                complaints.extend(is_dns1123_subdomain(prefix).into_iter().map(|m| format!("prefix part {m}")));
            }
            name
        }
        _ => {
            complaints.push(format!(
                "a valid label key {} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
                regex_error(NAME_MESSAGE, NAME_FORMAT, &["MyName", "my.name", "123-abc"])
            ));
            return complaints;
        }
    };
    if name.is_empty() {
        complaints.push(format!("name part {}", empty_error()));
    } else if name.len() > LABEL_MAX {
        complaints.push(format!("name part {}", max_length_error(LABEL_MAX)));
    }
    if !matches_name(name) {
        complaints
            .push(format!("name part {}", regex_error(NAME_MESSAGE, NAME_FORMAT, &["MyName", "my.name", "123-abc"])));
    }
    complaints
}

/// Complaints about the value of a label.
pub fn is_valid_label_value(value: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if value.len() > LABEL_MAX {
        complaints.push(max_length_error(LABEL_MAX));
    }
    if !value.is_empty() && !matches_name(value) {
        complaints.push(regex_error(VALUE_MESSAGE, VALUE_FORMAT, &["MyValue", "my_value", "12345"]));
    }
    complaints
}

/// Complaints about a DNS label as RFC 1123 has it: the names of namespaces and containers.
pub fn is_dns1123_label(value: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if value.len() > DNS_LABEL_MAX {
        complaints.push(max_length_error(DNS_LABEL_MAX));
    }
    if !matches_dns_label(value) {
        if matches_subdomain(value) {
            complaints.push("must not contain dots".to_string());
        } else {
            complaints.push(regex_error(LABEL_MESSAGE, LABEL_FORMAT, &["my-name", "123-abc"]));
        }
    }
    complaints
}

/// Complaints about a DNS subdomain: the names of most objects.
pub fn is_dns1123_subdomain(value: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if value.len() > DNS_SUBDOMAIN_MAX {
        complaints.push(max_length_error(DNS_SUBDOMAIN_MAX));
    }
    if !matches_subdomain(value) {
        complaints.push(regex_error(SUBDOMAIN_MESSAGE, SUBDOMAIN_FORMAT, &["example.com"]));
    }
    complaints
}

/// Complaints about a DNS label as RFC 1035 has it, which starts with a letter: the names of Services.
pub fn is_dns1035_label(value: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if value.len() > DNS_LABEL_MAX {
        complaints.push(max_length_error(DNS_LABEL_MAX));
    }
    if !matches_dns_label(value) || !value.starts_with(|c: char| c.is_ascii_lowercase()) {
        complaints.push(regex_error(LABEL_1035_MESSAGE, LABEL_1035_FORMAT, &["my-name", "abc-123"]));
    }
    complaints
}

/// Complaints about the name of a port: at most 15 of `[-a-z0-9]`, with a letter, hyphens only inside and single.
pub fn is_valid_port_name(value: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if value.len() > 15 {
        complaints.push(max_length_error(15));
    }
    let in_set = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if value.is_empty() || !value.bytes().all(in_set) {
        complaints.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_string());
    }
    if !value.bytes().any(|b| b.is_ascii_lowercase()) {
        complaints.push("must contain at least one letter (a-z)".to_string());
    }
    if value.contains("--") {
        complaints.push("must not contain consecutive hyphens".to_string());
    }
    if value.starts_with('-') || value.ends_with('-') {
        complaints.push("must not begin or end with a hyphen".to_string());
    }
    complaints
}

/// Complaints about a port number, which lies between 1 and 65535.
pub fn is_valid_port_number(port: i64) -> Vec<String> {
    if (1..=65535).contains(&port) { Vec::new() } else { vec![inclusive_range_error(1, 65535)] }
}

/// Upstream's sentence for a text that does not match: the message, examples and the pattern.
pub fn regex_error(message: &str, format: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{message} (regex used for validation is '{format}')");
    }
    let quoted: Vec<String> = examples.iter().map(|e| format!("'{e}', ")).collect();
    format!("{message} (e.g. {}regex used for validation is '{format}')", quoted.join(" or "))
}

/// Upstream's words for a text that is empty and must not be.
pub fn empty_error() -> &'static str {
    "must be non-empty"
}

/// Upstream's words for a text longer than `bytes`.
pub fn max_length_error(bytes: usize) -> String {
    format!("must be no more than {bytes} bytes")
}

/// Upstream's words for a number outside of `low` to `high`, both allowed.
pub fn inclusive_range_error(low: i64, high: i64) -> String {
    format!("must be between {low} and {high}, inclusive")
}

/// `text` as Go's `%q` prints it: in double quotes, with Go's escapes.
pub fn go_quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// `([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]`
fn matches_name(value: &str) -> bool {
    let bytes = value.as_bytes();
    let inner = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(inner)
}

/// `[a-z0-9]([-a-z0-9]*[a-z0-9])?`
fn matches_dns_label(value: &str) -> bool {
    let bytes = value.as_bytes();
    let outer = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    bytes.first().is_some_and(outer) && bytes.last().is_some_and(outer) && bytes.iter().all(|b| outer(b) || *b == b'-')
}

fn matches_subdomain(value: &str) -> bool {
    value.split('.').all(matches_dns_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(judge: fn(&str) -> Vec<String>, value: &str, expected: &[&str]) {
        assert_eq!(judge(value), expected, "for {value:?}");
    }

    #[test]
    fn label_keys_are_judged_as_upstream_does() {
        let name = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
        for good in [
            "simple",
            "now-with-dashes",
            "1-starts-with-num",
            "simple/simple",
            "now-with-dashes/simple",
            "1.2.3.4/5678",
            "Uppercase_Is_OK_123",
            "example.com/Uppercase_Is_OK_123",
        ] {
            check(is_qualified_name, good, &[]);
        }
        check(is_qualified_name, "", &["name part must be non-empty", name]);
        check(is_qualified_name, "bad key", &[name]);
        check(is_qualified_name, "/x", &["prefix part must be non-empty"]);
        check(is_qualified_name, &"a".repeat(64), &["name part must be no more than 63 bytes"]);
        check(
            is_qualified_name,
            "Upper/x",
            &[
                "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            ],
        );
        assert!(is_qualified_name("a/b/c")[0].starts_with("a valid label key must consist of"));
        assert!(
            is_qualified_name("a/b/c")[0]
                .ends_with("with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')")
        );
    }

    #[test]
    fn label_values_may_be_empty_but_not_odd() {
        check(is_valid_label_value, "", &[]);
        check(is_valid_label_value, "a.B_c-1", &[]);
        check(
            is_valid_label_value,
            "-a",
            &[
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
            ],
        );
        check(is_valid_label_value, &"a".repeat(64), &["must be no more than 63 bytes"]);
    }

    #[test]
    fn dns_names_follow_their_rfc() {
        check(is_dns1123_label, "0-a", &[]);
        check(is_dns1123_label, "a.b", &["must not contain dots"]);
        check(
            is_dns1123_label,
            "A",
            &[
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
            ],
        );
        check(is_dns1123_subdomain, "a.b-c.0", &[]);
        assert_eq!(is_dns1123_subdomain("a..b").len(), 1);
        check(is_dns1035_label, "a0", &[]);
        check(
            is_dns1035_label,
            "0a",
            &[
                "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
            ],
        );
        check(is_valid_port_name, "http", &[]);
        check(is_valid_port_name, "8-0", &["must contain at least one letter (a-z)"]);
    }
}
