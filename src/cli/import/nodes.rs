//! Nodes as pools: those of one shape together, under their own names.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::api::text::is_dns1123_label;

/// Labels that every kubelet sets, with the values that ours sets; the host's name is the node's own.
const STANDARD_LABELS: [(&str, &str); 4] = [
    ("beta.kubernetes.io/arch", "amd64"),
    ("beta.kubernetes.io/os", "linux"),
    ("kubernetes.io/arch", "amd64"),
    ("kubernetes.io/os", "linux"),
];
const HOSTNAME: &str = "kubernetes.io/hostname";
/// Taints that follow from a node's state.
const STATE_TAINTS: [&str; 7] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/unschedulable",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/network-unavailable",
];

/// Pools as scenario files have them, in the order of their first nodes.
pub(super) fn pools(nodes: &[Value]) -> Vec<Value> {
    let mut by_shape: BTreeMap<String, usize> = BTreeMap::new();
    let mut pools: Vec<(Map<String, Value>, Vec<String>)> = Vec::new();
    for node in nodes {
        let shape = shape(node);
        let key = Value::Object(shape.clone()).to_string();
        let at = *by_shape.entry(key).or_insert(pools.len());
        if at == pools.len() {
            pools.push((shape, Vec::new()));
        }
        pools[at].1.push(name(node).to_owned());
    }
    let mut taken: Vec<String> = Vec::new();
    let pool = |(mut pool, names): (Map<String, Value>, Vec<String>)| {
        let base = common(&names);
        let numbered = (0..).map(|number| if number == 0 { base.clone() } else { format!("{base}-pool-{number}") });
        let pool_name = numbered.into_iter().find(|name| !taken.contains(name)).unwrap_or_default();
        taken.push(pool_name.clone());
        let in_turn = names.iter().enumerate().all(|(number, name)| *name == format!("{pool_name}-{number}"));
        match in_turn {
            true => pool.insert("count".to_owned(), Value::from(names.len())),
            false => pool.insert("names".to_owned(), Value::from(names)),
        };
        pool.insert("name".to_owned(), Value::from(pool_name));
        Value::Object(pool)
    };
    pools.into_iter().map(pool).collect()
}

/// The names of the nodes that are cordoned.
pub(super) fn cordoned(nodes: &[Value]) -> impl Iterator<Item = &str> {
    nodes.iter().filter(|node| node["spec"]["unschedulable"] == Value::Bool(true)).map(name)
}

fn name(node: &Value) -> &str {
    node["metadata"]["name"].as_str().unwrap_or_default()
}

/// What a pool says of each of its nodes.
fn shape(node: &Value) -> Map<String, Value> {
    let capacity = amounts(&node["status"]["capacity"]);
    let allocatable = amounts(&node["status"]["allocatable"]);
    let (capacity, allocatable) = match capacity.is_empty() {
        true => (allocatable, Map::new()),
        false => (capacity, allocatable),
    };
    let differs = |(name, amount): &(String, Value)| capacity.get(name).is_some_and(|whole| whole != amount);
    let allocatable: Map<String, Value> = allocatable.into_iter().filter(differs).collect();
    let labels = node["metadata"]["labels"].as_object().into_iter().flatten();
    let own = |(key, value): &(&String, &Value)| {
        let is_standard = STANDARD_LABELS.iter().any(|(known, usual)| key == known && *value == usual);
        let is_own_name = key.as_str() == HOSTNAME && *value == name(node);
        !is_standard && !is_own_name
    };
    let labels: Map<String, Value> = labels.filter(own).map(|(key, value)| (key.clone(), value.clone())).collect();
    let taints = node["spec"]["taints"].as_array().into_iter().flatten();
    let taints: Vec<Value> = taints.filter_map(taint).collect();
    let mut shape = Map::new();
    shape.insert("capacity".to_owned(), Value::Object(capacity));
    let others = [
        ("allocatable", Value::Object(allocatable)),
        ("labels", Value::Object(labels)),
        ("taints", Value::Array(taints)),
    ];
    let is_empty = |value: &Value| *value == json!({}) || *value == json!([]);
    shape.extend(others.into_iter().filter(|(_, value)| !is_empty(value)).map(|(key, value)| (key.to_owned(), value)));
    shape
}

/// The resources that pools have.
fn amounts(list: &Value) -> Map<String, Value> {
    let known = |name: &str| {
        ["cpu", "memory", "pods", "ephemeral-storage"].contains(&name)
            || name.starts_with("hugepages-")
            || name.contains('/')
    };
    let zero = |amount: &Value| amount.as_str() == Some("0");
    let list = list.as_object().into_iter().flatten();
    let kept = list.filter(|(name, amount)| known(name) && !(zero(amount) && name.starts_with("hugepages-")));
    kept.map(|(name, amount)| (name.clone(), amount.clone())).collect()
}

/// `key=value:Effect`.
fn taint(taint: &Value) -> Option<Value> {
    let text = |field: &str| taint[field].as_str().unwrap_or_default();
    let (key, value, effect) = (text("key"), text("value"), text("effect"));
    if STATE_TAINTS.contains(&key) {
        return None;
    }
    let value = if value.is_empty() { String::new() } else { format!("={value}") };
    Some(Value::from(format!("{key}{value}:{effect}")))
}

/// What the names of a pool's nodes have in common, as the name of a pool.
fn common(names: &[String]) -> String {
    let first = names.first().map_or("", String::as_str);
    let same = |name: &String| first.chars().zip(name.chars()).take_while(|(a, b)| a == b).count();
    let length = names.iter().map(same).min().unwrap_or(0);
    let prefix: String = first.chars().take(length).collect();
    let is_one = names.len() == 1;
    // Of `worker-1` and `worker-12` the 1 is no part of the name.
    let stem = match prefix.rfind(['-', '.']).map(|at| prefix.split_at(at)) {
        Some((stem, rest)) if !is_one || rest[1..].chars().all(|c| c.is_ascii_digit()) => stem,
        Some(_) | None if is_one => &prefix,
        Some(_) | None => "",
    };
    let label = stem.replace('.', "-").trim_matches('-').to_owned();
    if is_dns1123_label(&label).is_empty() { label } else { "node".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(nodes: &[Value], expected: Value) {
        assert_eq!(Value::from(pools(nodes)), expected);
    }

    fn node(name: &str, labels: Value, spec: Value) -> Value {
        let mut labels = labels;
        labels["kubernetes.io/hostname"] = Value::from(name);
        labels["kubernetes.io/os"] = Value::from("linux");
        json!({"metadata": {"name": name, "labels": labels}, "spec": spec, "status": {
            "capacity": {"cpu": "4", "memory": "16Gi", "attachable-volumes-x": "39", "hugepages-2Mi": "0"},
            "allocatable": {"cpu": "3920m", "memory": "16Gi"},
        }})
    }

    #[test]
    fn equal_nodes_are_a_pool() {
        let capacity = json!({"cpu": "4", "memory": "16Gi"});
        let allocatable = json!({"cpu": "3920m"});
        let nodes = [
            node("worker-0", json!({}), json!({})),
            node(
                "worker-1",
                json!({}),
                json!({"unschedulable": true, "taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]}),
            ),
            node(
                "ip-10-0-1-7.ec2",
                json!({"pool": "gpu"}),
                json!({"taints": [{"key": "gpu", "effect": "NoSchedule"}]}),
            ),
        ];
        check(
            &nodes,
            json!([
                {"name": "worker", "count": 2, "capacity": capacity, "allocatable": allocatable},
                {"name": "ip-10-0-1-7-ec2", "names": ["ip-10-0-1-7.ec2"], "capacity": capacity, "allocatable": allocatable,
                 "labels": {"pool": "gpu"}, "taints": ["gpu:NoSchedule"]},
            ]),
        );
        assert_eq!(cordoned(&nodes).collect::<Vec<_>>(), ["worker-1"]);
    }

    #[test]
    fn other_names_are_kept() {
        let nodes = [node("worker-1", json!({}), json!({})), node("worker-12", json!({}), json!({}))];
        let pools = pools(&nodes);
        assert_eq!((&pools[0]["name"], &pools[0]["names"]), (&json!("worker"), &json!(["worker-1", "worker-12"])));
    }
}
