//! Disks in a whole cluster: attached, shared or not, moved by force, limited, made larger; and what faults do to them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wavetank::api::{Kind, Object, PodPhase};
use wavetank::event::{PatchKind, Propagation};
use wavetank::kernel::{Span, Time};
use wavetank::scenario::{Found, load};
use wavetank::sim::Action;

use crate::story::{Story, resource};

/// Three nodes that can hold two disks each, and more of a scenario.
fn cluster(more: &str) -> Story {
    let text = format!(
        "apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {{name: disks}}\nnodes:\n- {{name: node, count: 3, \
         capacity: {{cpu: 4, memory: 16Gi, pods: 110}}, diskLimits: {{csi.example.com: 2}}}}\n{more}\n"
    );
    let read = |_: &Path| Ok(Found::File(text.clone()));
    let scenario = load(&[PathBuf::from("disks.yaml")], &[], &read).unwrap_or_else(|errors| panic!("{errors}"));
    let mut story = Story { sim: scenario.setup.build(7) };
    story.apply(CLASS);
    story
}

const CLASS: &str = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: fast}\nprovisioner: \
                     csi.example.com\nallowVolumeExpansion: true\n";

fn claim(name: &str, class: &str, mode: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {name}}}\nspec: {{storageClassName: {class}, \
         accessModes: [{mode}], resources: {{requests: {{storage: 5Gi}}}}}}\n"
    )
}

/// A pod with a claim on a node.
fn pod(name: &str, claim: &str, node: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  nodeSelector: {{kubernetes.io/hostname: {node}}}\n  \
         tolerations: [{{operator: Exists}}]\n  terminationGracePeriodSeconds: 5\n  containers: [{{name: c, image: \
         'nginx:1', volumeMounts: [{{name: data, mountPath: /d}}]}}]\n  volumes: [{{name: data, persistentVolumeClaim: \
         {{claimName: {claim}}}}}]\n"
    )
}

/// A cluster in which pod `p` uses claim `data` on node-0.
fn with_pod(more: &str) -> Story {
    let mut story = cluster(more);
    story.apply(&claim("data", "fast", "ReadWriteOnce"));
    story.apply(&pod("p", "data", "node-0"));
    story.run_for(60);
    assert_eq!(phase(&story, "p"), Some(PodPhase::Running));
    story
}

fn phase(story: &Story, name: &str) -> Option<PodPhase> {
    story.pods().iter().find(|pod| pod.meta.name == name).map(|pod| pod.body.status.phase)
}

fn delete(story: &mut Story, name: &str, grace_seconds: Option<i64>) {
    let propagation = Propagation::Background;
    story.act(Action::Delete { resource: resource(Kind::Pod, name), propagation, grace_seconds });
}

fn patch(story: &mut Story, kind: Kind, name: &str, body: Value) {
    let resource = resource(kind, name);
    story.act(Action::Patch { resource, kind: PatchKind::Merge, body: body.into() });
}

fn ask_for(story: &mut Story, size: &str) {
    let body = json!({"spec": {"resources": {"requests": {"storage": size}}}});
    patch(story, Kind::PersistentVolumeClaim, "data", body);
    story.run_for(1);
}

fn volume(story: &Story) -> String {
    let claim = story.get(Kind::PersistentVolumeClaim, "data").expect("the claim is there");
    claim["spec"]["volumeName"].as_str().unwrap_or_default().to_owned()
}

/// The nodes to which VolumeAttachments say that something is attached.
fn attached(story: &Story) -> Vec<String> {
    let all = story.sim.store().objects(Kind::VolumeAttachment, story.now()).map(|object| match object {
        Object::Untyped(stored) => Value::Object(stored.body.fields.clone()),
        other => panic!("{other:?}"),
    });
    let there = all.filter(|attachment| attachment["status"]["attached"] == true);
    let mut nodes: Vec<String> =
        there.map(|attachment| attachment["spec"]["nodeName"].as_str().unwrap_or_default().to_owned()).collect();
    nodes.sort();
    nodes
}

/// How many disks a node's status shows as attached, and in use.
fn shown(story: &Story, node: &str) -> (usize, usize) {
    let node = story.get(Kind::Node, node).expect("the node is there");
    let count = |field: &str| node["status"][field].as_array().map_or(0, Vec::len);
    (count("volumesAttached"), count("volumesInUse"))
}

/// How long it takes from now on until something holds.
#[track_caller]
fn seconds_until(story: &mut Story, holds: impl Fn(&Story) -> bool) -> u64 {
    let from = story.now();
    while !holds(story) {
        assert!(story.now().since(from) < Span::from_mins(20), "it never holds; kubectl said:\n{}", story.printed());
        story.run_for(1);
    }
    story.now().since(from).as_nanos() / 1_000_000_000
}

#[test]
fn a_disk_comes_with_the_pod_that_needs_it_and_goes_with_it() {
    let mut story = with_pod("");
    let volume = volume(&story);
    assert_eq!(attached(&story), ["node-0"]);
    assert_eq!(shown(&story, "node-0"), (1, 1));
    let told = format!("AttachVolume.Attach succeeded for volume {volume:?} ");
    assert_eq!(story.events("SuccessfulAttachVolume"), [told]);
    delete(&mut story, "p", None);
    story.run_for(40);
    assert_eq!(attached(&story), [""; 0]);
    assert_eq!(shown(&story, "node-0"), (0, 0));
    story.run_until_quiet();
}

#[test]
fn a_driver_that_attaches_nothing_is_not_waited_for() {
    let mut story = cluster("");
    story.apply(
        "apiVersion: storage.k8s.io/v1\nkind: CSIDriver\nmetadata: {name: csi.example.com}\nspec: {attachRequired: \
         false}\n",
    );
    story.apply(&claim("data", "fast", "ReadWriteOnce"));
    story.apply(&pod("p", "data", "node-0"));
    story.run_for(20);
    assert_eq!(phase(&story, "p"), Some(PodPhase::Running));
    assert_eq!(story.sim.store().count(Kind::VolumeAttachment), 0);
    assert_eq!(shown(&story, "node-0"), (0, 0));
}

#[test]
fn a_disk_of_one_node_is_not_attached_to_a_second_before_the_first_lets_go() {
    let mut story = with_pod("");
    story.apply(&pod("q", "data", "node-1"));
    story.run_for(150);
    let volume = volume(&story);
    let told = format!("Multi-Attach error for volume {volume:?} Volume is already used by pod(s) p");
    assert_eq!(story.events("FailedAttachVolume"), [told]);
    let waits = "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[data], failed to \
                 process volumes=[]: context deadline exceeded";
    assert_eq!(story.events("FailedMount"), [waits]);
    assert_eq!(phase(&story, "q"), Some(PodPhase::Pending));
    delete(&mut story, "p", None);
    let late = seconds_until(&mut story, |story| phase(story, "q") == Some(PodPhase::Running));
    // Unmounted, shown as unmounted, detached, attached; and the kubelet looks again every two minutes by now.
    assert!(late > 10 && late < 150, "{late}");
    assert_eq!(attached(&story), ["node-1"]);
}

#[test]
fn a_disk_that_many_nodes_may_have_is_attached_to_many() {
    let mut story = cluster("");
    story.apply(&claim("data", "fast", "ReadWriteMany"));
    for node in 0..3 {
        story.apply(&pod(&format!("p{node}"), "data", &format!("node-{node}")));
    }
    story.run_for(60);
    assert_eq!(attached(&story), ["node-0", "node-1", "node-2"]);
    assert!(story.pods().iter().all(|pod| pod.body.status.phase == PodPhase::Running));
    assert!(story.events("FailedAttachVolume").is_empty());
}

/// How long after a force delete the disk of a dead node is with the next pod.
fn seconds_to_move(more: &str, help: impl FnOnce(&mut Story)) -> Option<u64> {
    let mut story = with_pod(&format!("{more}\nfaults:\n- {{at: 60s, nodeCrash: {{nodes: node-0}}}}\n"));
    story.run_for(120);
    delete(&mut story, "p", Some(0));
    story.run_for(1);
    story.apply(&pod("q", "data", "node-1"));
    story.run_for(2);
    help(&mut story);
    let from = story.now();
    story.run_for(900);
    let message = "Volume is already exclusively attached to one node and can't be attached to another";
    let told = format!("Multi-Attach error for volume {:?} {message}", volume(&story));
    assert!(story.events("FailedAttachVolume").contains(&told), "{:?}", story.events("FailedAttachVolume"));
    let attachments = story.sim.store().objects(Kind::VolumeAttachment, story.now());
    let mine = attachments.filter_map(|object| match object {
        Object::Untyped(stored) if stored.body.fields["spec"]["nodeName"] == "node-1" => Some(stored.meta.created),
        _ => None,
    });
    mine.map(|created| story.sim.clock().time(created).since(from).as_nanos() / 1_000_000_000).next()
}

#[test]
fn a_disk_of_a_dead_node_moves_after_six_minutes() {
    let moved = seconds_to_move("", |_| {}).expect("it moves");
    assert!((357..373).contains(&moved), "{moved}");
}

#[test]
fn a_disk_of_a_dead_node_stays_where_nothing_is_done_by_force() {
    let flags = "components: {kubeControllerManager: {disable-force-detach-on-timeout: true}}";
    assert_eq!(seconds_to_move(flags, |_| {}), None);
}

#[test]
fn a_disk_of_a_node_that_is_out_of_service_moves_at_once() {
    let moved = seconds_to_move("", |story| {
        let taint = json!({"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"});
        let node = story.get(Kind::Node, "node-0").expect("the node is there");
        let mut taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
        taints.push(taint);
        patch(story, Kind::Node, "node-0", json!({"spec": {"taints": taints}}));
    });
    assert!(moved.is_some_and(|moved| moved < 15), "{moved:?}");
}

#[test]
fn an_attachment_that_somebody_takes_away_is_made_anew_with_the_next_look() {
    for (flag, comes_back) in [("false", true), ("true", false)] {
        let mut story = with_pod(&format!(
            "components: {{kubeControllerManager: {{disable-attach-detach-reconcile-sync: {flag}}}}}"
        ));
        let attachments: Vec<_> = story.sim.store().objects(Kind::VolumeAttachment, story.now()).collect();
        let name = attachments[0].meta().name.clone();
        let propagation = Propagation::Background;
        story.act(Action::Delete {
            resource: resource(Kind::VolumeAttachment, &name),
            propagation,
            grace_seconds: None,
        });
        story.run_for(30);
        assert_eq!(attached(&story), [""; 0]);
        story.run_for(60);
        assert_eq!(attached(&story).len(), usize::from(comes_back), "{flag}");
    }
}

#[test]
fn a_node_holds_as_many_disks_as_its_csinode_says() {
    let mut story = cluster("");
    for number in 0..3 {
        story.apply(&claim(&format!("c{number}"), "fast", "ReadWriteOnce"));
        story.apply(&pod(&format!("p{number}"), &format!("c{number}"), "node-0"));
    }
    story.run_for(60);
    assert_eq!(attached(&story), ["node-0", "node-0"]);
    let full = "1 node(s) exceed max volume count";
    assert!(story.events("FailedScheduling").iter().any(|why| why.contains(full)));
    delete(&mut story, "p0", None);
    delete(&mut story, "p1", None);
    story.run_for(60);
    assert_eq!(phase(&story, "p2"), Some(PodPhase::Running));
}

#[test]
fn a_claim_grows_while_its_pod_runs_on() {
    let mut story = with_pod("");
    ask_for(&mut story, "8Gi");
    let status =
        |story: &Story| story.get(Kind::PersistentVolumeClaim, "data").expect("the claim is there")["status"].clone();
    assert_eq!(status(&story)["conditions"][0]["type"], "Resizing");
    assert_eq!(status(&story)["allocatedResources"]["storage"], "8Gi");
    assert_eq!(status(&story)["allocatedResourceStatuses"]["storage"], "ControllerResizeInProgress");
    seconds_until(&mut story, |story| status(story)["conditions"][0]["type"] == "FileSystemResizePending");
    assert_eq!(status(&story)["capacity"]["storage"], "5Gi");
    assert_eq!(status(&story)["allocatedResourceStatuses"]["storage"], "NodeResizePending");
    let late = seconds_until(&mut story, |story| status(story)["capacity"]["storage"] == "8Gi");
    assert!(late <= 91, "{late}");
    assert_eq!(status(&story)["conditions"], Value::Null);
    let volume = volume(&story);
    assert_eq!(story.events("ExternalExpanding"), ["waiting for an external controller to expand this PVC"]);
    assert_eq!(story.events("Resizing"), [format!("External resizer is resizing volume {volume}")]);
    assert_eq!(story.events("FileSystemResizeRequired"), ["Require file system resize of volume on node"]);
    let done = format!("MountVolume.NodeExpandVolume succeeded for volume {volume:?} node-0");
    assert_eq!(story.events("FileSystemResizeSuccessful"), [done.clone(), done]);
    assert_eq!(story.pods()[0].body.status.containers[0].restart_count, 0);
    story.run_until_quiet();
}

#[test]
fn a_claim_that_grows_while_nobody_uses_it_waits_for_a_pod() {
    let mut story = cluster("");
    story.apply(&claim("data", "fast", "ReadWriteOnce"));
    story.run_for(20);
    ask_for(&mut story, "8Gi");
    story.run_for(200);
    let size = |story: &Story| {
        story.get(Kind::PersistentVolumeClaim, "data").expect("it is there")["status"]["capacity"]["storage"].clone()
    };
    assert_eq!(size(&story), "5Gi");
    story.apply(&pod("p", "data", "node-0"));
    story.run_for(40);
    assert_eq!(size(&story), "8Gi");
}

#[test]
fn what_may_not_grow_or_shrink_is_refused_in_upstream_s_words() {
    for (class, sizes, refusal) in [
        (
            "fixed",
            ["6Gi", "5Gi"],
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize",
        ),
        (
            "fast",
            ["4Gi", "5Gi"],
            "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity",
        ),
        ("lazy", ["6Gi", "5Gi"], "spec is immutable after creation except resources.requests"),
    ] {
        let mut story = cluster("");
        story.apply(&CLASS.replace("fast", "fixed").replace("true", "false"));
        story.apply(&claim("data", class, "ReadWriteOnce"));
        story.run_for(20);
        ask_for(&mut story, sizes[0]);
        assert!(story.printed().contains(refusal), "{class}: {}", story.printed());
        let claim = story.get(Kind::PersistentVolumeClaim, "data").expect("it is there");
        assert_eq!(claim["spec"]["resources"]["requests"]["storage"], sizes[1]);
    }
}

#[test]
fn while_the_cloud_attaches_nothing_pods_wait_and_then_go_on() {
    let mut story = cluster("faults:\n- {at: 30s, lasts: 4m, diskAttachStuck: {driver: csi.example.com}}");
    story.apply(&claim("data", "fast", "ReadWriteOnce"));
    story.run_for(35);
    story.apply(&pod("p", "data", "node-0"));
    story.run_for(200);
    let volume = volume(&story);
    let late = "rpc error: code = DeadlineExceeded desc = context deadline exceeded";
    let told = format!("AttachVolume.Attach failed for volume {volume:?} : {late}");
    assert_eq!(story.events("FailedAttachVolume").first(), Some(&told));
    assert_eq!(attached(&story), [""; 0]);
    assert_eq!(phase(&story, "p"), Some(PodPhase::Pending));
    let late = seconds_until(&mut story, |story| phase(story, "p") == Some(PodPhase::Running));
    assert!(!story.sim.is_struck() && late < 240, "{late}");
}

#[test]
fn while_the_cloud_detaches_nothing_the_disk_stays_and_then_moves() {
    let mut story = with_pod("faults:\n- {at: 70s, lasts: 5m, diskDetachStuck: {claim: default/data}}");
    story.run_for(20);
    delete(&mut story, "p", None);
    story.apply(&pod("q", "data", "node-1"));
    story.run_for(240);
    assert_eq!((attached(&story), phase(&story, "q")), (vec!["node-0".to_owned()], Some(PodPhase::Pending)));
    assert_eq!(shown(&story, "node-0"), (0, 0), "nobody may mount it there");
    seconds_until(&mut story, |story| phase(story, "q") == Some(PodPhase::Running));
    assert_eq!(attached(&story), ["node-1"]);
}

#[test]
fn while_the_cloud_makes_no_disks_claims_wait_and_are_told_why() {
    let mut story = cluster("faults:\n- {at: 5s, lasts: 3m, diskOutage: {}}");
    story.run_for(10);
    story.apply(&claim("data", "fast", "ReadWriteOnce"));
    story.run_for(100);
    let why = "rpc error: code = Unavailable desc = the storage service is unavailable";
    let told = format!("failed to provision volume with StorageClass \"fast\": {why}");
    assert_eq!(story.events("ProvisioningFailed").first(), Some(&told));
    assert_eq!(volume(&story), "");
    let late = seconds_until(&mut story, |story| !volume(story).is_empty());
    assert!(late < 240, "{late}");
    story.run_for(10);
    story.apply(&pod("p", "data", "node-0"));
    story.run_for(60);
    assert_eq!(phase(&story, "p"), Some(PodPhase::Running));
}

fn restarts(story: &Story) -> u32 {
    story.pods()[0].body.status.containers[0].restart_count
}

#[test]
fn a_program_ends_again_and_again_while_its_disk_fails_and_lives_afterwards() {
    let mut story = with_pod("faults:\n- {at: 70s, lasts: 2m, diskIoErrors: {claim: default/data}}");
    story.run_for(120);
    let during = restarts(&story);
    assert!(during >= 3, "{during}");
    assert!(!story.pods()[0].body.is_ready());
    story.run_for(600);
    assert!(story.pods()[0].body.is_ready() && restarts(&story) > during);
    let exit = story.get(Kind::Pod, "p").expect("it is there")["status"]["containerStatuses"][0]["lastState"].clone();
    assert_eq!(exit["terminated"]["exitCode"], 1, "{exit}");
}

#[test]
fn a_disk_that_fails_cannot_be_mounted() {
    let mut story = cluster("faults:\n- {at: 5s, lasts: 2m, diskIoErrors: {}}");
    story.apply(&claim("data", "fast", "ReadWriteOnce"));
    story.apply(&pod("p", "data", "node-0"));
    story.run_for(100);
    let told = story.events("FailedMount");
    let begin = format!("MountVolume.MountDevice failed for volume {:?} : rpc error: code = Internal", volume(&story));
    assert!(told.iter().any(|message| message.starts_with(&begin)), "{told:?}");
    assert_eq!(phase(&story, "p"), Some(PodPhase::Pending));
    seconds_until(&mut story, |story| phase(story, "p") == Some(PodPhase::Running));
}

#[test]
fn a_full_disk_has_room_again_once_it_is_larger() {
    let full = "faults:\n- {at: 70s, lasts: 1h, diskFull: {claim: default/data}}";
    let mut story = with_pod(full);
    story.run_for(200);
    assert!(restarts(&story) >= 3 && !story.pods()[0].body.is_ready());
    ask_for(&mut story, "8Gi");
    story.run_for(600);
    assert!(story.sim.is_struck() && story.pods()[0].body.is_ready());
    // Where nobody makes it larger, the end of the fault helps.
    let mut story = with_pod(&full.replace("1h", "3m"));
    story.run_for(800);
    assert!(!story.sim.is_struck() && story.pods()[0].body.is_ready());
}

#[test]
fn whatever_breaks_in_the_end_nodes_hold_the_disks_that_their_pods_need_and_no_others() {
    let faults = "faults:\n\
        - {every: 90s ±40s, until: 15m, lasts: 20s..3m, nodeCrash: {nodes: {count: 1}}}\n\
        - {every: 2m ±1m, until: 15m, lasts: 10s..2m, kubeletHang: {nodes: {count: 1}}}\n\
        - {every: 3m ±2m, until: 15m, lasts: 30s..3m, diskAttachStuck: {}}\n\
        - {every: 4m ±2m, until: 15m, lasts: 30s..3m, diskDetachStuck: {}}\n\
        - {every: 4m ±2m, until: 15m, lasts: 30s..2m, diskIoErrors: {}}\n\
        - {every: 3m ±2m, until: 15m, lasts: 5s..40s, componentCrash: {parts: kube-controller-manager}}\n\
        - {every: 3m ±2m, until: 15m, lasts: 5s..1m, nodePartition: {nodes: {count: 1}}}\n";
    for seed in 0..12 {
        let text = format!(
            "apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {{name: disks}}\nnodes:\n- {{name: node, count: 4, \
             capacity: {{cpu: 4, memory: 16Gi, pods: 110}}}}\n{faults}"
        );
        let read = |_: &Path| Ok(Found::File(text.clone()));
        let scenario = load(&[PathBuf::from("disks.yaml")], &[], &read).unwrap_or_else(|errors| panic!("{errors}"));
        let mut story = Story { sim: scenario.setup.build(seed) };
        story.apply(&CLASS.replace("allow", "volumeBindingMode: WaitForFirstConsumer\nallow"));
        story.apply(SET);
        story.sim.run_until(Time::ZERO + Span::from_mins(45));
        assert!(!story.sim.is_struck(), "seed {seed}");
        let pods = story.pods();
        assert!(pods.len() == 4 && pods.iter().all(|pod| pod.body.is_ready()), "seed {seed}: {}", story.printed());
        let mut expected: Vec<String> = pods.iter().map(|pod| pod.body.node_name.to_string()).collect();
        expected.sort();
        assert_eq!(attached(&story), expected, "seed {seed}");
        assert_eq!(story.sim.store().count(Kind::VolumeAttachment), 4, "seed {seed}");
        for node in 0..4 {
            let name = format!("node-{node}");
            let count = expected.iter().filter(|node| **node == name).count();
            assert_eq!(shown(&story, &name), (count, count), "seed {seed}, {name}");
        }
    }
}

const SET: &str = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db}\nspec:\n  serviceName: db\n  replicas: 4\n  \
                   podManagementPolicy: Parallel\n  selector: {matchLabels: {app: db}}\n  template:\n    metadata: {labels: \
                   {app: db}}\n    spec:\n      containers: [{name: db, image: 'db:1', volumeMounts: [{name: data, \
                   mountPath: /d}]}]\n  volumeClaimTemplates:\n  - metadata: {name: data}\n    spec: {storageClassName: fast, \
                   accessModes: [ReadWriteOnce], resources: {requests: {storage: 5Gi}}}\n";
