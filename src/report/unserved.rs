//! What is stored and nothing acts on: said plainly, so that nobody waits for it.

use serde::Serialize;

use crate::api::{Kind, Name};
use crate::client::Part;
use crate::sim::Sim;

/// The kinds on which something in a real cluster acts, each with the names, in kube-controller-manager, of what does.
/// Where there is no name, what acts lives elsewhere: in a proxy, a network or an ingress controller.
const ACTED_ON: &[(Kind, &[&str])] = &[
    (Kind::Deployment, &["deployment-controller"]),
    (Kind::ReplicaSet, &["replicaset-controller"]),
    (Kind::StatefulSet, &["statefulset-controller"]),
    (Kind::DaemonSet, &["daemonset-controller"]),
    (Kind::Job, &["job-controller"]),
    (Kind::CronJob, &["cronjob-controller"]),
    (Kind::ReplicationController, &["replicationcontroller-controller"]),
    (Kind::Service, &["endpointslice-controller", "endpoints-controller"]),
    (Kind::HorizontalPodAutoscaler, &["horizontal-pod-autoscaler-controller"]),
    (Kind::HorizontalPodAutoscalerV1, &["horizontal-pod-autoscaler-controller"]),
    (Kind::PodDisruptionBudget, &["disruption-controller"]),
    (Kind::PersistentVolumeClaim, &["persistentvolume-binder-controller"]),
    (Kind::PersistentVolume, &["persistentvolume-binder-controller"]),
    (Kind::ResourceQuota, &["resourcequota-controller"]),
    (Kind::Ingress, &[]),
    (Kind::NetworkPolicy, &[]),
    (Kind::ResourceClaim, &["resourceclaim-controller"]),
    (Kind::CertificateSigningRequest, &["certificatesigningrequest-signing-controller"]),
    (Kind::MutatingAdmissionPolicy, &[]),
    (Kind::ValidatingAdmissionPolicy, &[]),
    (Kind::APIService, &[]),
];

/// A kind whose objects are stored and served to nobody who would act on them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct UnservedKind {
    /// The kind.
    pub kind: Name,
    /// How many objects there are.
    pub count: u64,
}

/// The kinds with objects on which something acts in a real cluster and nothing in this simulation does. Custom kinds
/// count where there is neither an operator under test nor a guest.
pub fn unserved_kinds(sim: &Sim) -> Vec<UnservedKind> {
    let managers = &sim.parts().managers;
    let running: Vec<Name> = managers.iter().flat_map(Part::client_names).collect();
    // A controller's client is called after its process, too: `kube-controller-manager/deployment-controller`.
    let is_of = |client: &Name, name: &str| client.rsplit('/').next() == Some(name);
    let runs = |names: &[&str]| names.iter().any(|name| running.iter().any(|client| is_of(client, name)));
    let built_in = ACTED_ON.iter().filter(|(_, names)| !runs(names)).map(|(kind, _)| *kind);
    let has_operators = sim.parts().ids().iter().any(|part| matches!(part, crate::event::PartId::Guest(_)))
        || managers.iter().any(|manager| manager.client_names().first().is_some_and(|name| name == "operator"));
    let custom = sim.store().kinds().into_iter().filter(|kind| matches!(kind, Kind::Custom(_)) && !has_operators);
    let count = |kind: Kind| {
        let unowned = |object: &&crate::api::Object| object.meta().controller().is_none();
        UnservedKind {
            kind: (&*sim.store().info(kind).kind).into(),
            count: sim.store().unordered(kind).filter(unowned).count() as u64,
        }
    };
    built_in.chain(custom).map(count).filter(|unserved| unserved.count > 0).collect()
}

/// `3 Services, 1 DaemonSet: stored; no controller serves these kinds yet`; nothing where there are none.
pub(super) fn sentence(unserved: &[UnservedKind]) -> Option<String> {
    let kinds: Vec<String> = unserved.iter().map(|of| counted(of.count, &of.kind)).collect();
    let these = if kinds.len() == 1 { "this kind" } else { "these kinds" };
    (!kinds.is_empty()).then(|| format!("{}: stored; no controller serves {these} yet", kinds.join(", ")))
}

/// A number of things: `1 Service`, `3 Services`, `2 NetworkPolicies`, `2 Ingresses`.
pub fn counted(count: u64, thing: &str) -> String {
    let plural = match thing.strip_suffix('y') {
        _ if count == 1 => thing.to_owned(),
        Some(stem) => format!("{stem}ies"),
        None if thing.ends_with('s') => format!("{thing}es"),
        None => format!("{thing}s"),
    };
    format!("{count} {plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kinds: &[(&str, u64)], expected: Option<&str>) {
        let unserved: Vec<UnservedKind> =
            kinds.iter().map(|(kind, count)| UnservedKind { kind: (*kind).into(), count: *count }).collect();
        assert_eq!(sentence(&unserved).as_deref(), expected);
    }

    #[test]
    fn what_nothing_acts_on_is_said_plainly() {
        check(&[], None);
        check(
            &[("Service", 3), ("DaemonSet", 1)],
            Some("3 Services, 1 DaemonSet: stored; no controller serves these kinds yet"),
        );
        check(&[("NetworkPolicy", 2)], Some("2 NetworkPolicies: stored; no controller serves this kind yet"));
        check(&[("Ingress", 2)], Some("2 Ingresses: stored; no controller serves this kind yet"));
    }

    #[test]
    fn no_kind_is_listed_twice() {
        for (index, (kind, _)) in ACTED_ON.iter().enumerate() {
            assert!(ACTED_ON[..index].iter().all(|(earlier, _)| earlier != kind), "{kind:?}");
        }
    }
}
