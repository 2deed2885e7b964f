//! Replies without what differs from run to run: identities, times, addresses, generated names, printed values.

use std::net::IpAddr;
use std::str::FromStr;

use serde_json::{Map, Value};

/// The fields whose values are identities or times, and the marks that stand for them.
const MARKED: &[(&str, &str)] = &[
    ("uid", "<uid>"),
    ("resourceVersion", "<resourceVersion>"),
    ("continue", "<continue>"),
    ("nodePort", "<port>"),
    ("healthCheckNodePort", "<port>"),
];

/// A reply with marks.
pub(super) fn normal(body: Value, namespace: &str, keeps_managers: bool) -> Value {
    let body = walk("", body, namespace, keeps_managers);
    match body.get("kind").and_then(Value::as_str) {
        Some("Status") => messages(body),
        _ => body,
    }
}

fn walk(field: &str, value: Value, namespace: &str, keeps_managers: bool) -> Value {
    if let Some((_, mark)) = MARKED.iter().find(|(known, _)| *known == field)
        && !matches!(value, Value::Object(_) | Value::Array(_) | Value::Null)
    {
        return Value::from(*mark);
    }
    match value {
        Value::Object(fields) => {
            let generated = generated_name(&fields);
            let kept = fields.into_iter().filter(|(name, _)| keeps_managers || name != "managedFields");
            let mut fields: Map<String, Value> =
                kept.map(|(name, value)| (name.clone(), walk(&name, value, namespace, keeps_managers))).collect();
            if let Some(name) = generated {
                fields.insert("name".to_owned(), Value::from(name));
            }
            Value::Object(fields)
        }
        Value::Array(items) => items.into_iter().map(|item| walk(field, item, namespace, keeps_managers)).collect(),
        Value::String(text) => Value::from(marked(field, &text, namespace)),
        other => other,
    }
}

/// The name of an object that has one of the server's making.
fn generated_name(metadata: &Map<String, Value>) -> Option<String> {
    let (base, name) = (metadata.get("generateName")?.as_str()?, metadata.get("name")?.as_str()?);
    let rest = name.strip_prefix(base)?;
    (!rest.is_empty()).then(|| format!("{base}<r>"))
}

fn marked(field: &str, text: &str, namespace: &str) -> String {
    if is_time(text) {
        return "<time>".to_owned();
    }
    if field.starts_with("clusterIP") {
        match IpAddr::from_str(text) {
            Ok(IpAddr::V4(_)) => return "<ip>".to_owned(),
            Ok(IpAddr::V6(_)) => return "<ip6>".to_owned(),
            Err(_) => {}
        }
    }
    without_identities(&text.replace(namespace, "{ns}"))
}

fn is_time(text: &str) -> bool {
    text.len() >= 20 && text.ends_with('Z') && jiff::Timestamp::from_str(text).is_ok()
}

/// Uids in texts become marks: eight, four, four, four and twelve hexadecimal digits.
fn without_identities(text: &str) -> String {
    const LENGTHS: [usize; 5] = [8, 4, 4, 4, 12];
    let is_uid = |word: &str| {
        let parts: Vec<&str> = word.split('-').collect();
        parts.len() == 5
            && parts.iter().zip(LENGTHS).all(|(part, length)| part.len() == length)
            && word.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
            && word.chars().any(|c| c != '-' && c != '0')
    };
    if text.len() < 36 || !text.is_ascii() {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut at = 0;
    while at < text.len() {
        if text.get(at..at + 36).is_some_and(is_uid) {
            out += "<uid>";
            at += 36;
        } else {
            out.push(char::from(text.as_bytes()[at]));
            at += 1;
        }
    }
    out
}

/// The messages of a Status up to their first line break, without printed values and numbers of versions.
fn messages(mut body: Value) -> Value {
    if let Some(message) = body.get("message").and_then(Value::as_str) {
        body["message"] = Value::from(message_of(message));
    }
    let causes = body.pointer_mut("/details/causes").and_then(Value::as_array_mut);
    for cause in causes.into_iter().flatten() {
        if let Some(message) = cause.get("message").and_then(Value::as_str) {
            cause["message"] = Value::from(message_of(message));
        }
    }
    body
}

fn message_of(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    versions(&values(line))
}

/// What Go prints of a struct, a list or a pointer says nothing: it becomes a mark, and so does the JSON of it here.
fn values(line: &str) -> String {
    const BEFORE: [&str; 4] = ["Invalid value: ", "Duplicate value: ", "Not found: ", "found new finalizers "];
    /// What is told of values of types that print themselves at length.
    const OF_STRUCTS: [&str; 3] =
        [": must be an integer", ": must not be greater than 100%", ": may not change once set"];
    let mut out = String::new();
    let mut rest = line;
    loop {
        let next = BEFORE.iter().filter_map(|before| Some((rest.find(before)?, before.len()))).min();
        let Some((at, length)) = next else { return out + rest };
        out += &rest[..at + length];
        rest = &rest[at + length..];
        if out.ends_with("found new finalizers ") {
            return out + "<value>";
        }
        let end = json_end(rest);
        let printed = &rest[..end];
        let is_struct = printed.starts_with(['{', '['])
            || (printed.starts_with('"') && OF_STRUCTS.iter().any(|told| rest[end..].starts_with(told)));
        if is_struct {
            out += "<value>";
            rest = &rest[end..];
        }
    }
}

/// Where the JSON value ends with which a text begins; zero where it begins with none.
fn json_end(text: &str) -> usize {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    match values.next() {
        Some(Ok(_)) => values.byte_offset(),
        _ => 0,
    }
}

/// Numbers of versions become marks.
fn versions(text: &str) -> String {
    const BEFORE: [&str; 5] = [
        "current: ",
        "the ResourceVersion in the precondition (",
        "does not match the ResourceVersion in record (",
        "the UID in the precondition (",
        "resource version is too old: ",
    ];
    let mut text = text.to_owned();
    for before in BEFORE {
        let Some(at) = text.find(before) else { continue };
        let from = at + before.len();
        let digits = text[from..].chars().take_while(char::is_ascii_digit).count();
        if digits > 0 {
            text.replace_range(from..from + digits, "<n>");
        }
    }
    text
}
