//! Patches on plain JSON: strategic merge, JSON merge and JSON patch, and the three-way patches of
//! `kubectl apply`.
//!
//! Follows apimachinery `pkg/util/strategicpatch`, `pkg/util/jsonmergepatch` and `pkg/util/mergepatch`,
//! with the Go tags of the built-in types as a table (`table`). Where it differs: fields that are
//! unknown to a type merge without complaint (upstream reads a patch into typed objects); directives
//! in values that are new to an object are dropped here instead of later as unknown fields; of the
//! three-way patches, conflicts are not looked for (as with `kubectl apply --overwrite`, the default).
//! Server-side apply is another thing: [`super::managed_fields`].
use serde_json::{Map, Value};

mod apply;
mod diff;
mod lists;
mod table;

use apply::{Mode, merge_map};
use diff::{Half, diff_maps};

const BAD_DOCUMENT: &str = "invalid JSON document";

/// `original` after a strategic merge patch, by the rules of the built-in type `kind`.
///
/// # Errors
/// Where the patch does not fit, mostly in upstream's words.
pub fn strategic_merge(kind: &str, original: &Value, patch: &Value) -> Result<Value, String> {
    let merged = merge_map(object(original)?, object(patch)?, table::root(kind), Mode::Object)?;
    Ok(Value::Object(merged))
}

/// The strategic merge patch of `kubectl apply`: what `modified` (the file) changes in `current` (the
/// live object), and deletions of what `original` (as last applied) had and `modified` has not.
///
/// # Errors
/// Where a list lacks a merge key or mixes types, in upstream's words.
pub fn three_way_strategic(kind: &str, original: &Value, modified: &Value, current: &Value) -> Result<Value, String> {
    let of = table::root(kind);
    let (original, modified, current) = (object(original)?, object(modified)?, object(current)?);
    let changes = diff_maps(&current, &modified, of, Half::Changes, false)?;
    let deletions = diff_maps(&original, &modified, of, Half::Deletions, false)?;
    Ok(Value::Object(merge_map(deletions, changes, of, Mode::Patch)?))
}

/// `original` after a JSON merge patch (RFC 7386).
pub fn merge_patch(original: &Value, patch: &Value) -> Value {
    let mut merged = original.clone();
    json_patch::merge(&mut merged, patch);
    merged
}

/// `original` after a JSON patch (RFC 6902), a list of operations: all of them or none.
///
/// # Errors
/// Where the patch is not a list of operations, or one of them fails.
pub fn json_patch(original: &Value, patch: &Value) -> Result<Value, String> {
    let operations: json_patch::Patch = serde_json::from_value(patch.clone()).map_err(|error| error.to_string())?;
    let mut patched = original.clone();
    json_patch::patch(&mut patched, &operations).map_err(|error| error.to_string())?;
    Ok(patched)
}

/// The JSON merge patch of `kubectl apply` for kinds that have no merge keys, as custom resources.
///
/// # Errors
/// Where one of the documents is not an object.
pub fn three_way_json(original: &Value, modified: &Value, current: &Value) -> Result<Value, String> {
    let (original, modified, current) = (object(original)?, object(modified)?, object(current)?);
    let mut patch = only(json_difference(&original, &modified), Half::Deletions);
    combine(&mut patch, only(json_difference(&current, &modified), Half::Changes));
    Ok(Value::Object(patch))
}

/// The object in a document; `null` is an empty one.
fn object(value: &Value) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(map) => Ok(map.clone()),
        Value::Null => Ok(Map::new()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Err(BAD_DOCUMENT.to_string()),
    }
}

/// The JSON merge patch that leads from `from` to `to`.
fn json_difference(from: &Map<String, Value>, to: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = Map::new();
    for (key, new) in to {
        match (from.get(key), new) {
            (Some(Value::Object(old)), Value::Object(new)) => {
                let inner = json_difference(old, new);
                if !inner.is_empty() {
                    patch.insert(key.clone(), Value::Object(inner));
                }
            }
            (Some(old), new) if old == new => {}
            (_, new) => drop(patch.insert(key.clone(), new.clone())),
        }
    }
    for key in from.keys().filter(|key| !to.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    patch
}

/// The nulls of a patch, or all but them; objects that this empties go.
fn only(patch: Map<String, Value>, half: Half) -> Map<String, Value> {
    let keep = |value: Value| match value {
        Value::Object(map) if map.is_empty() => (half == Half::Changes).then_some(Value::Object(map)),
        Value::Object(map) => Some(only(map, half)).filter(|left| !left.is_empty()).map(Value::Object),
        Value::Null => (half == Half::Deletions).then_some(Value::Null),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            (half == Half::Changes).then_some(value)
        }
    };
    patch.into_iter().filter_map(|(key, value)| Some((key, keep(value)?))).collect()
}

/// Adds changes, which hold no nulls, to a patch of deletions.
fn combine(patch: &mut Map<String, Value>, changes: Map<String, Value>) {
    for (key, value) in changes {
        match (patch.get_mut(&key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => combine(old, new),
            (_, value) => drop(patch.insert(key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(found: Result<Value, String>, expected: Result<Value, &str>) {
        assert_eq!(found, expected.map_err(str::to_string));
    }

    fn pod(containers: Value) -> Value {
        json!({"spec": {"containers": containers}})
    }

    #[test]
    fn lists_merge_by_key_and_new_elements_come_in_the_order_of_the_patch() {
        let live = pod(json!([{"name": "a", "image": "x", "env": [{"name": "A", "value": "1"}]}, {"name": "b"}]));
        let patch = pod(json!([{"name": "a", "env": [{"name": "A", "value": "9"}, {"name": "Z", "value": "26"}]}]));
        let merged = pod(json!([
            {"name": "a", "image": "x", "env": [{"name": "A", "value": "9"}, {"name": "Z", "value": "26"}]},
            {"name": "b"}
        ]));
        check(strategic_merge("Pod", &live, &patch), Ok(merged));
        let live = pod(json!([{"name": "c"}]));
        let added = pod(json!([{"name": "e"}]));
        check(strategic_merge("Pod", &live, &added), Ok(pod(json!([{"name": "e"}, {"name": "c"}]))));
        let ports = |list: Value| json!({"spec": {"ports": list}});
        check(
            strategic_merge("Service", &ports(json!([{"port": 80}])), &ports(json!([{"port": 80, "name": "web"}]))),
            Ok(ports(json!([{"port": 80, "name": "web"}]))),
        );
    }

    #[test]
    fn directives_delete_replace_and_order() {
        let live = pod(json!([{"name": "a"}, {"name": "b"}]));
        let gone = pod(json!([{"name": "b", "$patch": "delete"}]));
        check(strategic_merge("Pod", &live, &gone), Ok(pod(json!([{"name": "a"}]))));
        let replaced = pod(json!([{"name": "c"}, {"$patch": "replace"}]));
        check(strategic_merge("Pod", &live, &replaced), Ok(pod(json!([{"name": "c"}]))));
        let order = json!({"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}], "containers": [{"name": "c"}]}});
        check(strategic_merge("Pod", &live, &order), Ok(pod(json!([{"name": "c"}, {"name": "a"}, {"name": "b"}]))));
        let map = json!({"metadata": {"labels": {"$patch": "replace", "n": "1"}}});
        check(
            strategic_merge("Pod", &json!({"metadata": {"labels": {"a": "b"}}}), &map),
            Ok(json!({"metadata": {"labels": {"n": "1"}}})),
        );
        let emptied = json!({"metadata": {"labels": {"$patch": "delete"}}});
        check(
            strategic_merge("Pod", &json!({"metadata": {"labels": {"a": "b"}}}), &emptied),
            Ok(json!({"metadata": {"labels": {}}})),
        );
    }

    #[test]
    fn finalizers_are_a_set_and_tolerations_come_as_a_whole() {
        let live = json!({"metadata": {"finalizers": ["a", "b"]}, "spec": {"tolerations": [{"key": "x"}]}});
        let patch = json!({"metadata": {"finalizers": ["b", "c"]}, "spec": {"tolerations": [{"key": "q"}]}});
        check(
            strategic_merge("Pod", &live, &patch),
            Ok(json!({"metadata": {"finalizers": ["a", "b", "c"]}, "spec": {"tolerations": [{"key": "q"}]}})),
        );
        let delete = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}});
        check(
            strategic_merge("Pod", &json!({"metadata": {"finalizers": ["a", "b"]}}), &delete),
            Ok(json!({"metadata": {"finalizers": ["b"]}})),
        );
        check(strategic_merge("Pod", &json!({"metadata": {}}), &delete), Ok(json!({"metadata": {}})));
    }

    #[test]
    fn retain_keys_clears_the_rest() {
        let live = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
        let patch = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
        check(strategic_merge("Deployment", &live, &patch), Ok(json!({"spec": {"strategy": {"type": "Recreate"}}})));
        let wrong = json!({"spec": {"strategy": {"$retainKeys": ["rollingUpdate"], "type": "Recreate"}}});
        check(strategic_merge("Deployment", &live, &wrong), Err("invalid patch format of retainKeys"));
        let new = json!({"spec": {"paused": true}});
        check(
            strategic_merge("Deployment", &new, &patch),
            Ok(json!({"spec": {"paused": true, "strategy": {"type": "Recreate"}}})),
        );
    }

    #[test]
    fn nulls_delete_and_leave_nothing_where_nothing_was() {
        let live = json!({"spec": {"selector": {"app": "a"}}});
        let patch = json!({"spec": {"selector": {"app": null, "b": "c"}, "other": {"x": null, "y": 1}, "z": null}});
        check(
            strategic_merge("Service", &live, &patch),
            Ok(json!({"spec": {"selector": {"b": "c"}, "other": {"y": 1}}})),
        );
    }

    #[test]
    fn what_does_not_fit_is_named_as_upstream_does() {
        let live = pod(json!([{"name": "a"}]));
        check(
            strategic_merge("Pod", &live, &pod(json!([{"image": "x"}]))),
            Err("map: map[image:x] does not contain declared merge key: name"),
        );
        check(
            strategic_merge("Pod", &live, &json!({"spec": {"$patch": "weird", "a": 1}})),
            Err("unknown patch type: weird in map: map[$patch:weird a:1]"),
        );
        check(strategic_merge("Pod", &live, &json!([1])), Err("invalid JSON document"));
        check(
            strategic_merge("Pod", &live, &json!({"spec": {"$setElementOrder/containers": "x"}})),
            Err("expected a []interface {}, but received a string"),
        );
        check(
            strategic_merge("Pod", &live, &pod(json!(["a"]))),
            Err("list element types are not identical: [[map[name:a]] [a]]"),
        );
    }

    #[track_caller]
    fn check_apply(kind: &str, last: Value, file: Value, live: Value, patch: Value, result: Value) {
        let found = three_way_strategic(kind, &last, &file, &live).unwrap();
        assert_eq!(found, patch, "the patch");
        check(strategic_merge(kind, &live, &found), Ok(result));
    }

    #[test]
    fn apply_changes_what_the_file_says_and_leaves_what_others_set() {
        check_apply(
            "Pod",
            json!({"metadata": {"labels": {"a": "1", "gone": "x"}}, "spec": {"containers": [{"name": "c", "image": "v1"}, {"name": "old"}]}}),
            json!({"metadata": {"labels": {"a": "2"}}, "spec": {"containers": [{"name": "c", "image": "v2"}, {"name": "new"}]}}),
            json!({"metadata": {"labels": {"a": "1", "gone": "x", "theirs": "y"}}, "spec": {"containers": [{"name": "c", "image": "v1", "tty": true}, {"name": "old"}, {"name": "sidecar"}]}}),
            json!({"metadata": {"labels": {"a": "2", "gone": null}}, "spec": {
                "$setElementOrder/containers": [{"name": "c"}, {"name": "new"}],
                "containers": [{"name": "c", "image": "v2"}, {"name": "new"}, {"name": "old", "$patch": "delete"}]}}),
            json!({"metadata": {"labels": {"a": "2", "theirs": "y"}}, "spec": {"containers": [{"name": "c", "image": "v2", "tty": true}, {"name": "new"}, {"name": "sidecar"}]}}),
        );
        check_apply(
            "Deployment",
            json!({"spec": {"strategy": {"type": "RollingUpdate"}}}),
            json!({"spec": {"strategy": {"type": "Recreate"}}}),
            json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}),
            json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
            json!({"spec": {"strategy": {"type": "Recreate"}}}),
        );
        check_apply(
            "Pod",
            json!({"metadata": {"finalizers": ["a", "b"]}}),
            json!({"metadata": {"finalizers": ["b", "c"]}}),
            json!({"metadata": {"finalizers": ["a", "b", "theirs"]}}),
            json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "$setElementOrder/finalizers": ["b", "c"], "finalizers": ["c"]}}),
            json!({"metadata": {"finalizers": ["b", "c", "theirs"]}}),
        );
        let same = json!({"spec": {"containers": [{"name": "c"}], "volumes": [{"name": "v", "emptyDir": {}}]}});
        check_apply("Pod", same.clone(), same.clone(), same.clone(), json!({}), same);
    }

    #[test]
    fn custom_resources_are_applied_as_json_merge_patches() {
        let last = json!({"spec": {"a": 1, "b": {"c": 1, "d": 2}}});
        let file = json!({"spec": {"b": {"c": 3}, "list": [1], "empty": {}}});
        let live = json!({"spec": {"a": 1, "b": {"c": 1, "d": 2}, "theirs": true}});
        let patch = json!({"spec": {"a": null, "b": {"c": 3, "d": null}, "list": [1], "empty": {}}});
        check(three_way_json(&last, &file, &live), Ok(patch.clone()));
        let merged = merge_patch(&live, &patch);
        check(Ok(merged), Ok(json!({"spec": {"b": {"c": 3}, "list": [1], "empty": {}, "theirs": true}})));
    }

    #[test]
    fn json_patches_apply_whole_or_not_at_all() {
        let live = json!({"metadata": {"name": "x", "labels": {"app": "a"}}});
        let good = json!([{"op": "test", "path": "/metadata/name", "value": "x"}, {"op": "add", "path": "/metadata/labels/z", "value": "1"}]);
        check(json_patch(&live, &good), Ok(json!({"metadata": {"name": "x", "labels": {"app": "a", "z": "1"}}})));
        assert!(json_patch(&live, &json!([{"op": "remove", "path": "/metadata/labels/none"}])).is_err());
        assert!(json_patch(&live, &json!([{"op": "test", "path": "/metadata/name", "value": "y"}])).is_err());
        assert!(json_patch(&live, &json!({"op": "add"})).is_err());
    }
}
