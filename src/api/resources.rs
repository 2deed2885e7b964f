//! Amounts of resources as schedulers count them: integers, millicores and bytes.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as WireQuantity;

use super::{Name, Quantity, quantity::Format};

/// What upstream's scheduler takes for a container without a CPU request when it scores, in millicores.
pub const DEFAULT_MILLI_CPU_REQUEST: i64 = 100;
/// What upstream's scheduler takes for a container without a memory request when it scores, in bytes.
pub const DEFAULT_MEMORY_REQUEST: i64 = 200 * 1024 * 1024;

/// A vector of resources. Upstream: `pkg/scheduler/framework.Resource`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Resources {
    /// CPU in thousandths of a core.
    pub milli_cpu: i64,
    /// Memory in bytes.
    pub memory: i64,
    /// Ephemeral storage in bytes.
    pub ephemeral_storage: i64,
    /// Number of pods (only in what a node offers).
    pub pods: i64,
    /// Everything else: extended resources, hugepages, attachable volumes.
    pub scalar: BTreeMap<Name, i64>,
}

impl Resources {
    /// Reads a `ResourceList`. A quantity that cannot be read counts as zero: validation has refused it before.
    pub fn of_list(list: Option<&BTreeMap<String, WireQuantity>>) -> Resources {
        let mut sum = Resources::default();
        for (name, quantity) in list.into_iter().flatten() {
            if let Ok(quantity) = Quantity::try_from(quantity) {
                sum.set(name, &quantity);
            }
        }
        sum
    }

    fn set(&mut self, name: &str, quantity: &Quantity) {
        match name {
            "cpu" => self.milli_cpu = quantity.milli_value(),
            "memory" => self.memory = quantity.value(),
            "ephemeral-storage" => self.ephemeral_storage = quantity.value(),
            "pods" => self.pods = quantity.value(),
            _ => {
                self.scalar.insert(name.into(), quantity.value());
            }
        }
    }

    /// What a pod asks of a node: containers and sidecars together, or the largest moment of its start; pod-level
    /// requests in their place; plus overhead. With `non_zero` a container without a CPU or memory request counts with
    /// upstream's defaults, but not where it is the pod that has one. Upstream: `PodInfo.CalculateResource`.
    pub fn of_pod(spec: &v1::PodSpec, non_zero: bool) -> Resources {
        Resources::with_status(spec, None, non_zero)
    }

    /// The same without pod-level requests, as 1.34's NodeResourcesFit scores the pod that it decides about: its scorer
    /// is not told of the feature. Nothing where there are none.
    pub fn without_pod_level(spec: &v1::PodSpec) -> Option<Resources> {
        let defaults = Defaults { cpu: true, memory: true };
        pod_level(spec)?;
        let mut sums = of_containers(spec, None, defaults);
        sums.add(spec.overhead.as_ref());
        Some(sums.round())
    }

    /// What a pod asks of its node while its status tells what its containers were given, of which that may be more
    /// than the spec says: the larger counts. Nothing where the status does not tell.
    pub fn of_resized(spec: &v1::PodSpec, status: &v1::PodStatus, non_zero: bool) -> Option<Resources> {
        let mut statuses = status.container_statuses.iter().chain(&status.init_container_statuses).flatten();
        statuses.any(|status| status.resources.is_some()).then(|| Resources::with_status(spec, Some(status), non_zero))
    }

    fn with_status(spec: &v1::PodSpec, status: Option<&v1::PodStatus>, non_zero: bool) -> Resources {
        let sums = |defaults: Defaults| {
            let mut sums = of_containers(spec, status, defaults);
            for (name, quantity) in pod_level(spec).into_iter().flatten().filter(|(name, _)| is_pod_level(name)) {
                sums.0.insert(name, nanos(quantity));
            }
            sums.add(spec.overhead.as_ref());
            sums
        };
        let plain = sums(Defaults { cpu: false, memory: false });
        if !non_zero {
            return plain.round();
        }
        let is_missing = |name: &str| pod_level(spec).is_none() || !plain.0.contains_key(name);
        sums(Defaults { cpu: is_missing("cpu"), memory: is_missing("memory") }).round()
    }

    /// Adds another vector.
    pub fn add(&mut self, other: &Resources) {
        self.combine(other, |mine, theirs| mine + theirs);
    }

    /// Takes another vector away.
    pub fn subtract(&mut self, other: &Resources) {
        self.combine(other, |mine, theirs| mine - theirs);
    }

    /// Becomes the larger of the two in each resource.
    pub fn raise_to(&mut self, other: &Resources) {
        self.combine(other, i64::max);
    }

    fn combine(&mut self, other: &Resources, with: impl Fn(i64, i64) -> i64) {
        self.milli_cpu = with(self.milli_cpu, other.milli_cpu);
        self.memory = with(self.memory, other.memory);
        self.ephemeral_storage = with(self.ephemeral_storage, other.ephemeral_storage);
        self.pods = with(self.pods, other.pods);
        for (name, amount) in &other.scalar {
            let mine = self.scalar.entry(name.clone()).or_default();
            *mine = with(*mine, *amount);
        }
    }
}

/// Which defaults count for containers without a request.
#[derive(Clone, Copy, Debug)]
struct Defaults {
    cpu: bool,
    memory: bool,
}

/// Exact amounts by name, in billionths: upstream adds quantities and rounds the sum.
#[derive(Clone, Debug, Default)]
struct Sums<'s>(BTreeMap<&'s str, i128>);

type List = BTreeMap<String, WireQuantity>;

/// A quantity that cannot be read counts as zero: validation has refused it before.
fn nanos(quantity: &WireQuantity) -> i128 {
    Quantity::try_from(quantity).map_or(0, |quantity| quantity.nanos())
}

impl<'s> Sums<'s> {
    fn of(list: Option<&'s List>) -> Sums<'s> {
        Sums(list.into_iter().flatten().map(|(name, quantity)| (name.as_str(), nanos(quantity))).collect())
    }

    fn add(&mut self, list: Option<&'s List>) {
        self.add_all(&Sums::of(list));
    }

    fn add_all(&mut self, other: &Sums<'s>) {
        for (name, amount) in &other.0 {
            let sum = self.0.entry(name).or_default();
            *sum = sum.saturating_add(*amount);
        }
    }

    fn raise_to(&mut self, other: &Sums<'s>) {
        for (name, amount) in &other.0 {
            let sum = self.0.entry(name).or_insert(*amount);
            *sum = (*sum).max(*amount);
        }
    }

    fn round(&self) -> Resources {
        let mut rounded = Resources::default();
        for (name, nanos) in &self.0 {
            let quantity = Quantity::from_nanos(*nanos, Format::DecimalSI);
            rounded.set(name, &quantity);
        }
        rounded
    }
}

/// Pod-level requests, where there are any that count. Upstream: `IsPodLevelRequestsSet`.
fn pod_level(spec: &v1::PodSpec) -> Option<&List> {
    let requests = spec.resources.as_ref()?.requests.as_ref()?;
    requests.keys().any(|name| is_pod_level(name)).then_some(requests)
}

fn is_pod_level(name: &str) -> bool {
    name == "cpu" || name == "memory" || name.starts_with("hugepages-")
}

/// Upstream: `AggregateContainerRequests` of component-helpers' `resource/helpers.go`.
fn of_containers<'s>(spec: &'s v1::PodSpec, status: Option<&'s v1::PodStatus>, defaults: Defaults) -> Sums<'s> {
    let (mut total, mut sidecars, mut start) = (Sums::default(), Sums::default(), Sums::default());
    for container in &spec.containers {
        total.add_all(&of_container(container, status, defaults));
    }
    for container in spec.init_containers.iter().flatten() {
        if container.restart_policy.as_deref() == Some("Always") {
            let sidecar = of_container(container, status, defaults);
            total.add_all(&sidecar);
            sidecars.add_all(&sidecar);
            start.raise_to(&sidecars);
        } else {
            let mut at_start = of_container(container, None, defaults);
            at_start.add_all(&sidecars);
            start.raise_to(&at_start);
        }
    }
    total.raise_to(&start);
    total
}

/// The requests of a container, or what it was given where that is more. A resize that the node cannot grant does not
/// count. Upstream: `determineContainerReqs`.
fn of_container<'s>(container: &'s v1::Container, status: Option<&'s v1::PodStatus>, defaults: Defaults) -> Sums<'s> {
    let mut sums = Sums::of(container.resources.as_ref().and_then(|resources| resources.requests.as_ref()));
    if let Some(pod) = status {
        let mut all = pod.container_statuses.iter().chain(&pod.init_container_statuses).flatten();
        let of_container = all.rfind(|status| status.name == container.name);
        if let Some(status) = of_container
            && let Some(given) = &status.resources
        {
            if is_resize_infeasible(pod) {
                sums = Sums::default();
            }
            sums.raise_to(&Sums::of(given.requests.as_ref()));
            sums.raise_to(&Sums::of(status.allocated_resources.as_ref()));
        }
    }
    if defaults.cpu {
        sums.0.entry("cpu").or_insert(i128::from(DEFAULT_MILLI_CPU_REQUEST) * 1_000_000);
    }
    if defaults.memory {
        sums.0.entry("memory").or_insert(i128::from(DEFAULT_MEMORY_REQUEST) * 1_000_000_000);
    }
    sums
}

/// Upstream: `IsPodResizeInfeasible`.
fn is_resize_infeasible(status: &v1::PodStatus) -> bool {
    let pending = status.conditions.iter().flatten().find(|condition| condition.type_ == "PodResizePending");
    pending.is_some_and(|condition| condition.reason.as_deref() == Some("Infeasible"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> v1::PodSpec {
        serde_saphyr::from_str(text).expect("the test's spec can be read")
    }

    fn shown(resources: &Resources) -> String {
        let Resources { milli_cpu, memory, scalar, .. } = resources;
        let others: Vec<String> = scalar.iter().map(|(name, amount)| format!(" {name}={amount}")).collect();
        format!("{milli_cpu}m {memory}{}", others.concat())
    }

    /// What is asked for, and what counts in scores.
    #[track_caller]
    fn check(text: &str, expected: &str, non_zero: &str) {
        let spec = spec(text);
        let found = [false, true].map(|non_zero| shown(&Resources::of_pod(&spec, non_zero)));
        assert_eq!(found, [expected, non_zero], "{text}");
    }

    fn container(requests: &str) -> String {
        format!("{{name: c, resources: {{requests: {{{requests}}}}}}}")
    }

    fn sidecar(requests: &str) -> String {
        format!("{{name: c, restartPolicy: Always, resources: {{requests: {{{requests}}}}}}}")
    }

    #[test]
    fn containers_count_together_and_init_containers_where_they_are_larger() {
        let (one, big) = (container("cpu: 100m, memory: '10'"), container("cpu: 300m"));
        check(&format!("{{containers: [{one}, {one}]}}"), "200m 20", "200m 20");
        check(&format!("{{containers: [{one}, {one}], initContainers: [{big}, {one}]}}"), "300m 20", "300m 209715200");
        check(
            &format!(
                "{{containers: [{one}], initContainers: [{}, {big}, {}]}}",
                sidecar("cpu: '1'"),
                sidecar("cpu: '2'")
            ),
            "3100m 10",
            "3100m 419430410",
        );
        check(
            &format!("{{containers: [{one}], initContainers: [{}, {}]}}", sidecar("cpu: '1'"), container("cpu: '5'")),
            "6000m 10",
            "6000m 419430400",
        );
    }

    #[test]
    fn overhead_is_added_and_limits_alone_count_for_nothing() {
        let one = container("cpu: 100m, memory: '10'");
        check(&format!("{{containers: [{one}], overhead: {{cpu: 5m, memory: '1'}}}}"), "105m 11", "105m 11");
        check("{containers: [{name: c, resources: {limits: {cpu: '1'}}}]}", "0m 0", "100m 209715200");
        check(&format!("{{containers: [{}]}}", container("cpu: '0', memory: '0'")), "0m 0", "0m 0");
    }

    #[test]
    fn fractions_are_rounded_up_once_summed() {
        let half = container("cpu: 500u, memory: 500m, hugepages-2Mi: 1500m");
        check(&format!("{{containers: [{half}]}}"), "1m 1 hugepages-2Mi=2", "1m 1 hugepages-2Mi=2");
        check(&format!("{{containers: [{half}, {half}]}}"), "1m 1 hugepages-2Mi=3", "1m 1 hugepages-2Mi=3");
    }

    #[test]
    fn requests_of_the_pod_stand_for_those_of_its_containers() {
        let one = container("cpu: 100m, memory: '10', example.com/x: '1'");
        let pod = |requests: &str| {
            format!(
                "{{containers: [{one}, {{name: d}}], resources: {{requests: {{{requests}}}}}, overhead: {{cpu: 1m}}}}"
            )
        };
        check(&pod("cpu: '2'"), "2001m 10 example.com/x=1", "2001m 10 example.com/x=1");
        check(&pod("example.com/x: '5'"), "101m 10 example.com/x=1", "201m 209715210 example.com/x=1");
        let bare = "{containers: [{name: c}], resources: {requests: {cpu: '2'}}}";
        check(bare, "2000m 0", "2000m 209715200");
        assert_eq!(Resources::without_pod_level(&spec(bare)).as_ref().map(shown).as_deref(), Some("100m 209715200"));
        assert_eq!(Resources::without_pod_level(&spec("{containers: [{name: c}]}")), None);
    }

    #[track_caller]
    fn check_resized(status: &str, expected: Option<&str>) {
        let status: v1::PodStatus = serde_saphyr::from_str(status).expect("the test's status can be read");
        let spec = spec(&format!("{{containers: [{}, {{name: d}}]}}", container("cpu: '2', memory: '20'")));
        let found = Resources::of_resized(&spec, &status, false);
        assert_eq!(found.as_ref().map(shown).as_deref(), expected);
    }

    #[test]
    fn what_a_container_was_given_counts_where_it_is_more() {
        let status = |resources: &str, more: &str| {
            format!(
                "{{containerStatuses: [{{name: c, image: i, imageID: i, ready: true, restartCount: 0{resources}}}]{more}}}"
            )
        };
        check_resized(&status("", ""), None);
        check_resized(&status(", allocatedResources: {cpu: '9'}", ""), None);
        check_resized(&status(", resources: {requests: {cpu: '1', memory: '30'}}", ""), Some("2000m 30"));
        check_resized(&status(", allocatedResources: {cpu: '3'}, resources: {}", ""), Some("3000m 20"));
        let infeasible = ", conditions: [{type: PodResizePending, status: 'True', reason: Infeasible}]";
        check_resized(&status(", resources: {requests: {cpu: '1', memory: '30'}}", infeasible), Some("1000m 30"));
    }
}
