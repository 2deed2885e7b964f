//! Field by field: a recorded step against ours.
//!
//! A field is a leaf: a text, a number, a list. What is on one side only counts leaf by leaf. Events and scheduling
//! messages that v1.34 words otherwise are compared as v1.23 worded them and count as different by design. Paths that the recording
//! calls unstable are passed over with all below them. Vectors of counts (`timeline` of StatefulSets, Jobs, DaemonSets)
//! agree where one sequence is the other with vectors left out, and both end alike: a faster or slower controller merges
//! them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::differences::{Known, known, reworded};

/// How all steps of a case compare.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// The fields that are equal.
    pub equal: usize,
    /// The fields that are not.
    pub differences: Vec<Difference>,
}

/// A field that is not as recorded.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The step.
    pub step: u64,
    /// The field, key by key.
    pub path: Vec<String>,
    /// As recorded; `None`: it was not there.
    pub wanted: Option<Value>,
    /// Ours; `None`: it is not there.
    pub got: Option<Value>,
    /// Why it is meant to be so, where it is.
    pub known: Option<&'static Known>,
}

impl Comparison {
    /// The fields that were looked at.
    pub fn compared(&self) -> usize {
        self.equal + self.differences.len()
    }

    /// The fields that are different and should not be.
    pub fn different(&self) -> usize {
        self.differences.len() - self.by_design()
    }

    /// The fields that are different by design.
    pub fn by_design(&self) -> usize {
        self.differences.iter().filter(|difference| difference.known.is_some()).count()
    }
}

/// Compares the steps of a case.
pub(super) fn compare(case: &str, expected: &[Value], steps: &[Value]) -> Comparison {
    let mut comparison = Comparison::default();
    for wanted in expected {
        let Some(step) = wanted["step"].as_u64() else { continue };
        let got = steps.iter().find(|ours| ours["step"].as_u64() == Some(step));
        let unstable = wanted["unstable"].as_array().map(Vec::as_slice).unwrap_or_default();
        let combined = [Some(wanted), got].into_iter().flatten().flat_map(combined).collect();
        let mut walk = Walk { case, step, unstable, combined, path: Vec::new(), comparison: &mut comparison };
        walk.values(Some(wanted), got);
    }
    comparison
}

struct Walk<'a> {
    case: &'a str,
    step: u64,
    unstable: &'a [Value],
    /// The objects and reasons of events that were combined on either side.
    combined: Vec<String>,
    path: Vec<String>,
    comparison: &'a mut Comparison,
}

impl Walk<'_> {
    fn values(&mut self, wanted: Option<&Value>, got: Option<&Value>) {
        if self.is_unstable() {
            return;
        }
        let (wanted_map, got_map) = (wanted.and_then(Value::as_object), got.and_then(Value::as_object));
        let is_map = |value: Option<&Value>, map: Option<&Map<String, Value>>| value.is_none() || map.is_some();
        if !(is_map(wanted, wanted_map) && is_map(got, got_map)) {
            return self.leaf(wanted, got);
        }
        // An object without fields is there all the same. In a timeline it is what the unstable parts have left.
        let is_empty = |map: Option<&Map<String, Value>>| map.is_none_or(Map::is_empty);
        let in_timeline = self.path.first().is_some_and(|first| first == "timeline");
        if is_empty(wanted_map) && is_empty(got_map) && wanted.is_some() != got.is_some() && !in_timeline {
            return self.leaf(wanted, got);
        }
        let empty = Map::new();
        let (wanted, got) = (wanted_map.unwrap_or(&empty), got_map.unwrap_or(&empty));
        let (old, why) = if self.holds_texts() { in_old_words(wanted, got) } else { (got.clone(), Reasons::new()) };
        let got = &old;
        if wanted.is_empty() && got.is_empty() {
            self.comparison.equal += 1;
        }
        let mut keys: Vec<&String> = wanted.keys().chain(got.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            self.path.push(key.clone());
            match why.get(key) {
                Some((known, ours)) if wanted.get(key) == got.get(key) => {
                    self.differ(wanted.get(key), Some(ours), Some(*known));
                }
                _ => self.values(wanted.get(key), got.get(key)),
            }
            self.path.pop();
        }
    }

    fn is_unstable(&self) -> bool {
        let is_here = |path: &Value| {
            let path = path.as_array().map(Vec::as_slice).unwrap_or_default();
            path.len() == self.path.len() && path.iter().zip(&self.path).all(|(a, b)| a == b)
        };
        self.path == ["unstable"] || self.unstable.iter().any(is_here)
    }

    fn leaf(&mut self, wanted: Option<&Value>, got: Option<&Value>) {
        let agrees = match (wanted, got) {
            (Some(wanted), Some(got)) => wanted == got || (self.is_reachable() && is_merged(wanted, got)),
            _ => false,
        };
        if agrees {
            self.comparison.equal += 1;
            return;
        }
        let is_combined = |prefix: &str| self.combined.iter().any(|combined| combined == prefix);
        let combined = self.path.get(1).and_then(|key| object_and_reason(key)).is_some_and(is_combined);
        self.differ(wanted, got, known(self.case, &self.path, combined));
    }

    fn differ(&mut self, wanted: Option<&Value>, got: Option<&Value>, known: Option<&'static Known>) {
        let (step, path) = (self.step, self.path.clone());
        let (wanted, got) = (wanted.cloned(), got.cloned());
        self.comparison.differences.push(Difference { step, path, wanted, got, known });
    }

    /// Whether the keys here are, or hold, texts of the cluster.
    fn holds_texts(&self) -> bool {
        let words: Vec<&str> = self.path.iter().map(String::as_str).collect();
        matches!(words.as_slice(), ["events"] | ["podGroups", _])
    }

    fn is_reachable(&self) -> bool {
        let words: Vec<&str> = self.path.iter().map(String::as_str).collect();
        matches!(words.as_slice(), ["timeline", "statefulsetStatus" | "job" | "daemonset", _])
    }
}

/// `Deployment/web|ScalingReplicaSet|Normal` of an event's key.
fn object_and_reason(key: &str) -> Option<&str> {
    let (at, _) = key.match_indices('|').nth(2)?;
    Some(&key[..at])
}

/// The objects and reasons of a step's events that were combined.
fn combined(step: &Value) -> Vec<String> {
    let events = step["events"].as_object().into_iter().flatten();
    let combined = events.filter(|(key, _)| key.contains("|(combined from similar events)"));
    combined.filter_map(|(key, _)| object_and_reason(key).map(str::to_owned)).collect()
}

/// For a text in v1.23's words: why it differs, and what ours are, with their counts.
type Reasons = BTreeMap<String, (&'static Known, Value)>;

/// Ours with v1.23's texts in place of those that are worded otherwise now, counts added up.
fn in_old_words(wanted: &Map<String, Value>, got: &Map<String, Value>) -> (Map<String, Value>, Reasons) {
    let mut old = Map::new();
    let mut reasons = Reasons::new();
    for (key, count) in got {
        let text = match reworded(key) {
            Some((text, known)) if !wanted.contains_key(key) => {
                let (_, ours) = reasons.entry(text.clone()).or_insert_with(|| (known, Value::Object(Map::new())));
                ours[key.as_str()] = count.clone();
                text
            }
            _ => key.clone(),
        };
        let sum = old.get(&text).and_then(Value::as_u64).zip(count.as_u64()).map(|(a, b)| a + b);
        old.insert(text, sum.map_or_else(|| count.clone(), Value::from));
    }
    (old, reasons)
}

/// Whether one sequence is the other with something left out, and both end alike.
fn is_merged(one: &Value, other: &Value) -> bool {
    let (Some(one), Some(other)) = (one.as_array(), other.as_array()) else { return false };
    let is_part = |part: &[Value], whole: &[Value]| {
        let mut rest = whole.iter();
        part.iter().all(|vector| rest.any(|other| other == vector))
    };
    one.last() == other.last() && (is_part(one, other) || is_part(other, one))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(wanted: Value, got: Value, equal: usize, different: &[&str]) {
        let mut steps = [wanted, got];
        steps.iter_mut().for_each(|step| step["step"] = json!(0));
        let comparison = compare("none", &steps[..1], &steps[1..]);
        let paths: Vec<String> = comparison.differences.iter().map(|difference| difference.path.join("/")).collect();
        // The step's own number is a field, too.
        assert_eq!((comparison.equal - 1, paths), (equal, different.iter().map(|path| (*path).to_owned()).collect()));
    }

    #[test]
    fn fields_are_compared_leaf_by_leaf() {
        check(json!({"a": 1, "b": {"c": [1], "d": {}}}), json!({"a": 1, "b": {"c": [1], "d": {}}}), 3, &[]);
        check(json!({"a": 1, "b": 2}), json!({"a": 2}), 0, &["a", "b"]);
        check(json!({"a": {}}), json!({"a": {"x": 1, "y": {"z": 2}}}), 0, &["a/x", "a/y/z"]);
        check(json!({"a": {"x": 1}, "unstable": [["a", "x"]]}), json!({"a": {"x": 2}, "unstable": []}), 0, &[]);
        check(json!({"a": {"x": 1}}), json!({"a": [1]}), 0, &["a"]);
        check(json!({"a": {}}), json!({"b": {}}), 0, &["a", "b"]);
        check(json!({"timeline": {"job": {}}}), json!({"timeline": {}}), 1, &[]);
    }

    #[test]
    fn vectors_of_counts_may_be_merged() {
        let job = |vectors: Value| json!({"timeline": {"job": {"j": vectors}}});
        check(job(json!([[0, 0], [1, 0], [0, 1]])), job(json!([[0, 0], [0, 1]])), 1, &[]);
        check(job(json!([[0, 0], [0, 1]])), job(json!([[0, 0], [1, 0], [0, 1]])), 1, &[]);
        check(job(json!([[0, 0], [0, 1]])), job(json!([[0, 0], [1, 0]])), 0, &["timeline/job/j"]);
        let rollout = |vectors: Value| json!({"timeline": {"rollout": {"w": vectors}}});
        check(rollout(json!(["", "a"])), rollout(json!(["", "b", "a"])), 0, &["timeline/rollout/w"]);
    }
}
