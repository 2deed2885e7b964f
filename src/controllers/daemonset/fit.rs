//! Which nodes a DaemonSet's pods belong on, and the pod for one of them.
//! Upstream: `NodeShouldRunDaemonPod`, `pkg/controller/daemon/util/daemonset_util.go`, component-helpers `nodeaffinity`.

use std::sync::Arc;

use k8s_openapi::api::core::v1;

use super::set::{DaemonSet, reference};
use crate::api::{Meta, Name, Node, Obj, Object, Pod, PodSpec, PodTemplate, Selector};
use crate::controllers::history::REVISION_HASH;
use crate::controllers::pod_util::pod_from_template;
use crate::controllers::taint_eviction::tolerance::tolerates;

/// The label with the count of templates, which 1.34 still sets.
pub(super) const TEMPLATE_GENERATION: &str = "pod-template-generation";

/// What every pod of a DaemonSet tolerates: key and effect.
const TOLERATED: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];
/// What those on the host's network tolerate as well.
const TOLERATED_ON_HOST: (&str, &str) = ("node.kubernetes.io/network-unavailable", "NoSchedule");

/// Whether a set wants a pod on a node, and whether it leaves one there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wanted {
    /// A pod is created where none is.
    pub(super) run: bool,
    /// A pod that is there may stay.
    pub(super) stay: bool,
}

/// What a template requires of its node, parsed.
#[derive(Clone, Debug)]
pub(super) struct Fit {
    node_name: Name,
    selector: Vec<(Name, Name)>,
    /// The terms of the required node affinity, of which one must match.
    terms: Option<Vec<Term>>,
    tolerations: Vec<v1::Toleration>,
}

#[derive(Clone, Debug)]
struct Term {
    labels: Option<Selector>,
    /// `matchFields`: whether it is `In`, whether it is `metadata.name`, the value.
    fields: Vec<(bool, bool, Name)>,
}

impl Fit {
    /// Reads a template.
    pub(super) fn of(template: &PodTemplate) -> Fit {
        let full = &template.spec.full;
        let selector = full.node_selector.iter().flatten();
        let affinity = full.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
        let required = affinity.and_then(|node| node.required_during_scheduling_ignored_during_execution.as_ref());
        Fit {
            node_name: template.node_name.clone(),
            selector: selector.map(|(key, value)| (key.into(), value.into())).collect(),
            terms: required.map(|required| required.node_selector_terms.iter().filter_map(Term::of).collect()),
            tolerations: tolerations(full),
        }
    }

    /// What the set wants of a node. Upstream: `NodeShouldRunDaemonPod`.
    pub(super) fn wanted(&self, node: &Obj<Node>) -> Wanted {
        let labels = &node.meta.labels;
        let named = self.node_name.is_empty() || self.node_name == node.meta.name;
        let selected = self.selector.iter().all(|(key, value)| labels.get(key) == Some(value));
        if !named
            || !selected
            || !self.terms.as_ref().is_none_or(|terms| terms.iter().any(|term| term.allows(&node.meta)))
        {
            return Wanted { run: false, stay: false };
        }
        let taints = || node.body.taints().iter();
        let tolerated = |taint: &v1::Taint| self.tolerations.iter().any(|toleration| tolerates(toleration, taint));
        let repels = |taint: &v1::Taint| matches!(taint.effect.as_str(), "NoExecute" | "NoSchedule");
        Wanted {
            run: taints().filter(|taint| repels(taint)).all(tolerated),
            stay: taints().filter(|taint| taint.effect == "NoExecute").all(tolerated),
        }
    }
}

impl Term {
    /// Reads a term; one that is empty or not valid matches nothing.
    fn of(term: &v1::NodeSelectorTerm) -> Option<Term> {
        let expressions = term.match_expressions.as_deref().unwrap_or_default();
        let fields = term.match_fields.as_deref().unwrap_or_default();
        if expressions.is_empty() && fields.is_empty() {
            return None;
        }
        let labels = match expressions {
            [] => None,
            expressions => Some(Selector::from_node_requirements(expressions, "").ok()?),
        };
        let field = |field: &v1::NodeSelectorRequirement| match (&*field.operator, field.values.as_deref()?) {
            ("In", [value]) => Some((true, field.key == "metadata.name", value.into())),
            ("NotIn", [value]) => Some((false, field.key == "metadata.name", value.into())),
            _ => None,
        };
        Some(Term { labels, fields: fields.iter().map(field).collect::<Option<_>>()? })
    }

    fn allows(&self, node: &Meta) -> bool {
        let value = |key: &str| node.labels.get(key).map(Name::as_str);
        self.labels.as_ref().is_none_or(|labels| labels.matches(value))
            && self.fields.iter().all(|(is_in, is_name, value)| {
                let found = if *is_name { node.name.as_str() } else { "" };
                (found == value) == *is_in
            })
    }
}

/// The tolerations of a spec with those of every DaemonSet pod. Upstream: `AddOrUpdateDaemonPodTolerations`.
fn tolerations(full: &v1::PodSpec) -> Vec<v1::Toleration> {
    let mut tolerations = full.tolerations.clone().unwrap_or_default();
    let on_host = (full.host_network == Some(true)).then_some(TOLERATED_ON_HOST);
    for (key, effect) in TOLERATED.into_iter().chain(on_host) {
        let added = v1::Toleration {
            key: Some(key.to_owned()),
            operator: Some("Exists".to_owned()),
            effect: Some(effect.to_owned()),
            value: None,
            toleration_seconds: None,
        };
        let same = |found: &v1::Toleration| v1::Toleration { toleration_seconds: None, ..found.clone() } == added;
        match tolerations.iter().position(same) {
            Some(index) => tolerations[index] = added,
            None => tolerations.push(added),
        }
    }
    tolerations
}

/// The spec of a set's pods but for the node, with its tolerations. Upstream: `CreatePodTemplate`.
fn daemon_spec(template: &PodTemplate) -> v1::PodSpec {
    let full = &template.spec.full;
    v1::PodSpec { tolerations: Some(tolerations(full)), ..full.clone() }
}

/// A spec that fits one node alone. Upstream: `ReplaceDaemonSetPodNodeNameNodeAffinity`.
fn pinned(mut full: v1::PodSpec, node: &str) -> v1::PodSpec {
    let requirement = v1::NodeSelectorRequirement {
        key: "metadata.name".to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![node.to_owned()]),
    };
    let term = v1::NodeSelectorTerm { match_expressions: None, match_fields: Some(vec![requirement]) };
    let affinity = full.affinity.get_or_insert_default().node_affinity.get_or_insert_default();
    affinity.required_during_scheduling_ignored_during_execution =
        Some(v1::NodeSelector { node_selector_terms: vec![term] });
    full
}

/// The pods to be created on some nodes, at a revision.
pub(super) fn new_pods(set: &DaemonSet, hash: &Name, nodes: &[Name]) -> Vec<Object> {
    let template = &set.spec.template;
    let full = daemon_spec(template);
    let mut labels = template.labels.clone();
    if let Some(generation) = set.template_generation() {
        labels = labels.with(TEMPLATE_GENERATION, generation);
    }
    if !hash.is_empty() {
        labels = labels.with(REVISION_HASH, hash.clone());
    }
    let made = pod_from_template(template, set.meta(), reference(set.meta()));
    let Object::Pod(made) = made else { panic!("a pod template makes a pod") };
    let pod = |node: &Name| {
        let mut pod = Obj::clone(&made);
        pod.meta.labels = labels.clone();
        pod.body.spec = PodSpec::new(pinned(full.clone(), node));
        pod.into_object()
    };
    nodes.iter().map(pod).collect()
}

/// The node that a pod is on or meant for. Upstream: `GetTargetNodeName`.
pub(super) fn target(pod: &Obj<Pod>) -> Option<Name> {
    if !pod.body.node_name.is_empty() {
        return Some(pod.body.node_name.clone());
    }
    let affinity = pod.body.spec.full.affinity.as_ref()?.node_affinity.as_ref()?;
    let required = affinity.required_during_scheduling_ignored_during_execution.as_ref()?;
    let fields = required.node_selector_terms.iter().flat_map(|term| term.match_fields.iter().flatten());
    fields.filter(|field| field.key == "metadata.name" && field.operator == "In").find_map(|field| {
        match field.values.as_deref()? {
            [name] => Some(name.into()),
            _ => None,
        }
    })
}

/// Whether a pod is of a revision, or else of a count of templates. Upstream: `IsPodUpdated`.
pub(super) fn is_updated(pod: &Obj<Pod>, hash: &Name, generation: Option<&Name>) -> bool {
    let label = |key: &str| pod.meta.labels.get(key);
    (!hash.is_empty() && label(REVISION_HASH) == Some(hash))
        || generation.is_some_and(|generation| label(TEMPLATE_GENERATION) == Some(generation))
}

/// A pod that a node has, shared.
pub(super) type SharedPod = Arc<Obj<Pod>>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controllers::test_support::{ready_node, template};

    fn taint(text: &str) -> v1::Taint {
        let (key, effect) = text.split_once(':').expect("key:effect");
        v1::Taint { key: key.to_owned(), effect: effect.to_owned(), ..v1::Taint::default() }
    }

    /// A node with labels and taints, and whether pods of a spec are to run and to stay there.
    #[track_caller]
    fn check(spec: serde_json::Value, labels: &str, taints: &[&str], run: bool, stay: bool) {
        let mut full: v1::PodSpec = serde_json::from_value(spec.clone()).expect("a spec");
        full.containers = template("", "app:ok").spec.full.containers.clone();
        let template = PodTemplate { spec: PodSpec::new(full), ..PodTemplate::clone(&template("", "app:ok")) };
        let mut node = ready_node("n1", labels);
        let spec_of_node =
            v1::NodeSpec { taints: Some(taints.iter().map(|text| taint(text)).collect()), ..v1::NodeSpec::default() };
        node.body.spec = Arc::new(spec_of_node);
        assert_eq!(Fit::of(&template).wanted(&node), Wanted { run, stay }, "{spec} on {labels:?} {taints:?}");
    }

    #[test]
    fn labels_and_taints_decide_where_pods_run_and_stay() {
        let any = serde_json::json!({"containers": []});
        check(any.clone(), "", &[], true, true);
        check(any.clone(), "", &["node.kubernetes.io/unschedulable:NoSchedule"], true, true);
        check(any.clone(), "", &["node.kubernetes.io/not-ready:NoExecute"], true, true);
        check(any.clone(), "", &["node.kubernetes.io/network-unavailable:NoSchedule"], false, true);
        check(any.clone(), "", &["gpu:NoSchedule"], false, true);
        check(any.clone(), "", &["gpu:PreferNoSchedule"], true, true);
        check(any, "", &["gpu:NoExecute"], false, false);
        let on_host = serde_json::json!({"containers": [], "hostNetwork": true});
        check(on_host, "", &["node.kubernetes.io/network-unavailable:NoSchedule"], true, true);
        let ssd = serde_json::json!({"containers": [], "nodeSelector": {"disk": "ssd"}});
        check(ssd.clone(), "disk=ssd", &[], true, true);
        check(ssd, "disk=hdd", &[], false, false);
        let required = |term: serde_json::Value| {
            serde_json::json!({"containers": [], "affinity": {"nodeAffinity":
                {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}})
        };
        let expression = serde_json::json!({"key": "disk", "operator": "In", "values": ["ssd", "nvme"]});
        let labelled = required(serde_json::json!({"matchExpressions": [expression]}));
        check(labelled.clone(), "disk=nvme", &[], true, true);
        check(labelled, "disk=hdd", &[], false, false);
        let field = serde_json::json!({"key": "metadata.name", "operator": "In", "values": ["n2"]});
        check(required(serde_json::json!({"matchFields": [field]})), "", &[], false, false);
        check(required(serde_json::json!({})), "", &[], false, false);
    }
}
