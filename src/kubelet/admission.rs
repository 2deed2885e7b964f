//! Whether a pod that was bound to this node fits it. Upstream: `pkg/kubelet/lifecycle/predicate.go`.
//!
//! Only resources are looked at. Left out: node affinity, taints without toleration (NoExecute), ports, preemption of
//! others by critical pods.

use crate::api::Name;
use crate::api::resources::Resources;

/// Why a pod is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Refusal {
    /// `OutOf…`.
    pub(super) resource: Name,
    /// Upstream's sentence.
    pub(super) message: Name,
}

/// Whether `wanted` fits beside `used` by `pods` pods.
pub(super) fn fits(room: &Resources, used: &Resources, pods: i64, wanted: &Resources) -> Result<(), Refusal> {
    check("pods", 1, pods, room.pods)?;
    check("cpu", wanted.milli_cpu, used.milli_cpu, room.milli_cpu)?;
    check("memory", wanted.memory, used.memory, room.memory)?;
    check("ephemeral-storage", wanted.ephemeral_storage, used.ephemeral_storage, room.ephemeral_storage)?;
    for (name, amount) in &wanted.scalar {
        let of = |resources: &Resources| resources.scalar.get(name).copied().unwrap_or(0);
        check(name, *amount, of(used), of(room))?;
    }
    Ok(())
}

fn check(resource: &str, requested: i64, used: i64, capacity: i64) -> Result<(), Refusal> {
    if requested <= 0 || requested <= capacity - used {
        return Ok(());
    }
    let message = ecow::eco_format!(
        "Node didn't have enough resource: {resource}, requested: {requested}, used: {used}, capacity: {capacity}"
    );
    Err(Refusal { resource: resource.into(), message })
}

/// The reason of a refused pod and its Event. Only the resources that upstream names and `pods` have shared words.
pub(super) fn event_reason(resource: &str) -> &'static str {
    match resource {
        "cpu" => "OutOfcpu",
        "memory" => "OutOfmemory",
        "ephemeral-storage" => "OutOfephemeral-storage",
        "pods" => "OutOfpods",
        _ => "OutOfextended-resource",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources(milli_cpu: i64, memory: i64, pods: i64) -> Resources {
        Resources { milli_cpu, memory, pods, ..Resources::default() }
    }

    #[track_caller]
    fn refused(used: Resources, pods: i64, wanted: Resources, expected: Option<&str>) {
        let refusal = fits(&resources(1000, 4096, 3), &used, pods, &wanted).err();
        assert_eq!(refusal.as_ref().map(|refusal| refusal.message.as_str()), expected);
    }

    #[test]
    fn the_first_resource_that_is_short_is_named() {
        refused(resources(500, 0, 0), 1, resources(500, 4096, 0), None);
        refused(
            resources(600, 0, 0),
            1,
            resources(500, 5000, 0),
            Some("Node didn't have enough resource: cpu, requested: 500, used: 600, capacity: 1000"),
        );
        refused(
            resources(0, 4000, 0),
            1,
            resources(0, 97, 0),
            Some("Node didn't have enough resource: memory, requested: 97, used: 4000, capacity: 4096"),
        );
        refused(
            resources(0, 0, 0),
            3,
            resources(0, 0, 0),
            Some("Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3"),
        );
    }
}
