//! Spread constraints as filter and score read them: own or default ones, the nodes that they count, the pods that they
//! select. Upstream: `pkg/scheduler/framework/plugins/podtopologyspread/common.go`.

use k8s_openapi::api::core::v1;

use super::super::node_affinity::Required;
use super::super::taint_toleration::untolerated;
use crate::api::selector::Requirement;
use crate::api::{Labels, Name, Obj, Pod, Selector};
use crate::scheduler::owners::equals;
use crate::scheduler::{ClassIndex, Cluster, Cycle, Defaulting, NodeInfo, NodeView, Owners, PodClass, SpreadArgs};

/// The label of hosts, which are counted by themselves in scores.
pub(super) const HOSTNAME: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";

/// `whenUnsatisfiable`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    /// The constraint rejects nodes.
    DoNotSchedule,
    /// The constraint scores nodes.
    ScheduleAnyway,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Action::DoNotSchedule => "DoNotSchedule",
            Action::ScheduleAnyway => "ScheduleAnyway",
        }
    }
}

/// One constraint with its selector parsed. Upstream: `topologySpreadConstraint`.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Constraint {
    /// `maxSkew`.
    pub(super) max_skew: i64,
    /// `topologyKey`.
    pub(super) topology_key: Name,
    /// `labelSelector`, with the pod's own labels of `matchLabelKeys`.
    pub(super) selector: Selector,
    /// `minDomains`.
    pub(super) min_domains: i64,
    /// Whether `nodeAffinityPolicy` is Honor: only nodes that the pod's node selector and affinity allow count.
    pub(super) honors_affinity: bool,
    /// Whether `nodeTaintsPolicy` is Honor: only nodes whose taints the pod tolerates count.
    pub(super) honors_taints: bool,
}

impl Constraint {
    fn of(constraint: &v1::TopologySpreadConstraint, labels: &Labels) -> Result<Constraint, String> {
        let selector = Selector::from_label_selector(constraint.label_selector.as_ref())?;
        let keys = constraint.match_label_keys.iter().flatten();
        let own: Labels = keys.filter_map(|key| Some((Name::from(key), labels.get(key)?.clone()))).collect();
        Ok(Constraint {
            max_skew: i64::from(constraint.max_skew),
            topology_key: constraint.topology_key.as_str().into(),
            selector: with_labels(selector, &own),
            min_domains: i64::from(constraint.min_domains.unwrap_or(1)),
            honors_affinity: constraint.node_affinity_policy.as_deref().unwrap_or("Honor") == "Honor",
            honors_taints: constraint.node_taints_policy.as_deref() == Some("Honor"),
        })
    }

    fn of_system(topology_key: &str, max_skew: i64) -> Constraint {
        Constraint {
            max_skew,
            topology_key: topology_key.into(),
            selector: Selector::Nothing,
            min_domains: 1,
            honors_affinity: true,
            honors_taints: false,
        }
    }

    /// Whether the selector selects pods with these labels.
    pub(super) fn selects(&self, labels: &Labels) -> bool {
        self.selector.matches(|key| labels.get(key).map(Name::as_str))
    }

    /// The domain of a node; nothing where it lacks the label.
    pub(super) fn value<'n>(&self, node: &NodeView<'n>) -> Option<&'n str> {
        node.info.node.as_ref()?.meta.labels.get(&self.topology_key).map(Name::as_str)
    }

    /// Whether a node is one of those over which pods are to be spread.
    pub(super) fn counts(&self, judged: Judged) -> bool {
        (!self.honors_affinity || judged.affinity) && (!self.honors_taints || judged.taints)
    }
}

/// Upstream: `mergeLabelSetWithSelector`.
fn with_labels(selector: Selector, labels: &Labels) -> Selector {
    match selector {
        Selector::Nothing => Selector::Nothing,
        Selector::All(requirements) => {
            let own = labels.iter().map(|(key, value)| equals(key, value));
            let all: Vec<Requirement> = own.chain(requirements).collect();
            Selector::from_requirements(all)
        }
    }
}

/// Whether the pod brings constraints of its own, so that no default holds.
pub(super) fn has_own(pod: &Obj<Pod>) -> bool {
    own(pod).next().is_some()
}

fn own(pod: &Obj<Pod>) -> impl Iterator<Item = &v1::TopologySpreadConstraint> {
    pod.body.spec.full.topology_spread_constraints.iter().flatten()
}

fn parsed<'c>(
    constraints: impl Iterator<Item = &'c v1::TopologySpreadConstraint>,
    labels: &Labels,
    action: Action,
) -> Result<Vec<Constraint>, String> {
    let wanted = constraints.filter(|constraint| constraint.when_unsatisfiable == action.as_str());
    wanted.map(|constraint| Constraint::of(constraint, labels)).collect()
}

/// The default constraints of the profile, which have no selector yet.
fn defaults(pod: &Obj<Pod>, args: &SpreadArgs, action: Action) -> Result<Vec<Constraint>, String> {
    match (args.defaulting_type, action) {
        (Defaulting::System, Action::DoNotSchedule) => Ok(Vec::new()),
        (Defaulting::System, Action::ScheduleAnyway) => {
            Ok(vec![Constraint::of_system(HOSTNAME, 3), Constraint::of_system(ZONE, 5)])
        }
        (Defaulting::List, _) => parsed(args.default_constraints.iter(), &pod.meta.labels, action),
    }
}

/// The constraints that hold for a pod: its own, or else those of the profile, which have no selector yet.
pub(super) fn without_selector(pod: &Obj<Pod>, args: &SpreadArgs, action: Action) -> Result<Vec<Constraint>, String> {
    match has_own(pod) {
        true => parsed(own(pod), &pod.meta.labels, action),
        false => defaults(pod, args, action),
    }
}

/// The constraints that hold for a pod: its own, or the profile's if something selects the pod.
/// Upstream: `getConstraints`, `buildDefaultConstraints`.
pub(super) fn constraints(
    pod: &Obj<Pod>,
    owners: &Owners,
    args: &SpreadArgs,
    action: Action,
) -> Result<Vec<Constraint>, String> {
    let mut constraints = without_selector(pod, args, action)?;
    if constraints.is_empty() || has_own(pod) {
        return Ok(constraints);
    }
    let selector = owners.default_selector(pod);
    if selector.is_everything() {
        return Ok(Vec::new());
    }
    for constraint in &mut constraints {
        constraint.selector = selector.clone();
    }
    Ok(constraints)
}

/// Whether a node has the labels of all constraints. Upstream: `nodeLabelsMatchSpreadConstraints`.
pub(super) fn has_all(node: &NodeView, constraints: &[Constraint]) -> bool {
    constraints.iter().all(|constraint| constraint.value(node).is_some())
}

/// What the pod has against a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged {
    /// Whether its node selector and its required node affinity allow the node.
    affinity: bool,
    /// Whether it tolerates the taints.
    taints: bool,
}

/// Judges nodes, so far as any of the constraints cares.
pub(super) struct Judge {
    required: Option<Required>,
    /// By the number of a list of taints.
    tolerated: Vec<bool>,
}

impl Judge {
    /// A judge for a pod with these constraints.
    pub(super) fn of(cycle: &Cycle, constraints: &[Constraint]) -> Judge {
        let cares = |honors: fn(&Constraint) -> bool| constraints.iter().any(honors);
        let required =
            cares(|constraint| constraint.honors_affinity).then(|| Required::of(cycle.pod, &cycle.args.node_affinity));
        let mut tolerated = Vec::new();
        if cares(|constraint| constraint.honors_taints) {
            let tolerations = cycle.pod.body.spec.tolerations();
            let lists = cycle.cluster.nodes.taints.iter();
            tolerated = lists.map(|taints| untolerated(taints, tolerations).is_none()).collect();
        }
        Judge { required, tolerated }
    }

    /// Judges a node.
    pub(super) fn judge(&self, node: NodeView) -> Judged {
        let allows = |required: &Required| node.info.node.as_ref().is_some_and(|node| required.matches(&node.meta));
        Judged {
            affinity: self.required.as_ref().is_none_or(allows),
            taints: self.tolerated.get(node.row.taints as usize).copied().unwrap_or(true),
        }
    }
}

/// The pods that a constraint counts: those of the pod's namespace that its selector selects and that are not about
/// to go. Upstream: `countPodsMatchSelector`.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    namespace: Name,
    selector: Selector,
}

impl Counted {
    pub(super) fn of(cycle: &Cycle, constraint: &Constraint) -> Counted {
        Counted { namespace: cycle.pod.meta.namespace.clone(), selector: constraint.selector.clone() }
    }

    /// Whether pods of a class count. A selector of everything counts nothing.
    pub(super) fn has(&self, class: &PodClass) -> bool {
        !class.terminating
            && class.namespace == self.namespace
            && !self.selector.is_everything()
            && self.selector.matches(|key| class.label(key))
    }
}

/// Counts those pods on nodes; each class is judged once.
#[derive(Clone, Debug)]
pub(super) struct Counter {
    counted: Counted,
    /// By class, so far as classes are known.
    classes: Vec<bool>,
}

impl Counter {
    pub(super) fn of(cycle: &Cycle, constraint: &Constraint) -> Counter {
        let (counted, classes) = (Counted::of(cycle, constraint), &cycle.cluster.classes);
        let known = (0..classes.len()).map(|class| counted.has(classes.get(class as ClassIndex))).collect();
        Counter { counted, classes: known }
    }

    /// How many a node has.
    pub(super) fn on(&self, cluster: &Cluster, node: &NodeInfo) -> i64 {
        let has = |class: ClassIndex| match self.classes.get(class as usize) {
            Some(known) => *known,
            None => self.counted.has(cluster.classes.get(class)),
        };
        node.classes.iter().filter(|(class, _)| has(*class)).map(|(_, pods)| i64::from(*pods)).sum()
    }
}
