//! Stories of volumes: nobody but the test binds claims, as a controller of volumes would.

use super::{BIG, Story};
use crate::api::{Obj, Object, ObjectId, Uid};
use crate::client::Part;
use crate::event::{Answer, ApiError, ChangeKind, ErrorReason};
use crate::kernel::Span;
use crate::scheduler::testing::object;

const VOLUMES: u8 = 3;
const CLAIMS: u8 = 4;
const CLASSES: u8 = 5;
const POD: &str = "{containers: [], volumes: [{name: v, persistentVolumeClaim: {claimName: c}}]}";
const CLAIM: &str =
    "{kind: PersistentVolumeClaim, metadata: {name: c, namespace: default}, spec: {storageClassName: local}}";
const VOLUME: &str = "{kind: PersistentVolume, metadata: {name: p}, spec: {storageClassName: local, capacity: {storage: 1Gi}}, status: {phase: Available}}";
const LOCAL: &str = "{kind: StorageClass, metadata: {name: local}, provisioner: kubernetes.io/no-provisioner, volumeBindingMode: WaitForFirstConsumer}";
const MADE: &str =
    "{kind: StorageClass, metadata: {name: local}, provisioner: d, volumeBindingMode: WaitForFirstConsumer}";

/// An object as the API server stores it under a number of its kind.
fn stored(slot: u32, revision: u64, text: &str) -> Object {
    let mut object = object(text);
    let meta = object.meta_mut();
    meta.id = ObjectId { kind: meta.id.kind, slot };
    meta.uid = Uid(1000 + u128::from(slot));
    meta.resource_version = revision;
    object
}

/// The same object with other metadata or fields.
fn changed(object: &Object, change: impl FnOnce(&mut Obj<crate::api::Untyped>)) -> Object {
    let Object::Untyped(object) = object else { panic!("the object has no type") };
    let mut object = Obj::clone(object);
    object.meta.resource_version += 1;
    change(&mut object);
    Object::Untyped(std::sync::Arc::new(object))
}

/// The claim as the controller binds it to a volume.
fn bound(claim: &Object) -> Object {
    changed(claim, |claim| {
        claim.meta.annotations = claim.meta.annotations.with("pv.kubernetes.io/bind-completed", "yes");
        claim.body.fields["spec"]["volumeName"] = "p".into();
    })
}

impl Story {
    fn with_storage(class: &str) -> Story {
        let mut t = Story::new(Span::ZERO);
        t.node("n1", BIG);
        t.change(CLASSES, ChangeKind::Added, stored(0, 1, class));
        t
    }

    /// The API server takes the last update, and tells of it.
    fn accept_update(&mut self, informer: u8) -> Object {
        let written = changed(&self.updates.pop().expect("something was to be updated"), |_| {});
        let answer = Answer::Object(written.clone());
        self.answer_bind(Ok(answer));
        self.change(informer, ChangeKind::Modified, written.clone());
        written
    }
}

#[test]
fn a_claim_that_waits_gets_a_free_volume_before_its_pod_is_bound() {
    let mut t = Story::with_storage(LOCAL);
    let (claim, volume) = (stored(0, 1, CLAIM), stored(0, 1, VOLUME));
    t.change(CLAIMS, ChangeKind::Added, claim.clone());
    t.change(VOLUMES, ChangeKind::Added, volume);
    t.pod(1, POD);
    t.expect(&["update PersistentVolume p"]);
    let Object::Untyped(written) = &t.updates[0] else { panic!("a volume has no type") };
    let reference = &written.body.fields["spec"]["claimRef"];
    assert_eq!((&reference["name"], &reference["namespace"]), (&"c".into(), &"default".into()));
    assert_eq!(reference["uid"], claim.meta().uid.to_string());
    assert_eq!(written.meta.annotations.get("pv.kubernetes.io/bound-by-controller").map(|yes| &**yes), Some("yes"));
    t.run(Span::from_millis(200));
    t.accept_update(VOLUMES);
    t.run(Span::from_millis(5500));
    t.expect(&[]);
    assert!(t.scheduler.cluster().is_assumed(1) && t.scheduler.is_idle(), "it waits for the controller");
    t.change(CLAIMS, ChangeKind::Modified, bound(&claim));
    t.run(Span::from_millis(499));
    t.expect(&[]);
    t.run(Span::from_millis(1));
    t.expect(&["bind to n1"]);
}

#[test]
fn a_volume_that_is_given_away_is_taken_before_the_api_server_knows() {
    let mut t = Story::with_storage(LOCAL);
    t.change(CLAIMS, ChangeKind::Added, stored(0, 1, CLAIM));
    t.change(CLAIMS, ChangeKind::Added, stored(1, 1, &CLAIM.replace("name: c", "name: d")));
    t.change(VOLUMES, ChangeKind::Added, stored(0, 1, VOLUME));
    t.pod(1, POD);
    t.pod(2, &POD.replace("claimName: c", "claimName: d"));
    let nothing = "FailedScheduling: 0/1 nodes are available: 1 node(s) didn't find available persistent volumes to \
                   bind. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful \
                   for scheduling.";
    t.expect(&["update PersistentVolume p", nothing, "p2: Unschedulable"]);
    t.answer_bind(Err(ApiError::new(ErrorReason::Conflict, "no")));
    assert_eq!(t.scheduler.cluster().volumes.assumptions().count(), 0, "it is free again");
    let failed = "FailedScheduling: running PreBind plugin \"VolumeBinding\": no";
    t.expect(&[failed, "p1: SchedulerError"]);
}

#[test]
fn a_volume_is_made_for_the_node_or_another_is_sought() {
    let mut t = Story::with_storage(MADE);
    t.change(CLAIMS, ChangeKind::Added, stored(0, 1, CLAIM));
    t.pod(1, POD);
    t.expect(&["update PersistentVolumeClaim c"]);
    let selected = t.accept_update(CLAIMS);
    assert_eq!(selected.meta().annotations.get("volume.kubernetes.io/selected-node").map(|node| &**node), Some("n1"));
    let given_up = changed(&selected, |claim| claim.meta.annotations = [("a", "b")].into_iter().collect());
    t.change(CLAIMS, ChangeKind::Modified, given_up);
    t.run(Span::from_secs(1));
    let failed = "FailedScheduling: running PreBind plugin \"VolumeBinding\": binding volumes: provisioning failed for PVC \"c\"";
    t.expect(&[failed, "p1: SchedulerError"]);
    t.run(Span::from_secs(2));
    t.expect(&["update PersistentVolumeClaim c"]);
    let selected = t.accept_update(CLAIMS);
    t.change(VOLUMES, ChangeKind::Added, stored(0, 1, VOLUME));
    t.change(CLAIMS, ChangeKind::Modified, bound(&selected));
    t.run(Span::from_secs(1));
    t.expect(&["bind to n1"]);
}

#[test]
fn the_wait_for_volumes_ends_after_ten_minutes() {
    let mut t = Story::with_storage(MADE);
    t.change(CLAIMS, ChangeKind::Added, stored(0, 1, CLAIM));
    t.pod(1, POD);
    t.accept_update(CLAIMS);
    t.said.clear();
    t.run(Span::from_secs(599));
    t.expect(&[]);
    t.run(Span::from_secs(1));
    let failed =
        "FailedScheduling: running PreBind plugin \"VolumeBinding\": binding volumes: context deadline exceeded";
    t.expect(&[failed, "p1: SchedulerError"]);
    assert!(!t.scheduler.cluster().is_assumed(1));
}

#[test]
fn a_pod_that_is_deleted_waits_no_longer() {
    let mut t = Story::with_storage(MADE);
    t.change(CLAIMS, ChangeKind::Added, stored(0, 1, CLAIM));
    let pod = t.pod(1, POD);
    t.accept_update(CLAIMS);
    t.change(2, ChangeKind::Deleted, Object::Pod(pod));
    t.said.clear();
    t.run(Span::from_secs(1));
    let failed = "FailedScheduling: running PreBind plugin \"VolumeBinding\": binding volumes: pod does not exist any \
                  more: pod \"p1\" not found";
    t.expect(&[failed]);
}

#[test]
fn a_missing_claim_is_waited_for() {
    let mut t = Story::with_storage(MADE);
    t.pod(1, POD);
    let missing = "FailedScheduling: 0/1 nodes are available: persistentvolumeclaim \"c\" not found. not found";
    t.expect(&[missing, "p1: Unschedulable"]);
    t.change(CLAIMS, ChangeKind::Added, stored(1, 1, &CLAIM.replace("name: c", "name: d")));
    t.run(Span::from_secs(60));
    t.expect(&[]);
    t.change(CLAIMS, ChangeKind::Added, stored(0, 1, CLAIM));
    t.expect(&["update PersistentVolumeClaim c"]);
}
