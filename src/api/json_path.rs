//! The part of JSONPath that columns of CRDs use. Upstream: client-go `util/jsonpath`.
//!
//! Understood are names, `['quoted']` ones, indexes, `[*]` and filters `[?(@.a=="b")]`. Left out: `..`, slices, unions,
//! functions, several values at once.

use serde_json::Value;

/// What stands at a path, as `.spec.replicas` or `{.spec.replicas}`: the first value where there are several.
pub fn find<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    step(value, path.trim_matches(['{', '}']).trim_start_matches('$'))
}

fn step<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return Some(value);
    }
    if let Some(rest) = path.strip_prefix('[') {
        let end = closing(rest)?;
        let (inside, rest) = (&rest[..end], &rest[end + 1..]);
        if let Some(name) = inside.strip_prefix(['\'', '"']) {
            return step(value.get(name.trim_end_matches(['\'', '"']))?, rest);
        }
        let items = value.as_array()?;
        if inside == "*" {
            return items.iter().find_map(|item| step(item, rest));
        }
        if let Some(condition) = inside.strip_prefix("?(").and_then(|inside| inside.strip_suffix(')')) {
            return items.iter().filter(|item| holds(item, condition)).find_map(|item| step(item, rest));
        }
        let index: i64 = inside.parse().ok()?;
        let index = if index < 0 { items.len() as i64 + index } else { index };
        return step(items.get(usize::try_from(index).ok()?)?, rest);
    }
    let (name, rest) = first_name(path.strip_prefix('.').unwrap_or(path));
    if name.is_empty() {
        return step(value, rest);
    }
    step(value.get(&name)?, rest)
}

/// Where the bracket closes that was opened before.
fn closing(text: &str) -> Option<usize> {
    let mut quote = None;
    text.char_indices().find_map(|(at, letter)| match (quote, letter) {
        (None, ']') => Some(at),
        (None, '\'' | '"') => {
            quote = Some(letter);
            None
        }
        (Some(open), letter) if open == letter => {
            quote = None;
            None
        }
        _ => None,
    })
}

/// A name, in which `\.` is a dot, and what comes after it.
fn first_name(path: &str) -> (String, &str) {
    let mut name = String::new();
    let mut letters = path.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '.' | '[' => return (name, &path[at..]),
            '\\' => name.extend(letters.next().map(|(_, letter)| letter)),
            other => name.push(other),
        }
    }
    (name, "")
}

/// `@.type=="Ready"`, `@.weight>1` and the like; a path alone asks whether something is there.
fn holds(item: &Value, condition: &str) -> bool {
    let operators = ["==", "!=", "<=", ">=", "<", ">"];
    let Some((operator, at)) = operators.into_iter().find_map(|operator| Some((operator, condition.find(operator)?)))
    else {
        return step(item, condition.trim().trim_start_matches('@')).is_some();
    };
    let (left, right) = (condition[..at].trim(), condition[at + operator.len()..].trim());
    let Some(found) = step(item, left.trim_start_matches('@')) else { return false };
    let text = right.strip_prefix(['\'', '"']).map(|text| text.trim_end_matches(['\'', '"']));
    let ordering = match text {
        Some(text) => found.as_str().map(|found| found.cmp(text)),
        None => match (right, found) {
            ("true" | "false", Value::Bool(found)) => Some(found.cmp(&(right == "true"))),
            _ => right.parse::<f64>().ok().zip(found.as_f64()).and_then(|(right, found)| found.partial_cmp(&right)),
        },
    };
    ordering.is_some_and(|ordering| match operator {
        "==" => ordering.is_eq(),
        "!=" => ordering.is_ne(),
        "<=" => ordering.is_le(),
        ">=" => ordering.is_ge(),
        "<" => ordering.is_lt(),
        _ => ordering.is_gt(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    #[track_caller]
    fn check(path: &str, expected: Option<Value>) {
        let object = json!({
            "metadata": {"labels": {"example.com/size": "xl"}},
            "spec": {"replicas": 3, "ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Stale", "status": "False"}]},
        });
        assert_eq!(super::find(&object, path).cloned(), expected, "{path}");
    }

    #[test]
    fn paths_find_what_they_name() {
        check(".spec.replicas", Some(json!(3)));
        check("{.spec.replicas}", Some(json!(3)));
        check(".spec.size", None);
        check(".spec.ports[1].port", Some(json!(2)));
        check(".spec.ports[-1].name", Some(json!("b")));
        check(".spec.ports[*].port", Some(json!(1)));
        check(".spec.ports[?(@.port>1)].name", Some(json!("b")));
        check(".status.conditions[?(@.type==\"Ready\")].status", Some(json!("True")));
        check(".status.conditions[?(@.type=='Stale')].status", Some(json!("False")));
        check(".status.conditions[?(@.type==\"Lost\")].status", None);
        check(".metadata.labels['example.com/size']", Some(json!("xl")));
        check(".metadata.labels.example\\.com/size", Some(json!("xl")));
    }
}
