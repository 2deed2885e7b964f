//! Builders and checks for the tests of this room.

use std::sync::Arc;

use k8s_openapi::api::core::v1;

use super::{
    Cluster, ClusterEvent, Cycle, EventKind, NodeIndex, PluginArgs, PluginEntry, PluginOrders, PreFilter, PreScore,
    Profile, Scope, decide, plugins,
};
use crate::api::convert::from_json;
use crate::api::{Kind, Meta, Node, Obj, Object, ObjectId, Pod, PodSpec, PodStatus, Uid};

/// A node from YAML: metadata (labels only), spec and status.
pub(super) fn node(name: &str, text: &str) -> Arc<Obj<Node>> {
    let node: v1::Node = serde_saphyr::from_str(text).expect("the test's node can be read");
    let mut meta = Meta::new(Kind::Node, "", name);
    meta.labels = node.metadata.labels.into_iter().flatten().collect();
    let body =
        Node { spec: Arc::new(node.spec.unwrap_or_default()), status: Arc::new(node.status.unwrap_or_default()) };
    Arc::new(Obj { meta, body })
}

/// A pod from the YAML of its spec, in namespace `default`, with number 0.
pub(super) fn pod(name: &str, spec: &str) -> Arc<Obj<Pod>> {
    pod_numbered(0, name, spec)
}

/// The same with a number.
pub(super) fn pod_numbered(slot: u32, name: &str, spec: &str) -> Arc<Obj<Pod>> {
    let mut spec: v1::PodSpec = serde_saphyr::from_str(spec).expect("the test's pod can be read");
    let node_name = spec.node_name.take().unwrap_or_default();
    let mut meta = Meta::new(Kind::Pod, "default", name);
    meta.id = ObjectId { kind: Kind::Pod, slot };
    meta.uid = Uid(u128::from(slot) + 1);
    let body = Pod { spec: PodSpec::new(spec), node_name: node_name.into(), status: PodStatus::default() };
    Arc::new(Obj { meta, body })
}

/// A pod with labels and without containers, in namespace `default`.
pub(super) fn labelled(name: &str, labels: &[(&str, &str)]) -> Arc<Obj<Pod>> {
    let mut pod = Obj::clone(&pod(name, "{containers: []}"));
    pod.meta.labels = labels.iter().copied().collect();
    Arc::new(pod)
}

/// A PodDisruptionBudget in namespace `default` from the YAML of its spec and status.
pub(super) fn budget(name: &str, text: &str) -> Object {
    let mut value: serde_json::Value = serde_saphyr::from_str(text).expect("the test's budget can be read");
    value["apiVersion"] = "policy/v1".into();
    value["kind"] = "PodDisruptionBudget".into();
    value["metadata"] = serde_json::json!({ "name": name, "namespace": "default" });
    from_json(Kind::PodDisruptionBudget, value).expect("the test's budget can be read")
}

fn entry(plugin: &str) -> &'static PluginEntry {
    plugins::ALL.iter().find(|entry| entry.name == plugin).expect("the plugin is registered")
}

/// An object of a kind that no part reads, from the YAML of its manifest without `apiVersion`.
pub(super) fn object(text: &str) -> Object {
    let value: serde_json::Value = serde_saphyr::from_str(text).expect("the test's object can be read");
    let kind = value["kind"].as_str().and_then(Kind::from_resource_name).expect("the test's object has a kind");
    from_json(kind, value).expect("the test's object can be read")
}

/// What a plugin says of one node, `node`, with other pods on it: `code: reason, reason`, or nothing.
#[track_caller]
pub(super) fn check_filter_beside(
    plugin: &str,
    pod_spec: &str,
    node_text: &str,
    others: &[&str],
    expected: Option<&str>,
) {
    check_filter_among(plugin, &[], pod_spec, node_text, others, expected);
}

/// The same with other objects in the cluster.
#[track_caller]
pub(super) fn check_filter_among(
    plugin: &str,
    objects: &[&str],
    pod_spec: &str,
    node_text: &str,
    others: &[&str],
    expected: Option<&str>,
) {
    let mut cluster = Cluster::default();
    objects.iter().for_each(|text| cluster.apply(&object(text)));
    let number = cluster.nodes.set(&node("node", node_text));
    cluster.nodes.refresh();
    for (slot, other) in others.iter().enumerate() {
        cluster.assume(&pod_numbered(slot as u32 + 1, "other", other), number);
    }
    let profile = Profile::of(&PluginOrders::same(&[entry(plugin)]), |entry| entry.weight);
    let decision = decide(&cluster, &profile, &pod("pod", pod_spec), Scope::Everything);
    let status = decision.rejected.first().map(|rejected| &rejected.status);
    let status = status.or(decision.pre_filter.as_ref().map(|(_, status)| status));
    let said = status.map(|status| format!("{}: {}", status.code.as_str(), status.message()));
    assert_eq!(said.as_deref(), expected, "{plugin} on {pod_spec} and {node_text}");
}

/// The same on a node without pods.
#[track_caller]
pub(super) fn check_filter(plugin: &str, pod_spec: &str, node_text: &str, expected: Option<&str>) {
    check_filter_beside(plugin, pod_spec, node_text, &[], expected);
}

/// What a plugin says before the nodes are looked at: `skip`, `filter`, `nodes a b` or `code: reason`.
#[track_caller]
pub(super) fn check_prefilter(plugin: &str, pod_spec: &str, expected: &str) {
    let (cluster, args) = (Cluster::default(), PluginArgs::upstream());
    let pod = pod("pod", pod_spec);
    let cycle = Cycle { pod: &pod, cluster: &cluster, args: &args };
    let said = match entry(plugin).plugin.pre_filter(&cycle) {
        PreFilter::Skip => "skip".to_owned(),
        PreFilter::Filter(_) => "filter".to_owned(),
        PreFilter::Nodes(names, _) => format!("nodes {}", names.into_iter().collect::<Vec<_>>().join(" ")),
        PreFilter::Fail(error) => panic!("{error}"),
        PreFilter::Reject(status) => format!("{}: {}", status.code.as_str(), status.message()),
    };
    assert_eq!(said, expected);
}

/// The normalised scores that a plugin gives to nodes, or nothing where it skips the pod.
#[track_caller]
pub(super) fn check_scores(plugin: &str, pod_spec: &str, nodes: &[&str], expected: Option<&[i64]>) {
    let mut cluster = Cluster::default();
    let numbers: Vec<NodeIndex> = (nodes.iter().enumerate())
        .map(|(number, text)| cluster.nodes.set(&node(&format!("node-{number}"), text)))
        .collect();
    cluster.nodes.refresh();
    let args = PluginArgs::upstream();
    let pod = pod("pod", pod_spec);
    let cycle = Cycle { pod: &pod, cluster: &cluster, args: &args };
    let mut scores = Vec::new();
    let said = match entry(plugin).plugin.pre_score(&cycle, &numbers) {
        PreScore::Skip => None,
        PreScore::Score(scorer) => {
            scores.extend(numbers.iter().map(|node| scorer.score(&cluster, cluster.nodes.view(*node))));
            if scorer.normalizes() {
                scorer.normalize(&mut scores);
            }
            Some(scores.as_slice())
        }
        PreScore::Fail(error) => panic!("{error}"),
    };
    assert_eq!(said, expected, "{plugin} on {pod_spec}");
}

/// Whether a pod that a plugin rejected is tried again after an event. Objects are manifests as [`object`] reads them,
/// pods their specs.
#[track_caller]
pub(super) fn check_hint(
    plugin: &str,
    kind: EventKind,
    old: Option<&str>,
    new: Option<&str>,
    pod_spec: &str,
    expected: bool,
) {
    let read = |text: &str| match text.contains("containers:") {
        true => Object::Pod(pod_numbered(9, "other", text)),
        false => object(text),
    };
    let event = ClusterEvent { kind, old: old.map(read), new: new.map(read) };
    let entry = entry(plugin);
    let asked = entry.events.contains(&kind);
    let said = asked && entry.plugin.hint(&event, &pod("pod", pod_spec), &PluginArgs::upstream());
    assert_eq!(said, expected, "{plugin} on {kind:?}: {old:?} -> {new:?}");
}
