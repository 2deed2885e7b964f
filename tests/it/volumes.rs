//! Volumes in a whole cluster. No controller binds claims there yet: the user does what it would do.

use wavetank::api::{Kind, PodPhase};

use crate::story::Story;

const CLASS: &str = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: local}\nprovisioner: \
                     kubernetes.io/no-provisioner\nvolumeBindingMode: WaitForFirstConsumer\n";
const VOLUME: &str = "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: disk}\nspec:\n  storageClassName: local\n  \
                      capacity: {storage: 10Gi}\n  accessModes: [ReadWriteOnce]\n  local: {path: /mnt}\n  claimRef: \
                      {namespace: default, name: data}\n  nodeAffinity: {required: {nodeSelectorTerms: \
                      [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node-1]}]}]}}\n";
const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers: [{name: c, image: nginx:1}]\n  \
                   volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]\n";

fn claim(annotations: &str, spec: &str) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data, annotations: {{{annotations}}}}}\nspec: \
         {{storageClassName: local, accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 5Gi}}}}{spec}}}\n"
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
    story.apply(&claim("", ""));
    story.run_for(10);
    let nothing = "0/3 nodes are available: 3 node(s) didn't find available persistent volumes to bind. no new claims to \
                   deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.";
    assert!(story.events("FailedScheduling").contains(&nothing.to_owned()), "{:?}", story.events("FailedScheduling"));
    story.apply(VOLUME);
    story.run_for(20);
    let volume = story.get(Kind::PersistentVolume, "disk").expect("the volume is there");
    let data = story.get(Kind::PersistentVolumeClaim, "data").expect("the claim is there");
    assert_eq!(volume["spec"]["claimRef"]["uid"], data["metadata"]["uid"], "{volume}");
    assert_eq!(story.pods()[0].body.node_name, "", "it waits for the claim");
    story.apply(&claim("pv.kubernetes.io/bind-completed: 'yes'", ", volumeName: disk"));
    story.run_for(30);
    let pod = &story.pods()[0];
    assert_eq!((pod.body.node_name.as_str(), pod.body.status.phase), ("node-1", PodPhase::Running));
    story.run_until_quiet();
}
