//! YAML as kubectl prints it: block style, apiVersion, kind and metadata first, texts quoted wherever one could be read
//! as anything else.

use serde_json::{Map, Value};

/// What comes first in an object.
const FIRST: [&str; 6] = ["apiVersion", "kind", "metadata", "name", "count", "names"];

/// Writes a value as a document.
pub(super) fn write(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => write_map(map, 0, false, text),
        Value::Array(items) if !items.is_empty() => write_list(items, 0, text),
        other => {
            text.push_str(&scalar(other));
            text.push('\n');
        }
    }
}

/// `continued`: the first line goes on behind the dash of a list.
fn write_map(map: &Map<String, Value>, depth: usize, continued: bool, text: &mut String) {
    let place = |key: &str| FIRST.iter().position(|first| *first == key).unwrap_or(FIRST.len());
    let mut entries: Vec<(&String, &Value)> = map.iter().collect();
    entries.sort_by_key(|(key, _)| (place(key), *key));
    for (number, (key, value)) in entries.into_iter().enumerate() {
        if number > 0 || !continued {
            indent(depth, text);
        }
        text.push_str(&quoted(key));
        text.push(':');
        match value {
            Value::Object(map) if !map.is_empty() => {
                text.push('\n');
                write_map(map, depth + 1, false, text);
            }
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                write_list(items, depth, text);
            }
            other => {
                text.push(' ');
                text.push_str(&scalar(other));
                text.push('\n');
            }
        }
    }
}

fn write_list(items: &[Value], depth: usize, text: &mut String) {
    for item in items {
        indent(depth, text);
        text.push_str("- ");
        match item {
            Value::Object(map) if !map.is_empty() => write_map(map, depth + 1, true, text),
            // A list in a list is rare: JSON is YAML too.
            other => {
                text.push_str(&scalar(other));
                text.push('\n');
            }
        }
    }
}

fn indent(depth: usize, text: &mut String) {
    text.extend(std::iter::repeat_n("  ", depth));
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

/// A text without quotes where nobody could read it as a number, a boolean, a date or as syntax.
fn quoted(text: &str) -> String {
    const WORDS: [&str; 12] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "~"];
    const UNITS: [&str; 6] = ["m", "s", "Ki", "Mi", "Gi", "Ti"];
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=@+:".contains(c);
    let is_word = WORDS.contains(&text.to_lowercase().as_str());
    let is_name = starts_well && !is_word && text.chars().all(plain) && !text.ends_with(':');
    let digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_amount = digits.len() < text.len() && UNITS.contains(&digits);
    match is_name || is_amount {
        true => text.to_owned(),
        // What JSON writes is a text in double quotes to YAML as well, but for control characters beyond ASCII's first.
        false => (Value::from(text).to_string().chars())
            .map(|c| if c.is_control() { format!("\\u{:04x}", c as u32) } else { c.to_string() })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::located::parse;
    use serde_json::json;

    #[track_caller]
    fn check(value: &Value, expected: &str) {
        let mut text = String::new();
        write(value, &mut text);
        assert_eq!(text, expected);
        let read = parse("f", &text).expect("what was written can be read");
        assert_eq!(
            read.into_iter().map(|document| document.to_json()).collect::<Vec<_>>(),
            std::slice::from_ref(value)
        );
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        let labels =
            json!({"metadata": {"labels": {"on": "y", "a/b": "1e3", "n": "0644"}, "name": "x"}, "kind": "Pod"});
        check(
            &labels,
            "kind: Pod\nmetadata:\n  name: x\n  labels:\n    a/b: \"1e3\"\n    \"n\": \"0644\"\n    \"on\": \"y\"\n",
        );
        check(
            &json!({"spec": {"containers": [{"name": "c", "args": ["-x", "a b", "10"]}, {}], "tolerations": []}}),
            "spec:\n  containers:\n  - name: c\n    args:\n    - \"-x\"\n    - \"a b\"\n    - \"10\"\n  - {}\n  tolerations: []\n",
        );
        check(
            &json!({"command": ["sh", "-c", "echo 'a'\n\u{7f}\u{e9}\t\\ # no\n"]}),
            "command:\n- sh\n- \"-c\"\n- \"echo 'a'\\n\\u007f\u{e9}\\t\\\\ # no\\n\"\n",
        );
        check(
            &json!({"a": [[1, 2], ["x"]], "b": null, "c": true, "d": 1.5, "e": "2001-01-01"}),
            "a:\n- [1,2]\n- [\"x\"]\nb: null\nc: true\nd: 1.5\ne: \"2001-01-01\"\n",
        );
    }
}
