//! NodeAffinity: node selector, required and preferred node affinity, and what the profile adds.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1;

use crate::api::text::go_quote;
use crate::api::{Labels, Meta, Name, Obj, Pod, Selector};
use crate::scheduler::{
    Cluster, ClusterEvent, Code, Cycle, EventKind, ExtensionPoint, NodeFilter, NodeIndex, NodeScore, NodeView, Plugin,
    PluginArgs, PluginEntry, PreFilter, PreScore, Reach, Status, normalize,
};

/// The registry's line.
pub const ENTRY: PluginEntry = PluginEntry {
    name: "NodeAffinity",
    points: &[ExtensionPoint::PreFilter, ExtensionPoint::Filter, ExtensionPoint::PreScore, ExtensionPoint::Score],
    weight: 2,
    doc: "nodeSelector and required node affinity reject nodes, preferred terms add their weights",
    source: "pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go",
    events: &[EventKind::NodeAdd, EventKind::NodeLabel],
    plugin: &NodeAffinity,
};

const REASON_POD: &str = "node(s) didn't match Pod's node affinity/selector";
const REASON_ENFORCED: &str = "node(s) didn't match scheduler-enforced node affinity";
const REASON_CONFLICT: &str = "pod affinity terms conflict";

/// `NodeAffinityArgs`.
#[derive(Clone, Debug, PartialEq)]
pub struct Args {
    /// `addedAffinity`: holds for all pods of the profile.
    pub added: Option<v1::NodeAffinity>,
}

impl Args {
    /// Nothing is added.
    pub fn upstream() -> Args {
        Args { added: None }
    }
}

#[derive(Debug)]
struct NodeAffinity;

/// One term of a node selector. Upstream: component-helpers `nodeaffinity.nodeSelectorTerm`.
#[derive(Clone, Debug)]
pub(in crate::scheduler) struct Term {
    /// `matchExpressions`; absent: no condition.
    labels: Option<Selector>,
    /// `matchFields`: (is it `In`, is it `metadata.name`, the value).
    fields: Vec<(bool, bool, Name)>,
}

impl Term {
    /// Reads a term; `place` is where it stands, for the errors.
    fn of(term: &v1::NodeSelectorTerm, place: &str) -> Result<Term, Vec<String>> {
        let mut errors = Vec::new();
        let mut labels = None;
        let expressions = term.match_expressions.as_deref().unwrap_or_default();
        if !expressions.is_empty() {
            match Selector::from_node_requirements(expressions, &format!("{place}matchExpressions")) {
                Ok(selector) => labels = Some(selector),
                Err(error) => errors.push(error),
            }
        }
        let mut fields = Vec::new();
        for (number, field) in term.match_fields.iter().flatten().enumerate() {
            let values = field.values.as_deref().unwrap_or_default();
            match (field.operator.as_str(), values) {
                ("In", [value]) => fields.push((true, field.key == "metadata.name", value.into())),
                ("NotIn", [value]) => fields.push((false, field.key == "metadata.name", value.into())),
                ("In" | "NotIn", several) => errors.push(format!(
                    "{place}matchFields[{number}].values: Invalid value: {}: must have one element",
                    several.len()
                )),
                (other, _) => errors.push(format!(
                    "{place}matchFields[{number}].operator: Unsupported value: {}: supported values: \"In\", \"NotIn\"",
                    go_quote(other)
                )),
            }
        }
        if errors.is_empty() { Ok(Term { labels, fields }) } else { Err(errors) }
    }

    fn matches(&self, node: &Meta) -> bool {
        self.allows(&node.labels, &node.name)
    }

    /// Whether a node of these labels and this name matches.
    pub(in crate::scheduler) fn allows(&self, labels: &Labels, name: &str) -> bool {
        let value = |key: &str| labels.get(key).map(Name::as_str);
        self.labels.as_ref().is_none_or(|labels| labels.matches(value))
            && self.fields.iter().all(|(is_in, is_name, value)| {
                let found = if *is_name { name } else { "" };
                (found == value) == *is_in
            })
    }
}

fn is_empty(term: &v1::NodeSelectorTerm) -> bool {
    term.match_expressions.as_ref().is_none_or(Vec::is_empty) && term.match_fields.as_ref().is_none_or(Vec::is_empty)
}

/// The terms that hold together by 'or'. A term that is not valid matches nothing, as it does not upstream.
pub(in crate::scheduler) fn terms(selector: &v1::NodeSelector) -> Vec<Term> {
    let terms = selector.node_selector_terms.iter().filter(|term| !is_empty(term));
    terms.filter_map(|term| Term::of(term, "").ok()).collect()
}

fn affinity(pod: &Obj<Pod>) -> Option<&v1::NodeAffinity> {
    pod.body.spec.full.affinity.as_ref()?.node_affinity.as_ref()
}

fn required(affinity: Option<&v1::NodeAffinity>) -> Option<&v1::NodeSelector> {
    affinity?.required_during_scheduling_ignored_during_execution.as_ref()
}

fn preferred(affinity: Option<&v1::NodeAffinity>) -> Option<&Vec<v1::PreferredSchedulingTerm>> {
    affinity?.preferred_during_scheduling_ignored_during_execution.as_ref()
}

/// What a pod requires of its node. Upstream: `nodeaffinity.RequiredNodeAffinity`.
#[derive(Clone, Debug)]
pub(in crate::scheduler) struct Required {
    selector: Vec<(Name, Name)>,
    terms: Option<Vec<Term>>,
    /// Whether there were terms that are not valid.
    has_invalid: bool,
    added: Option<Vec<Term>>,
}

impl Required {
    /// Of a pod, and of what the profile adds.
    pub(in crate::scheduler) fn of(pod: &Obj<Pod>, args: &Args) -> Required {
        let selector = pod.body.spec.full.node_selector.iter().flatten();
        let own = required(affinity(pod));
        let parsed = own.map(terms);
        let wanted = own.map(|own| own.node_selector_terms.iter().filter(|term| !is_empty(term)).count());
        Required {
            selector: selector.map(|(key, value)| (key.into(), value.into())).collect(),
            has_invalid: parsed.as_ref().map(Vec::len) != wanted,
            terms: parsed,
            added: required(args.added.as_ref()).map(terms),
        }
    }

    /// Whether the pod's own requirements allow a node.
    pub(in crate::scheduler) fn matches(&self, node: &Meta) -> bool {
        self.selects(node) && self.terms.as_ref().is_none_or(|terms| terms.iter().any(|term| term.matches(node)))
    }

    fn selects(&self, node: &Meta) -> bool {
        self.selector.iter().all(|(key, value)| node.labels.get(key).is_some_and(|found| found == value))
    }

    /// The same; nothing where it hangs on a term that is not valid.
    fn verdict(&self, node: &Meta) -> Option<bool> {
        let matches = self.matches(node);
        (matches || !self.has_invalid || !self.selects(node)).then_some(matches)
    }

    fn allows(&self, node: &Meta) -> bool {
        self.added.as_ref().is_none_or(|terms| terms.iter().any(|term| term.matches(node)))
    }
}

/// The names of the only nodes that the terms allow; absent where they allow others by their labels.
fn only_names(selector: &v1::NodeSelector) -> Option<BTreeSet<Name>> {
    let mut names = BTreeSet::new();
    for term in &selector.node_selector_terms {
        let mut of_term: Option<BTreeSet<Name>> = None;
        for field in term.match_fields.iter().flatten() {
            if field.key == "metadata.name" && field.operator == "In" {
                let values: BTreeSet<Name> = field.values.iter().flatten().map(Name::from).collect();
                of_term = Some(match of_term {
                    None => values,
                    Some(before) => before.intersection(&values).cloned().collect(),
                });
            }
        }
        names.extend(of_term?);
    }
    (!selector.node_selector_terms.is_empty()).then_some(names)
}

impl Plugin for NodeAffinity {
    fn pre_filter(&self, cycle: &Cycle) -> PreFilter {
        let wanted = Required::of(cycle.pod, &cycle.args.node_affinity);
        let has_selector = cycle.pod.body.spec.full.node_selector.is_some();
        if wanted.terms.is_none() && wanted.added.is_none() && !has_selector {
            return PreFilter::Skip;
        }
        match required(affinity(cycle.pod)).and_then(only_names) {
            Some(names) if names.is_empty() => {
                PreFilter::Reject(Status::fixed(Code::UnschedulableAndUnresolvable, REASON_CONFLICT))
            }
            Some(names) => PreFilter::Nodes(names, Box::new(wanted)),
            None => PreFilter::Filter(Box::new(wanted)),
        }
    }

    fn pre_score(&self, cycle: &Cycle, _feasible: &[NodeIndex]) -> PreScore {
        let added = preferred(cycle.args.node_affinity.added.as_ref()).filter(|terms| !terms.is_empty());
        let own = preferred(affinity(cycle.pod));
        if own.is_none() && added.is_none() {
            return PreScore::Skip;
        }
        let mut weighted = Vec::new();
        let mut errors = Vec::new();
        for (place, preference) in added.into_iter().flatten().enumerate().chain(own.into_iter().flatten().enumerate())
        {
            if preference.weight == 0 || is_empty(&preference.preference) {
                continue;
            }
            match Term::of(&preference.preference, &format!("[{place}].")) {
                Ok(term) => weighted.push((i64::from(preference.weight), term)),
                Err(more) => errors.extend(more),
            }
        }
        match errors.as_slice() {
            [] => {}
            [error] => return PreScore::Fail(error.clone()),
            several => return PreScore::Fail(format!("[{}]", several.join(", "))),
        }
        PreScore::Score(Box::new(Preferred { weighted }))
    }

    fn hint(&self, event: &ClusterEvent, pod: &Obj<Pod>, args: &PluginArgs) -> bool {
        let wanted = Required::of(pod, &args.node_affinity);
        let (old, Some(new)) = event.node() else { return false };
        wanted.allows(&new.meta)
            && match wanted.verdict(&new.meta) {
                None => true,
                Some(false) => false,
                Some(true) => old.is_none_or(|old| wanted.verdict(&old.meta) != Some(true)),
            }
    }
}

impl NodeFilter for Required {
    fn check(&self, _cluster: &Cluster, node: NodeView) -> Option<Status> {
        let meta = &node.info.node.as_ref()?.meta;
        let reason = match (self.allows(meta), self.matches(meta)) {
            (true, true) => return None,
            (false, _) => REASON_ENFORCED,
            (true, false) => REASON_POD,
        };
        Some(Status::fixed(Code::UnschedulableAndUnresolvable, reason))
    }

    fn reach(&self) -> Reach {
        Reach::Object
    }
}

/// Preferred terms with their weights.
#[derive(Debug)]
struct Preferred {
    weighted: Vec<(i64, Term)>,
}

impl NodeScore for Preferred {
    fn score(&self, _cluster: &Cluster, node: NodeView) -> i64 {
        let Some(node) = &node.info.node else { return 0 };
        self.weighted.iter().filter(|(_, term)| term.matches(&node.meta)).map(|(weight, _)| weight).sum()
    }

    fn reach(&self) -> Reach {
        Reach::Object
    }

    fn normalizes(&self) -> bool {
        true
    }

    fn normalize(&self, scores: &mut [i64]) {
        normalize(scores, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Object;
    use crate::scheduler::testing::{check_filter, check_prefilter, check_scores};

    const REJECTED: Option<&str> =
        Some("UnschedulableAndUnresolvable: node(s) didn't match Pod's node affinity/selector");
    const NODE: &str = "{metadata: {labels: {disk: ssd, generation: '4'}}}";

    #[test]
    fn a_change_of_a_node_helps_where_it_comes_to_match() {
        let pod = |terms: &str| {
            let spec = format!(
                "{{containers: [], nodeSelector: {{disk: ssd}}, affinity: {{nodeAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: {{nodeSelectorTerms: [{terms}]}}}}}}}}"
            );
            crate::scheduler::testing::pod("pod", &spec)
        };
        let object = |labels: &str| {
            let node = crate::scheduler::testing::node("node", &format!("{{metadata: {{labels: {{{labels}}}}}}}"));
            Some(Object::Node(node))
        };
        #[track_caller]
        fn check(pod: &Obj<Pod>, old: Option<Object>, new: Option<Object>, expected: bool) {
            let event = ClusterEvent { kind: EventKind::NodeLabel, old, new };
            assert_eq!(NodeAffinity.hint(&event, pod, &PluginArgs::upstream()), expected);
        }
        let exists = &pod("{matchExpressions: [{key: a, operator: Exists}]}");
        check(exists, None, object("disk: ssd, a: x"), true);
        check(exists, None, object("disk: hdd, a: x"), false);
        check(exists, object("a: x"), object("disk: ssd, a: x"), true);
        check(exists, object("disk: ssd, a: x"), object("disk: ssd, a: y"), false);
        let invalid = &pod("{matchExpressions: [{key: a, operator: Near}]}");
        check(invalid, None, object("disk: ssd"), true);
        check(invalid, None, object("disk: hdd"), false);
    }

    #[track_caller]
    fn check_error(preferences: &str, expected: &str) {
        let spec = format!(
            "{{containers: [], affinity: {{nodeAffinity: {{preferredDuringSchedulingIgnoredDuringExecution: [{preferences}]}}}}}}"
        );
        let (cluster, args) = (Cluster::default(), PluginArgs::upstream());
        let cycle = Cycle { pod: &crate::scheduler::testing::pod("pod", &spec), cluster: &cluster, args: &args };
        let PreScore::Fail(error) = NodeAffinity.pre_score(&cycle, &[]) else { panic!("the preference is not valid") };
        assert_eq!(error, expected);
    }

    #[test]
    fn a_preference_that_is_not_valid_fails_the_cycle() {
        let preference = |conditions: &str| format!("{{weight: 1, preference: {{{conditions}}}}}");
        check_error(
            &preference("matchExpressions: [{key: a, operator: Near}]"),
            "[0].matchExpressions[0].operator: Unsupported value: \"Near\": supported values: \"In\", \"NotIn\", \"Exists\", \"DoesNotExist\", \"Gt\", \"Lt\"",
        );
        let fields = "matchFields: [{key: metadata.name, operator: In, values: [a, b]}, {key: x, operator: Exists}]";
        check_error(
            &format!("{{weight: 0, preference: {{matchFields: [{{key: x, operator: Gt}}]}}}}, {}", preference(fields)),
            "[[1].matchFields[0].values: Invalid value: 2: must have one element, [1].matchFields[1].operator: Unsupported value: \"Exists\": supported values: \"In\", \"NotIn\"]",
        );
    }

    #[track_caller]
    fn check(terms: &str, expected: Option<&str>) {
        let pod = format!(
            "{{containers: [], affinity: {{nodeAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: {{nodeSelectorTerms: [{terms}]}}}}}}}}"
        );
        check_filter("NodeAffinity", &pod, NODE, expected);
    }

    #[test]
    fn a_node_selector_asks_for_exact_labels() {
        check_filter("NodeAffinity", "{containers: [], nodeSelector: {disk: ssd}}", NODE, None);
        check_filter("NodeAffinity", "{containers: [], nodeSelector: {disk: hdd}}", NODE, REJECTED);
        check_filter("NodeAffinity", "{containers: [], nodeSelector: {zone: ''}}", NODE, REJECTED);
    }

    #[test]
    fn terms_are_alternatives_and_their_conditions_are_not() {
        check(
            "{matchExpressions: [{key: disk, operator: In, values: [ssd]}, {key: generation, operator: Gt, values: ['3']}]}",
            None,
        );
        check(
            "{matchExpressions: [{key: disk, operator: In, values: [ssd]}, {key: generation, operator: Gt, values: ['4']}]}",
            REJECTED,
        );
        check(
            "{matchExpressions: [{key: disk, operator: Exists}]}, {matchExpressions: [{key: x, operator: Exists}]}",
            None,
        );
        check("{matchFields: [{key: metadata.name, operator: NotIn, values: [node]}]}", REJECTED);
        check("{matchFields: [{key: metadata.name, operator: NotIn, values: [other]}]}", None);
        check("{matchFields: [{key: spec.x, operator: NotIn, values: [other]}]}", None);
        check("{matchFields: [{key: spec.x, operator: In, values: [other]}]}", REJECTED);
        check("{matchFields: [{key: spec.x, operator: In, values: ['']}]}", None);
    }

    #[test]
    fn empty_and_invalid_terms_match_nothing() {
        check("{}", REJECTED);
        check("", REJECTED);
        check("{}, {matchExpressions: [{key: disk, operator: Exists}]}", None);
        check("{matchExpressions: [{key: disk, operator: Near}]}", REJECTED);
        check("{matchExpressions: [{key: generation, operator: Gt, values: [x]}]}", REJECTED);
        check("{matchExpressions: [{key: generation, operator: Gt, values: ['1', '2']}]}", REJECTED);
        check("{matchExpressions: [{key: generation, operator: Gt, values: ['-1']}]}", REJECTED);
        check("{matchExpressions: [{key: disk, operator: Lt, values: ['5']}]}", REJECTED);
        check("{matchExpressions: [{key: absent, operator: Lt, values: ['5']}]}", REJECTED);
        check("{matchExpressions: [{key: disk, operator: In}]}", REJECTED);
        check("{matchFields: [{key: metadata.name, operator: NotIn, values: [a, b]}]}", REJECTED);
    }

    #[test]
    fn names_of_nodes_restrict_the_search() {
        let pod = |terms: &str| {
            format!(
                "{{containers: [], affinity: {{nodeAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: {{nodeSelectorTerms: [{terms}]}}}}}}}}"
            )
        };
        let names = |values: &str| format!("{{key: metadata.name, operator: In, values: [{values}]}}");
        let one = format!("{{matchFields: [{}]}}", names("a"));
        let both = format!("{{matchFields: [{}, {}]}}", names("a"), names("b"));
        check_prefilter("NodeAffinity", &pod(&one), "nodes a");
        check_prefilter("NodeAffinity", &pod(&format!("{one}, {{matchFields: [{}]}}", names("b"))), "nodes a b");
        check_prefilter("NodeAffinity", &pod(&both), "UnschedulableAndUnresolvable: pod affinity terms conflict");
        let labels = "{matchExpressions: [{key: disk, operator: Exists}]}";
        check_prefilter("NodeAffinity", &pod(&format!("{one}, {labels}")), "filter");
        check_prefilter("NodeAffinity", "{containers: []}", "skip");
    }

    #[test]
    fn preferred_weights_add_up_and_are_scaled() {
        let term = |weight: i32, key: &str| {
            format!("{{weight: {weight}, preference: {{matchExpressions: [{{key: {key}, operator: Exists}}]}}}}")
        };
        let pod = format!(
            "{{containers: [], affinity: {{nodeAffinity: {{preferredDuringSchedulingIgnoredDuringExecution: [{}, {}]}}}}}}",
            term(10, "a"),
            term(20, "b")
        );
        let nodes = ["{}", "{metadata: {labels: {a: x}}}", "{metadata: {labels: {a: x, b: x}}}"];
        check_scores("NodeAffinity", &pod, &nodes, Some(&[0, 33, 100]));
        check_scores("NodeAffinity", "{containers: []}", &nodes, None);
    }
}
