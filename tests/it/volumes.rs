//! Volumes in a whole cluster: claims that are bound, provisioned, protected and reclaimed.

use wavetank::api::{Kind, PodPhase};
use wavetank::event::Propagation;
use wavetank::sim::Action;

use crate::story::{Story, resource};

const CLASS: &str = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: local}\nprovisioner: \
                     kubernetes.io/no-provisioner\nvolumeBindingMode: WaitForFirstConsumer\n";
const VOLUME: &str = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: disk}\nspec:\n  storageClassName: local\n  \
                      capacity: {storage: 10Gi}\n  accessModes: [ReadWriteOnce]\n  local: {path: /mnt}\n  claimRef: \
                      {namespace: default, name: data}\n  nodeAffinity: {required: {nodeSelectorTerms: \
                      [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node-1]}]}]}}\n";
const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers: [{name: c, image: nginx:1}]\n  \
                   volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]\n";

/// A field of an object as text; empty where there is no such object or field.
fn field(story: &Story, kind: Kind, name: &str, path: &str) -> String {
    let object = story.get(kind, name).unwrap_or_default();
    let value = path.split('.').fold(&object, |value, key| &value[key]);
    value.as_str().unwrap_or_default().to_owned()
}

fn delete(story: &mut Story, kind: Kind, name: &str) {
    story.act(Action::Delete {
        resource: resource(kind, name),
        propagation: Propagation::Background,
        grace_seconds: None,
    });
}

fn claim(class: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data}}\nspec: {{storageClassName: {class}, \
         accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 5Gi}}}}}}\n"
    )
}

fn class(name: &str, mode: &str, policy: &str) -> String {
    format!(
        "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: {name}}}\nprovisioner: \
         csi.example.com\nreclaimPolicy: {policy}\nvolumeBindingMode: {mode}\n"
    )
}

#[test]
fn a_claim_is_given_its_volume_where_the_pod_goes() {
    let mut story = Story::of_nodes(3, "");
    story.apply(CLASS);
    story.apply(POD);
    story.run_for(10);
    let missing = "0/3 nodes are available: persistentvolumeclaim \"data\" not found. not found";
    assert_eq!(story.events("FailedScheduling"), [missing]);
    story.apply(&claim("local"));
    story.run_for(10);
    let nothing = "0/3 nodes are available: 3 node(s) didn't find available persistent volumes to bind. no new claims to \
                   deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.";
    assert!(story.events("FailedScheduling").contains(&nothing.to_owned()), "{:?}", story.events("FailedScheduling"));
    story.apply(VOLUME);
    story.run_for(20);
    let volume = story.get(Kind::PersistentVolume, "disk").expect("the volume is there");
    let data = story.get(Kind::PersistentVolumeClaim, "data").expect("the claim is there");
    assert_eq!(volume["spec"]["claimRef"]["uid"], data["metadata"]["uid"], "{volume}");
    story.run_for(10);
    assert_eq!(field(&story, Kind::PersistentVolumeClaim, "data", "status.phase"), "Bound");
    let pod = &story.pods()[0];
    assert_eq!((pod.body.node_name.as_str(), pod.body.status.phase), ("node-1", PodPhase::Running));
    story.run_until_quiet();
}

#[test]
fn a_volume_is_made_where_the_pod_goes_and_deleted_with_its_claim() {
    let mut story = Story::of_nodes(3, "");
    story.apply(&class("fast", "WaitForFirstConsumer", "Delete"));
    story.apply(&claim("fast"));
    story.run_for(40);
    let waiting = "waiting for first consumer to be created before binding";
    assert!(story.events("WaitForFirstConsumer").contains(&waiting.to_owned()));
    assert_eq!(field(&story, Kind::PersistentVolumeClaim, "data", "status.phase"), "Pending");
    story.apply(POD);
    story.run_for(30);
    assert_eq!(story.pods()[0].body.status.phase, PodPhase::Running);
    assert_eq!(field(&story, Kind::PersistentVolumeClaim, "data", "status.phase"), "Bound");
    let volume = field(&story, Kind::PersistentVolumeClaim, "data", "spec.volumeName");
    assert_eq!(story.events("ProvisioningSucceeded"), [format!("Successfully provisioned volume {volume}")]);
    assert_eq!(field(&story, Kind::PersistentVolume, &volume, "status.phase"), "Bound");
    // The claim stays as long as the pod is there; the volume goes with the claim.
    delete(&mut story, Kind::PersistentVolumeClaim, "data");
    story.run_for(30);
    assert_ne!(field(&story, Kind::PersistentVolumeClaim, "data", "metadata.deletionTimestamp"), "");
    delete(&mut story, Kind::Pod, "p");
    story.run_for(60);
    assert!(story.get(Kind::PersistentVolumeClaim, "data").is_none());
    assert!(story.get(Kind::PersistentVolume, &volume).is_none());
    story.run_until_quiet();
}

#[test]
fn a_retained_volume_is_released_and_given_to_nobody() {
    let mut story = Story::of_nodes(1, "");
    story.apply(&class("kept", "Immediate", "Retain"));
    story.apply(&claim("kept"));
    story.run_for(20);
    let volume = field(&story, Kind::PersistentVolumeClaim, "data", "spec.volumeName");
    assert_eq!(field(&story, Kind::PersistentVolume, &volume, "status.phase"), "Bound");
    delete(&mut story, Kind::PersistentVolumeClaim, "data");
    story.run_for(20);
    assert_eq!(field(&story, Kind::PersistentVolume, &volume, "status.phase"), "Released");
    story.apply(&claim("kept"));
    story.run_for(20);
    assert_ne!(field(&story, Kind::PersistentVolumeClaim, "data", "spec.volumeName"), volume);
    // A volume that is bound is not deleted before its claim has gone.
    let bound = field(&story, Kind::PersistentVolumeClaim, "data", "spec.volumeName");
    delete(&mut story, Kind::PersistentVolume, &bound);
    story.run_for(10);
    assert_eq!(field(&story, Kind::PersistentVolume, &bound, "status.phase"), "Bound");
    delete(&mut story, Kind::PersistentVolumeClaim, "data");
    story.run_for(10);
    assert!(story.get(Kind::PersistentVolume, &bound).is_none());
    story.run_until_quiet();
}
