//! Which volume a claim is given, and what is decided about claims and volumes.

use serde_json::{Value, json};

use super::decide::{self, Decision, Known};
use super::objects::{self, Stored};
use crate::api::{Kind, Name, Obj, Object, Untyped, convert};

fn stored(kind: Kind, value: Value) -> Stored {
    match convert::from_json(kind, value).expect("a good object") {
        Object::Untyped(stored) => stored,
        other => panic!("{other:?}"),
    }
}

/// `1Gi RWO` for a volume, with more of its spec.
fn volume(name: &str, size: &str, modes: &[&str], more: Value) -> Stored {
    let mut spec = json!({
        "capacity": {"storage": size}, "accessModes": modes, "storageClassName": "c", "hostPath": {"path": "/d"},
        "persistentVolumeReclaimPolicy": "Retain",
    });
    merge(&mut spec, &more);
    let status = json!({"phase": "Available"});
    stored(Kind::PersistentVolume, json!({"metadata": {"name": name}, "spec": spec, "status": status}))
}

fn claim(size: &str, more: Value) -> Stored {
    let mut spec = json!({
        "resources": {"requests": {"storage": size}}, "accessModes": ["ReadWriteOnce"], "storageClassName": "c",
    });
    merge(&mut spec, &more);
    stored(Kind::PersistentVolumeClaim, json!({"metadata": {"name": "data", "namespace": "ns"}, "spec": spec}))
}

fn merge(value: &mut Value, more: &Value) {
    let (Value::Object(value), Value::Object(more)) = (value, more) else { return };
    value.extend(more.clone());
}

fn class(mode: &str, provisioner: &str) -> Stored {
    let value = json!({"metadata": {"name": "c"}, "provisioner": provisioner, "volumeBindingMode": mode});
    stored(Kind::StorageClass, value)
}

#[derive(Default)]
struct World {
    volumes: Vec<Stored>,
    claims: Vec<Stored>,
    class: Option<Stored>,
    default: Option<Name>,
    pod: Option<Name>,
}

impl Known for World {
    fn claim(&self, _namespace: &str, name: &str) -> Option<&Stored> {
        self.claims.iter().find(|claim| claim.meta.name == name)
    }
    fn volume(&self, name: &str) -> Option<&Stored> {
        self.volumes.iter().find(|volume| volume.meta.name == name)
    }
    fn candidates(&self, _claim: &Obj<Untyped>) -> Vec<&Stored> {
        self.volumes.iter().collect()
    }
    fn class(&self, name: &str) -> Option<&Stored> {
        self.class.as_ref().filter(|class| class.meta.name == name)
    }
    fn default_class(&self) -> Option<Name> {
        self.default.clone()
    }
    fn waiting_pod(&self, _claim: &Obj<Untyped>) -> Option<Name> {
        self.pod.clone()
    }
}

/// What is decided about a claim, in short.
#[track_caller]
fn check(claim: &Stored, world: &World, expected: &str) {
    let text = match decide::claim(claim, world) {
        Decision::Bind(volume) => format!("bind {}", volume.meta.name),
        Decision::Pending(None) => "pending".to_owned(),
        Decision::Pending(Some((_, reason, message))) => format!("pending {reason}: {message}"),
        Decision::Provision(who) => format!("provision {who}"),
        Decision::SetClass(class) => format!("class {class}"),
        Decision::Lost(reason, _) => format!("lost {reason}"),
        other => format!("{other:?}"),
    };
    assert_eq!(text, expected);
}

const RWO: &[&str] = &["ReadWriteOnce"];
const BOTH: &[&str] = &["ReadWriteOnce", "ReadOnlyMany"];

#[test]
fn a_claim_gets_the_smallest_volume_with_the_fewest_modes_beyond_its_own() {
    let immediate = Some(class("Immediate", "kubernetes.io/no-provisioner"));
    let world = |volumes| World { volumes, class: immediate.clone(), ..World::default() };
    let none = "pending ProvisioningFailed: no volume plugin matched name: kubernetes.io/no-provisioner";
    let of = |name, size, modes| volume(name, size, modes, json!({}));
    check(&claim("1Gi", json!({})), &world(vec![]), none);
    check(&claim("2Gi", json!({})), &world(vec![of("a", "5Gi", RWO), of("b", "2Gi", RWO)]), "bind b");
    check(&claim("6Gi", json!({})), &world(vec![of("a", "5Gi", RWO)]), none);
    check(&claim("1Gi", json!({})), &world(vec![of("a", "1Gi", BOTH), of("b", "9Gi", RWO)]), "bind b");
    check(&claim("1Gi", json!({"accessModes": ["ReadWriteMany"]})), &world(vec![of("a", "1Gi", BOTH)]), none);
    check(&claim("1Gi", json!({"volumeMode": "Block"})), &world(vec![of("a", "1Gi", RWO)]), none);
    let selected = claim("1Gi", json!({"selector": {"matchLabels": {"tier": "fast"}}}));
    check(&selected, &world(vec![of("a", "1Gi", RWO)]), none);
    let other = volume("a", "1Gi", RWO, json!({"storageClassName": "other"}));
    check(&claim("1Gi", json!({})), &world(vec![other]), none);
}

#[test]
fn a_volume_that_is_reserved_for_the_claim_goes_first_and_one_for_another_never() {
    let reserved =
        |name, size, claim: &str| volume(name, size, RWO, json!({"claimRef": {"namespace": "ns", "name": claim}}));
    let volumes =
        vec![volume("small", "1Gi", RWO, json!({})), reserved("mine", "9Gi", "data"), reserved("no", "1Gi", "x")];
    let delayed = World { volumes, class: Some(class("WaitForFirstConsumer", "csi.example")), ..World::default() };
    check(&claim("1Gi", json!({})), &delayed, "bind mine");
    let immediate = World { class: Some(class("Immediate", "csi.example")), ..delayed };
    check(&claim("1Gi", json!({})), &immediate, "bind mine");
    check(
        &claim("1Gi", json!({"volumeName": "no"})),
        &immediate,
        "pending FailedBinding: volume \"no\" already bound to a different claim.",
    );
    check(&claim("1Gi", json!({"volumeName": "gone"})), &immediate, "pending");
    check(
        &claim("2Gi", json!({"volumeName": "small"})),
        &immediate,
        "pending VolumeMismatch: Cannot bind to requested volume \"small\": requested PV is too small",
    );
    check(&claim("1Gi", json!({"volumeName": "small"})), &immediate, "bind small");
}

#[test]
fn a_claim_without_a_volume_waits_for_whoever_is_next() {
    let mut world = World { class: Some(class("WaitForFirstConsumer", "csi.example")), ..World::default() };
    let waiting = claim("1Gi", json!({}));
    check(&waiting, &world, "pending WaitForFirstConsumer: waiting for first consumer to be created before binding");
    world.pod = Some("p".into());
    check(&waiting, &world, "pending WaitForPodScheduled: waiting for pod p to be scheduled");
    check(&objects::annotated(&waiting, objects::SELECTED_NODE, "n"), &world, "provision csi.example");
    let classless = stored(
        Kind::PersistentVolumeClaim,
        json!({"metadata": {"name": "data", "namespace": "ns"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}),
    );
    let nothing = "pending FailedBinding: no persistent volumes available for this claim and no storage class is set";
    check(&classless, &World::default(), nothing);
    check(&classless, &World { default: Some("c".into()), ..World::default() }, "class c");
    let missing = "pending ProvisioningFailed: storageclass.storage.k8s.io \"c\" not found";
    check(&claim("1Gi", json!({})), &World::default(), missing);
}

#[test]
fn a_bound_claim_that_loses_its_volume_is_lost() {
    let bound = |more| objects::annotated(&claim("1Gi", more), objects::BIND_COMPLETED, "yes");
    check(&bound(json!({})), &World::default(), "lost ClaimLost");
    check(&bound(json!({"volumeName": "v"})), &World::default(), "lost ClaimLost");
    let of_other = volume("v", "1Gi", RWO, json!({"claimRef": {"namespace": "ns", "name": "data", "uid": "other"}}));
    let world = World { volumes: vec![of_other], ..World::default() };
    check(&bound(json!({"volumeName": "v"})), &world, "lost ClaimMisbound");
}
