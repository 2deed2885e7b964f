//! What pods are told of a disk that others have. What is done for disks is told in `tests/it/disks.rs`.

use std::sync::Arc;

use serde_json::json;

use super::desired::Users;
use super::texts::tell_multi_attach;
use crate::api::disk::Disk;
use crate::api::{Kind, Name, Obj, Object, Pod, Quantity, convert};
use crate::client::{Plan, Step};

/// A pod as `namespace/name`.
fn pod(key: &str) -> Arc<Obj<Pod>> {
    let (namespace, name) = key.split_once('/').expect("a namespace and a name");
    let spec = json!({"containers": [{"name": "c", "image": "i"}]});
    let value = json!({"metadata": {"namespace": namespace, "name": name}, "spec": spec});
    match convert::from_json(Kind::Pod, value).expect("a good pod") {
        Object::Pod(pod) => pod,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check(elsewhere: &[&str], expected: &str) {
    let disk =
        Disk { volume: "v".into(), driver: "d".into(), handle: "h".into(), is_shared: false, size: Quantity::zero() };
    let users: Users = [(Name::from("other"), elsewhere.iter().map(|key| pod(key)).collect())].into_iter().collect();
    let mut plan = Plan::default();
    tell_multi_attach(&disk, &[pod("ns/p")], &users, &["other".into()], &mut plan);
    let told: Vec<String> = plan
        .steps()
        .filter_map(|step| match step {
            Step::Record { reason, message, .. } => Some(format!("{reason}: {message}")),
            Step::Send { .. } | Step::Batch { .. } => None,
        })
        .collect();
    assert_eq!(told, [format!("FailedAttachVolume: Multi-Attach error for volume \"v\" Volume is already {expected}")]);
}

#[test]
fn a_pod_is_told_the_names_of_pods_of_its_own_namespace_alone() {
    check(&[], "exclusively attached to one node and can't be attached to another");
    check(&["ns/q"], "used by pod(s) q");
    check(&["ns/q", "ns/r"], "used by pod(s) q, r");
    check(&["ns/q", "x/r", "y/s"], "used by pod(s) q and 2 pod(s) in different namespaces");
    check(&["x/r"], "used by 1 pod(s) in different namespaces");
}
