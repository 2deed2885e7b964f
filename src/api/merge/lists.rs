//! The lists of strategic merge: what their elements are, which belong together, in which order they end.
use serde_json::{Map, Value};

pub(super) const DIRECTIVE: &str = "$patch";
pub(super) const RETAIN_KEYS: &str = "$retainKeys";
pub(super) const DELETE_PREFIX: &str = "$deleteFromPrimitiveList";
pub(super) const ORDER_PREFIX: &str = "$setElementOrder";

pub(super) const BAD_ORDER: &str = "invalid patch format of setElementOrder list";
pub(super) const BAD_RETAIN_KEYS: &str = "invalid patch format of retainKeys";
pub(super) const BAD_PRIMITIVES: &str = "invalid patch format of primitive list";

pub(super) type List = Vec<Value>;

/// What an element of a list is; Go's `reflect.Type` of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool,
    Integer,
    Float,
    String,
    List,
    Map,
}

pub(super) fn kind(value: &Value) -> Kind {
    match value {
        Value::Null => Kind::Null,
        Value::Bool(_) => Kind::Bool,
        Value::Number(number) if number.is_f64() => Kind::Float,
        Value::Number(_) => Kind::Integer,
        Value::String(_) => Kind::String,
        Value::Array(_) => Kind::List,
        Value::Object(_) => Kind::Map,
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Null => "%!s(<nil>)",
        Kind::Bool => "bool",
        Kind::Integer => "int64",
        Kind::Float => "float64",
        Kind::String => "string",
        Kind::List => "[]interface {}",
        Kind::Map => "map[string]interface {}",
    }
}

/// The one kind of all elements of the lists.
pub(super) fn element_kind(lists: &[&[Value]]) -> Result<Kind, String> {
    let mut kinds = lists.iter().flat_map(|list| list.iter()).map(kind);
    let Some(first) = kinds.next() else {
        return Err("no elements in any of the given slices".to_string());
    };
    if first == Kind::List {
        return Err("lists of lists are not supported".to_string());
    }
    if kinds.all(|kind| kind == first) {
        return Ok(first);
    }
    let printed: Vec<String> = lists.iter().map(|list| go_list(list)).collect();
    Err(format!("list element types are not identical: [{}]", printed.join(" ")))
}

pub(super) fn as_map(value: &Value) -> Result<&Map<String, Value>, String> {
    value.as_object().ok_or_else(|| wrong_type(Kind::Map, value))
}

pub(super) fn into_list(value: Value) -> Result<List, String> {
    match value {
        Value::Array(list) => Ok(list),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            Err(wrong_type(Kind::List, &value))
        }
    }
}

fn wrong_type(expected: Kind, found: &Value) -> String {
    format!("expected a {}, but received a {}", kind_name(expected), kind_name(kind(found)))
}

/// The value of the merge key of an element.
pub(super) fn merge_value<'v>(element: &'v Value, key: &str) -> Result<&'v Value, String> {
    let map = as_map(element)?;
    map.get(key).ok_or_else(|| format!("map: {} does not contain declared merge key: {key}", go_map(map)))
}

/// Whether two elements are the same one: by merge key, or as values where there is none.
pub(super) fn same_element(left: &Value, right: &Value, key: Option<&str>) -> Result<bool, String> {
    match key {
        None => Ok(left == right),
        Some(key) => Ok(merge_value(left, key)? == merge_value(right, key)?),
    }
}

/// The place of the element of a list whose merge key has this value.
pub(super) fn find_by_key(list: &[Value], key: &str, value: &Value) -> Result<Option<usize>, String> {
    for (index, element) in list.iter().enumerate() {
        let map = element.as_object().ok_or_else(|| format!("value for key {index} is not a map."))?;
        if map.get(key) == Some(value) {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// Each value once; the last one takes the place of one that goes, as upstream does.
pub(super) fn deduplicate(mut list: List) -> List {
    let mut first = 0;
    while first < list.len() {
        let mut other = first + 1;
        while other < list.len() {
            if list[first] == list[other] {
                list.swap_remove(other);
            } else {
                other += 1;
            }
        }
        first += 1;
    }
    list
}

/// Parts `merged` into what `by` lists and what only the server has.
pub(super) fn partition(merged: List, by: &[Value], key: Option<&str>) -> Result<(List, List), String> {
    let (mut listed, mut server_only) = (Vec::new(), Vec::new());
    for element in merged {
        let found = match key {
            None => by.contains(&element),
            Some(key) => find_by_key(by, key, merge_value(&element, key)?)?.is_some(),
        };
        if found { listed.push(element) } else { server_only.push(element) }
    }
    Ok((listed, server_only))
}

/// Sorts what the patch lists by the patch's order, the rest by the server's, and interleaves them:
/// both keep their order, and where the server's says which of two is first, it is followed.
pub(super) fn normalize_order(
    listed: List,
    server_only: List,
    patch_order: &[Value],
    server_order: &[Value],
    key: Option<&str>,
    kind: Kind,
) -> Result<List, String> {
    let listed = sort_by_order(listed, patch_order, key, kind)?;
    let server_only = sort_by_order(server_only, server_order, key, kind)?;
    let mut merged = Vec::with_capacity(listed.len() + server_only.len());
    let (mut left, mut right) = (server_only.into_iter().peekable(), listed.into_iter().peekable());
    while let (Some(server), Some(patched)) = (left.peek(), right.peek()) {
        let places = place(server_order, server, key, kind).zip(place(server_order, patched, key, kind));
        let server_first = places.is_some_and(|(server, patched)| server < patched);
        merged.extend(if server_first { left.next() } else { right.next() });
    }
    merged.extend(right);
    merged.extend(left);
    Ok(merged)
}

/// Sorts by the places in `order`; elements to delete come last.
pub(super) fn sort_by_order(list: List, order: &[Value], key: Option<&str>, kind: Kind) -> Result<List, String> {
    let (mut sorted, mut deleted): (List, List) = (list, Vec::new());
    if kind == Kind::Map {
        for element in sorted.iter().chain(order) {
            merge_value(element, key.unwrap_or(""))?;
        }
        (deleted, sorted) = sorted.into_iter().partition(is_deletion);
    }
    // An insertion sort, because upstream's comparison lets what has no place overtake all others.
    for start in 1..sorted.len() {
        let mut at = start;
        while at > 0 && goes_before(&sorted[at], &sorted[at - 1], order, key, kind) {
            sorted.swap(at, at - 1);
            at -= 1;
        }
    }
    sorted.append(&mut deleted);
    Ok(sorted)
}

fn goes_before(left: &Value, right: &Value, order: &[Value], key: Option<&str>, kind: Kind) -> bool {
    let places = place(order, left, key, kind).zip(place(order, right, key, kind));
    places.is_none_or(|(left, right)| left < right)
}

fn place(order: &[Value], element: &Value, key: Option<&str>, kind: Kind) -> Option<usize> {
    match key {
        Some(key) if kind == Kind::Map => order.iter().position(|other| other.get(key) == element.get(key)),
        Some(_) | None => order.iter().position(|other| other == element),
    }
}

pub(super) fn is_deletion(element: &Value) -> bool {
    element.get(DIRECTIVE).is_some_and(|directive| directive == "delete")
}

/// Checks that a patch list names only what its order list names, in that order.
pub(super) fn check_order(patch: &[Value], order: &[Value], key: Option<&str>) -> Result<(), String> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    if key.is_some() {
        patch.iter().try_for_each(|element| as_map(element).map(|_| ()))?;
    }
    let mut ordered = order.iter();
    for element in patch.iter().filter(|e| e.get(DIRECTIVE).is_none()) {
        loop {
            let Some(next) = ordered.next() else {
                return Err(format!(
                    "The order in patch list:\n{}\n doesn't match {ORDER_PREFIX} list:\n{}\n",
                    go_list(patch),
                    go_list(order)
                ));
            };
            if same_element(element, next, key)? {
                break;
            }
        }
    }
    Ok(())
}

/// A value as Go's `%v` prints it.
pub(super) fn go_value(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(list) => go_list(list),
        Value::Object(map) => go_map(map),
    }
}

fn go_list(list: &[Value]) -> String {
    let printed: Vec<String> = list.iter().map(go_value).collect();
    format!("[{}]", printed.join(" "))
}

pub(super) fn go_map(map: &Map<String, Value>) -> String {
    let printed: Vec<String> = map.iter().map(|(key, value)| format!("{key}:{}", go_value(value))).collect();
    format!("map[{}]", printed.join(" "))
}
