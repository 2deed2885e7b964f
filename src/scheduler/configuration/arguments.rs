//! `pluginConfig`: what a profile tells its plugins. Upstream: `types_pluginargs.go`, `v1/defaults.go`,
//! `validation/validation_pluginargs.go`, `component-helpers/scheduling/corev1/nodeaffinity`.
//!
//! Left out: DynamicResources' `filterTimeout` is read and has no effect.

use k8s_openapi::api::core::v1;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::file::PluginConfigFile;
use super::{API_VERSION, Complaints, SECONDS_MAX};
use crate::api::located::{Node, Place};
use crate::api::text::is_qualified_name;
use crate::api::{Quantity, Selector};
use crate::kernel::Span;
use crate::scheduler::cards::CardAsk;
use crate::scheduler::plugins::node_resources_fit::{Scored, Shape, Strategy};
use crate::scheduler::plugins::placement_policy::{Chosen, TypicalPods};
use crate::scheduler::policies::{self, CARD, MAX_CARDS};
use crate::scheduler::{Defaulting, PluginArgs, plugins};

const STRATEGIES: [&str; 3] = ["LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"];
const WHEN_UNSATISFIABLE: [&str; 2] = ["DoNotSchedule", "ScheduleAnyway"];

#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default, rename = "DefaultPreemptionArgs")]
struct PreemptionFile {
    #[serde(rename = "apiVersion")]
    _api_version: Option<String>,
    #[serde(rename = "kind")]
    _kind: Option<String>,
    min_candidate_nodes_percentage: Option<i32>,
    min_candidate_nodes_absolute: Option<i32>,
}

#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default, rename = "DynamicResourcesArgs")]
struct DynamicResourcesFile {
    #[serde(rename = "apiVersion")]
    _api_version: Option<String>,
    #[serde(rename = "kind")]
    _kind: Option<String>,
    filter_timeout: Option<String>,
}

#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default, rename = "InterPodAffinityArgs")]
struct InterPodAffinityFile {
    #[serde(rename = "apiVersion")]
    _api_version: Option<String>,
    #[serde(rename = "kind")]
    _kind: Option<String>,
    hard_pod_affinity_weight: Option<i32>,
    ignore_preferred_terms_of_existing_pods: Option<bool>,
}

#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default, rename = "NodeAffinityArgs")]
struct NodeAffinityFile {
    #[serde(rename = "apiVersion")]
    _api_version: Option<String>,
    #[serde(rename = "kind")]
    _kind: Option<String>,
    added_affinity: Option<v1::NodeAffinity>,
}

#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default, rename = "NodeResourcesBalancedAllocationArgs")]
struct BalancedFile {
    #[serde(rename = "apiVersion")]
    _api_version: Option<String>,
    #[serde(rename = "kind")]
    _kind: Option<String>,
    resources: Option<Vec<ResourceFile>>,
}

#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default, rename = "NodeResourcesFitArgs")]
struct FitFile {
    #[serde(rename = "apiVersion")]
    _api_version: Option<String>,
    #[serde(rename = "kind")]
    _kind: Option<String>,
    ignored_resources: Option<Vec<String>>,
    ignored_resource_groups: Option<Vec<String>>,
    scoring_strategy: Option<StrategyFile>,
}

#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default, rename = "ScoringStrategy")]
struct StrategyFile {
    #[serde(rename = "type")]
    kind: Option<String>,
    resources: Option<Vec<ResourceFile>>,
    requested_to_capacity_ratio: Option<RatioFile>,
}

#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default, rename = "RequestedToCapacityRatioParam")]
struct RatioFile {
    shape: Option<Vec<PointFile>>,
}

#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default, rename = "UtilizationShapePoint")]
struct PointFile {
    utilization: i32,
    score: i32,
}

/// A weight of zero counts as not given, which is one.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "ResourceSpec")]
struct ResourceFile {
    name: String,
    weight: Option<i64>,
}

impl ResourceFile {
    fn weight(&self) -> i64 {
        self.weight.filter(|weight| *weight != 0).unwrap_or(1)
    }
}

#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default, rename = "PlacementPolicyArgs")]
struct PlacementFile {
    #[serde(rename = "apiVersion")]
    _api_version: Option<String>,
    #[serde(rename = "kind")]
    _kind: Option<String>,
    policy: Option<String>,
    typical: Option<Vec<TypicalFile>>,
}

/// Pods that are typical. CPU is a quantity; cards are as the pods' annotations have them.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "TypicalPods")]
struct TypicalFile {
    count: u32,
    cpu: Option<Quantity>,
    gpu_count: Option<u8>,
    gpu_milli: Option<i16>,
    gpu_card_model: Option<String>,
}

#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default, rename = "PodTopologySpreadArgs")]
struct SpreadFile {
    #[serde(rename = "apiVersion")]
    _api_version: Option<String>,
    #[serde(rename = "kind")]
    _kind: Option<String>,
    default_constraints: Option<Vec<v1::TopologySpreadConstraint>>,
    defaulting_type: Option<String>,
}

#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default, rename = "VolumeBindingArgs")]
struct VolumeBindingFile {
    #[serde(rename = "apiVersion")]
    _api_version: Option<String>,
    #[serde(rename = "kind")]
    _kind: Option<String>,
    bind_timeout_seconds: Option<i64>,
    shape: Option<Vec<PointFile>>,
}

/// The arguments of all plugins: upstream's defaults where nothing is said.
pub(super) fn read(files: &[PluginConfigFile], place: &Place<'_>, complaints: &mut Complaints) -> PluginArgs {
    let mut args = PluginArgs::upstream();
    for (index, file) in files.iter().enumerate() {
        let place = place.index(index);
        let name = file.name.as_str();
        if files[..index].iter().any(|before| before.name == name) {
            complaints.duplicate(&place.key("name"), name);
            continue;
        }
        let here = &place.key("args");
        match name {
            "DefaultPreemption" => preemption(&mut args, here, complaints),
            "DynamicResources" => dynamic_resources(here, complaints),
            "InterPodAffinity" => inter_pod_affinity(&mut args, here, complaints),
            "NodeAffinity" => node_affinity(&mut args, here, complaints),
            "NodeResourcesBalancedAllocation" => balanced(&mut args, here, complaints),
            "NodeResourcesFit" => fit(&mut args, here, complaints),
            "PlacementPolicy" => placement(&mut args, here, complaints),
            "PodTopologySpread" => spread(&mut args, here, complaints),
            "VolumeBinding" => volume_binding(&mut args, here, complaints),
            other if plugins::ALL.iter().any(|entry| entry.name == other) => {
                if file.args.as_ref().is_some_and(|args| !args.is_null()) {
                    complaints.say(here.error(format!("{name} takes no arguments")));
                }
            }
            _ => super::plugins::unknown(name, &place.key("name"), complaints),
        }
    }
    args
}

/// The arguments of a plugin; none where there are none or they cannot be read. Their version and kind may be left out.
fn typed<T: DeserializeOwned + Default>(plugin: &str, place: &Place<'_>, complaints: &mut Complaints) -> Option<T> {
    if place.value().is_none_or(|located| located.value == Node::Null) {
        return Some(T::default());
    }
    let wanted = format!("{plugin}Args");
    for (key, wanted) in [("apiVersion", API_VERSION), ("kind", wanted.as_str())] {
        let place = place.key(key);
        if let Some(found) = place.text().filter(|found| !found.is_empty() && *found != wanted) {
            let message = format!("args for plugin {plugin} were not of type {wanted}, got {found}");
            complaints.say(place.error_help(message, format!("write {wanted}")));
            return None;
        }
    }
    place.read().map_err(|errors| complaints.extend(errors)).ok()
}

fn preemption(args: &mut PluginArgs, place: &Place<'_>, complaints: &mut Complaints) {
    let Some(file) = typed::<PreemptionFile>("DefaultPreemption", place, complaints) else { return };
    let args = &mut args.preemption;
    let (percentage, absolute) = (place.key("minCandidateNodesPercentage"), place.key("minCandidateNodesAbsolute"));
    if let Some(given) = file.min_candidate_nodes_percentage {
        complaints.in_range(&percentage, given, 0, 100);
        args.min_candidate_nodes_percentage = given.into();
    }
    if let Some(given) = file.min_candidate_nodes_absolute {
        if given < 0 {
            complaints.invalid(&absolute, given, "not in valid range [0, inf)");
        }
        args.min_candidate_nodes_absolute = given.into();
    }
    if args.min_candidate_nodes_percentage == 0 && args.min_candidate_nodes_absolute == 0 {
        complaints.invalid(&percentage, 0, "cannot be zero at the same time as minCandidateNodesAbsolute");
        complaints.invalid(&absolute, 0, "cannot be zero at the same time as minCandidateNodesPercentage");
    }
}

fn dynamic_resources(place: &Place<'_>, complaints: &mut Complaints) {
    let Some(file) = typed::<DynamicResourcesFile>("DynamicResources", place, complaints) else { return };
    if let Some(Err(error)) = file.filter_timeout.as_deref().map(str::parse::<Span>) {
        complaints.say(place.key("filterTimeout").error(error.to_string()));
    }
}

fn inter_pod_affinity(args: &mut PluginArgs, place: &Place<'_>, complaints: &mut Complaints) {
    let Some(file) = typed::<InterPodAffinityFile>("InterPodAffinity", place, complaints) else { return };
    let args = &mut args.inter_pod_affinity;
    if let Some(weight) = file.hard_pod_affinity_weight {
        complaints.in_range(&place.key("hardPodAffinityWeight"), weight, 0, 100);
        args.hard_pod_affinity_weight = weight.into();
    }
    if let Some(ignores) = file.ignore_preferred_terms_of_existing_pods {
        args.ignore_preferred_terms_of_existing_pods = ignores;
    }
}

fn node_affinity(args: &mut PluginArgs, place: &Place<'_>, complaints: &mut Complaints) {
    let Some(file) = typed::<NodeAffinityFile>("NodeAffinity", place, complaints) else { return };
    let Some(mut added) = file.added_affinity else { return };
    let place = place.key("addedAffinity");
    if let Some(required) = &added.required_during_scheduling_ignored_during_execution {
        let place = place.key("requiredDuringSchedulingIgnoredDuringExecution").key("nodeSelectorTerms");
        for (index, term) in required.node_selector_terms.iter().enumerate() {
            selector_term(term, &place.index(index), complaints);
        }
    }
    let preferred = &mut added.preferred_during_scheduling_ignored_during_execution;
    let place = place.key("preferredDuringSchedulingIgnoredDuringExecution");
    for (index, term) in preferred.iter().flatten().enumerate().filter(|(_, term)| term.weight != 0) {
        selector_term(&term.preference, &place.index(index).key("preference"), complaints);
    }
    // None and no list are the same here, unlike in a pod.
    if preferred.as_ref().is_some_and(Vec::is_empty) {
        *preferred = None;
    }
    args.node_affinity.added = Some(added);
}

fn selector_term(term: &v1::NodeSelectorTerm, place: &Place<'_>, complaints: &mut Complaints) {
    for (index, expression) in term.match_expressions.iter().flatten().enumerate() {
        if let Err(message) = Selector::from_node_requirements(std::slice::from_ref(expression), "") {
            complaints.say(place.key("matchExpressions").index(index).error(message));
        }
    }
    for (index, field) in term.match_fields.iter().flatten().enumerate() {
        let place = place.key("matchFields").index(index);
        let values = field.values.as_deref().unwrap_or_default();
        match field.operator.as_str() {
            "In" | "NotIn" if values.len() == 1 => {}
            "In" | "NotIn" => complaints.invalid(&place.key("values"), values, "must have one element"),
            other => complaints.not_supported(&place.key("operator"), other, &["In", "NotIn"]),
        }
    }
}

fn balanced(args: &mut PluginArgs, place: &Place<'_>, complaints: &mut Complaints) {
    let Some(file) = typed::<BalancedFile>("NodeResourcesBalancedAllocation", place, complaints) else { return };
    let Some(resources) = file.resources.filter(|resources| !resources.is_empty()) else { return };
    let place = place.key("resources");
    for (index, resource) in resources.iter().enumerate() {
        let place = place.index(index);
        if resources[..index].iter().any(|before| before.name == resource.name) {
            complaints.duplicate(&place.key("name"), resource.name.as_str());
        }
        if resource.weight() != 1 {
            complaints.invalid(&place.key("weight"), resource.weight(), "must be 1");
        }
    }
    args.balanced.resources = resources.iter().map(|resource| Scored::named(&resource.name)).collect();
}

fn fit(args: &mut PluginArgs, place: &Place<'_>, complaints: &mut Complaints) {
    let Some(file) = typed::<FitFile>("NodeResourcesFit", place, complaints) else { return };
    let ignored = file.ignored_resources.unwrap_or_default();
    for (index, name) in ignored.iter().enumerate() {
        complaints.each(&place.key("ignoredResources").index(index), name, is_qualified_name(name));
    }
    let groups = file.ignored_resource_groups.unwrap_or_default();
    for (index, group) in groups.iter().enumerate() {
        let place = place.key("ignoredResourceGroups").index(index);
        if group.contains('/') {
            complaints.invalid(&place, group.as_str(), "resource group name can't contain '/'");
        }
        complaints.each(&place, group, is_qualified_name(group));
    }
    args.fit.ignored_resources = ignored.into_iter().map(Into::into).collect();
    args.fit.ignored_groups = groups.into_iter().map(Into::into).collect();
    if let Some(strategy) = file.scoring_strategy {
        scoring_strategy(&strategy, args, &place.key("scoringStrategy"), complaints);
    }
}

fn scoring_strategy(file: &StrategyFile, args: &mut PluginArgs, place: &Place<'_>, complaints: &mut Complaints) {
    let resources = file.resources.as_deref().unwrap_or_default();
    for (index, resource) in
        resources.iter().enumerate().filter(|(_, resource)| !(1..=100).contains(&resource.weight()))
    {
        let detail = format!("resource weight of {} not in valid range (0, 100]", resource.name);
        complaints.invalid(&place.key("resources").index(index).key("weight"), resource.weight(), detail);
    }
    if !resources.is_empty() {
        let weighted = |resource: &ResourceFile| (Scored::named(&resource.name), resource.weight());
        args.fit.resources = resources.iter().map(weighted).collect();
    }
    let kind = file.kind.as_deref().unwrap_or_default();
    let ratio_place = place.key("requestedToCapacityRatio");
    let shape = file.requested_to_capacity_ratio.as_ref().map(|ratio| {
        let points = ratio.shape.as_deref().unwrap_or_default();
        check_shape(points, &ratio_place.key("shape"), complaints);
        Shape::new(points.iter().map(|point| (point.utilization.into(), point.score.into())))
    });
    args.fit.strategy = match (kind, shape) {
        ("LeastAllocated", _) => Strategy::LeastAllocated,
        ("MostAllocated", _) => Strategy::MostAllocated,
        ("RequestedToCapacityRatio", Some(shape)) => Strategy::RequestedToCapacityRatio(shape),
        ("RequestedToCapacityRatio", None) => {
            return complaints.required(&ratio_place, "must be specified when type is RequestedToCapacityRatio");
        }
        (other, _) => return complaints.not_supported(&place.key("type"), other, &STRATEGIES),
    };
}

fn check_shape(points: &[PointFile], place: &Place<'_>, complaints: &mut Complaints) {
    if points.is_empty() {
        return complaints.required(place, "at least one point must be specified");
    }
    let falling = points.windows(2).position(|pair| pair[0].utilization >= pair[1].utilization);
    if let Some(before) = falling {
        let detail = "values must be sorted in increasing order";
        let place = place.index(before + 1).key("utilization");
        complaints.invalid(&place, points[before + 1].utilization, detail);
    }
    for (index, point) in points.iter().enumerate() {
        complaints.in_range(&place.index(index).key("utilization"), point.utilization, 0, 100);
        complaints.in_range(&place.index(index).key("score"), point.score, 0, 10);
    }
}

fn placement(args: &mut PluginArgs, place: &Place<'_>, complaints: &mut Complaints) {
    let Some(file) = typed::<PlacementFile>("PlacementPolicy", place, complaints) else { return };
    match file.policy.as_deref() {
        None => complaints.required(&place.key("policy"), "the name of a policy: see wavetank list policies"),
        Some(name) => match policies::named(name) {
            Some(policy) => args.placement.policy = Some(Chosen(policy)),
            None => {
                let names: Vec<&str> = policies::ALL.iter().map(|policy| policy.name()).collect();
                complaints.say(place.key("policy").unknown_name(format!("no policy is named {name:?}"), name, &names));
            }
        },
    }
    let Some(typical) = file.typical else { return };
    let place = place.key("typical");
    let mut pods = Vec::new();
    for (index, file) in typical.iter().enumerate() {
        let place = place.index(index);
        complaints.in_range(&place.key("count"), file.count, 1, i64::from(u32::MAX));
        complaints.in_range(&place.key("gpuCount"), file.gpu_count.unwrap_or(0), 0, MAX_CARDS as i64);
        complaints.in_range(&place.key("gpuMilli"), file.gpu_milli.unwrap_or(CARD), 1, i64::from(CARD));
        let cards = file.gpu_count.or(file.gpu_milli.map(|_| 1)).filter(|cards| *cards > 0);
        pods.push(TypicalPods {
            milli_cpu: file.cpu.as_ref().map_or(0, Quantity::milli_value),
            cards: cards.map(|cards| CardAsk {
                cards,
                milli: file.gpu_milli.unwrap_or(CARD),
                models: file.gpu_card_model.as_deref().unwrap_or_default().into(),
            }),
            count: file.count,
        });
    }
    args.placement.typical = Some(pods.into());
}

fn spread(args: &mut PluginArgs, place: &Place<'_>, complaints: &mut Complaints) {
    let Some(file) = typed::<SpreadFile>("PodTopologySpread", place, complaints) else { return };
    let constraints = file.default_constraints.unwrap_or_default();
    let type_place = place.key("defaultingType");
    args.spread.defaulting_type = match file.defaulting_type.as_deref() {
        None | Some("" | "System") => Defaulting::System,
        Some("List") => Defaulting::List,
        Some(other) => return complaints.not_supported(&type_place, other, &["System", "List"]),
    };
    let place = place.key("defaultConstraints");
    if args.spread.defaulting_type == Defaulting::System && !constraints.is_empty() {
        let said = if type_place.value().is_some() { &type_place } else { &place };
        let issue = said.error("Invalid value: \"System\": when .defaultConstraints are not empty");
        complaints
            .say(crate::api::located::InputError { help: Some("write defaultingType: List".to_owned()), ..issue });
    }
    for (index, constraint) in constraints.iter().enumerate() {
        spread_constraint(constraint, &constraints[..index], &place.index(index), complaints);
    }
    args.spread.default_constraints = constraints;
}

fn spread_constraint(
    constraint: &v1::TopologySpreadConstraint,
    before: &[v1::TopologySpreadConstraint],
    place: &Place<'_>,
    complaints: &mut Complaints,
) {
    let (key, when) = (constraint.topology_key.as_str(), constraint.when_unsatisfiable.as_str());
    if constraint.max_skew <= 0 {
        complaints.invalid(&place.key("maxSkew"), constraint.max_skew, "not in valid range (0, inf)");
    }
    match key {
        "" => complaints.required(&place.key("topologyKey"), "can not be empty"),
        key => complaints.each(&place.key("topologyKey"), key, is_qualified_name(key)),
    }
    match when {
        "" => complaints.required(&place.key("whenUnsatisfiable"), "can not be empty"),
        when if WHEN_UNSATISFIABLE.contains(&when) => {}
        when => complaints.not_supported(&place.key("whenUnsatisfiable"), when, &WHEN_UNSATISFIABLE),
    }
    if constraint.label_selector.is_some() {
        let detail = "constraint must not define a selector, as they deduced for each pod";
        complaints.forbidden(&place.key("labelSelector"), detail);
    }
    if before.iter().any(|before| before.topology_key == key && before.when_unsatisfiable == when) {
        complaints.duplicate(place, format!("{{{key}, {when}}}"));
    }
}

fn volume_binding(args: &mut PluginArgs, place: &Place<'_>, complaints: &mut Complaints) {
    let Some(file) = typed::<VolumeBindingFile>("VolumeBinding", place, complaints) else { return };
    let timeout_place = place.key("bindTimeoutSeconds");
    match file.bind_timeout_seconds {
        None => {}
        Some(seconds) if seconds < 0 => {
            complaints.invalid(&timeout_place, seconds, "invalid BindTimeoutSeconds, should not be a negative value");
        }
        Some(seconds) => {
            complaints.in_range(&timeout_place, seconds, 0, SECONDS_MAX);
            args.volume_binding.bind_timeout_seconds = seconds;
        }
    }
    if file.shape.is_some() {
        let detail = "unexpected field `shape`, remove it or turn on the feature gate StorageCapacityScoring";
        complaints.forbidden(&place.key("shape"), detail);
    }
}
