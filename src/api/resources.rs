//! Amounts of resources as schedulers count them: integers, millicores and bytes.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as WireQuantity;

use super::{Name, Quantity};

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
            let Ok(quantity) = quantity.0.parse::<Quantity>() else { continue };
            match name.as_str() {
                "cpu" => sum.milli_cpu = quantity.milli_value(),
                "memory" => sum.memory = quantity.value(),
                "ephemeral-storage" => sum.ephemeral_storage = quantity.value(),
                "pods" => sum.pods = quantity.value(),
                _ => {
                    sum.scalar.insert(name.into(), quantity.value());
                }
            }
        }
        sum
    }

    /// The requests of a pod: containers and sidecars together, or the largest moment of its start, plus overhead.
    /// With `non_zero` a container without a CPU or memory request counts with upstream's defaults.
    /// Upstream: `component-helpers/resource.PodRequests`. Left out: pod-level resources, in-place resize.
    pub fn of_pod(spec: &v1::PodSpec, non_zero: bool) -> Resources {
        let of_container = |container: &v1::Container| {
            let requests = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
            let mut sum = Resources::of_list(requests);
            if non_zero {
                let asks = |name: &str| requests.is_some_and(|list| list.contains_key(name));
                if !asks("cpu") {
                    sum.milli_cpu = DEFAULT_MILLI_CPU_REQUEST;
                }
                if !asks("memory") {
                    sum.memory = DEFAULT_MEMORY_REQUEST;
                }
            }
            sum
        };
        let mut total = Resources::default();
        for container in &spec.containers {
            total.add(&of_container(container));
        }
        let mut sidecars = Resources::default();
        let mut start = Resources::default();
        for container in spec.init_containers.iter().flatten() {
            let mut at_start = of_container(container);
            if container.restart_policy.as_deref() == Some("Always") {
                total.add(&at_start);
                sidecars.add(&at_start);
                at_start = sidecars.clone();
            } else {
                at_start.add(&sidecars);
            }
            start.raise_to(&at_start);
        }
        total.raise_to(&start);
        total.add(&Resources::of_list(spec.overhead.as_ref()));
        total
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
