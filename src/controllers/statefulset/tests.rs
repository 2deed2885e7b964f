//! What a StatefulSet makes of its spec: pods, claims, status.

use serde_json::{Value, json};

use super::claims::new_claim;
use super::identity::{POD_INDEX, POD_NAME, belongs_to_current, identity_matches, new_pod, storage_matches};
use super::set::{StatefulSet, Status};
use crate::api::{Kind, Name, Obj, Object, Pod, Uid, convert};
use crate::controllers::history::REVISION_HASH;

/// A set with a claim template and a volume of the same name, with fields of its spec on top.
fn set(more: Value) -> StatefulSet {
    let mut spec = json!({
        "replicas": 3,
        "serviceName": "peers",
        "selector": {"matchLabels": {"app": "db"}},
        "template": {
            "metadata": {"labels": {"app": "db"}},
            "spec": {
                "containers": [{"name": "c", "image": "db:1"}],
                "volumes": [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
            },
        },
        "volumeClaimTemplates": [{
            "metadata": {"name": "data", "labels": {"tier": "fast"}},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }],
    });
    let entries = more.as_object().cloned().unwrap_or_default();
    spec.as_object_mut().expect("a mapping").extend(entries);
    let manifest = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "spec": spec,
        "metadata": {"name": "db", "namespace": "default"}});
    let mut object = convert::from_json(Kind::StatefulSet, manifest).expect("a StatefulSet");
    object.meta_mut().uid = Uid(7);
    StatefulSet::of(&object, None).expect("a spec that can be read")
}

fn pod(set: &StatefulSet, ordinal: i32) -> Obj<Pod> {
    new_pod(set, &set.spec.template, &Name::from("db-abc"), ordinal)
}

#[test]
fn a_pod_has_the_identity_and_the_claims_of_its_ordinal() {
    let set = set(json!({}));
    let pod = pod(&set, 2);
    let label = |key: &str| pod.meta.labels.get(key).map(Name::as_str);
    assert_eq!(pod.meta.name, "db-2");
    assert_eq!([label(POD_NAME), label(POD_INDEX), label(REVISION_HASH)], [Some("db-2"), Some("2"), Some("db-abc")]);
    assert_eq!(pod.meta.controller().map(|owner| owner.uid), Some(Uid(7)));
    let full = &pod.body.spec.full;
    assert_eq!((full.hostname.as_deref(), full.subdomain.as_deref()), (Some("db-2"), Some("peers")));
    let volumes: Vec<(&str, Option<&str>)> = full
        .volumes
        .iter()
        .flatten()
        .map(|volume| {
            let claim = volume.persistent_volume_claim.as_ref();
            (volume.name.as_str(), claim.map(|claim| claim.claim_name.as_str()))
        })
        .collect();
    assert_eq!(volumes, [("data", Some("data-db-2")), ("tmp", None)], "the claim takes the place of the volume");
    assert!(identity_matches(set.meta(), &pod.meta) && storage_matches(&set, &pod));
    let mut lost = pod.clone();
    lost.meta.labels = lost.meta.labels.without(POD_NAME);
    assert!(!identity_matches(set.meta(), &lost.meta));
    let mut other = pod;
    other.meta.name = "db-3".into();
    assert!(!storage_matches(&set, &other), "those are the claims of another ordinal");
}

#[test]
fn a_claim_is_named_and_labelled_after_set_and_ordinal() {
    let set = set(json!({}));
    let claim = new_claim(&set, &set.spec.claims[0], 4);
    let meta = claim.meta();
    assert_eq!((meta.name.as_str(), meta.namespace.as_str()), ("data-db-4", "default"));
    let labels: Vec<(&str, &str)> = meta.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(labels, [("app", "db"), ("tier", "fast")]);
}

/// The ordinals, of `ordinals`, that the set wishes for and that are made at the current revision.
#[track_caller]
fn check_ordinals(more: Value, ordinals: std::ops::Range<i32>, wished: &[i32], current: &[i32]) {
    let set = set(more.clone());
    let found: Vec<i32> = ordinals.clone().filter(|ordinal| set.has_ordinal(*ordinal)).collect();
    assert_eq!(found, wished, "{more}");
    let found: Vec<i32> = ordinals.filter(|ordinal| belongs_to_current(&set, *ordinal)).collect();
    assert_eq!(found, current, "{more}");
}

#[test]
fn ordinals_start_where_they_are_told_to_and_the_partition_counts_from_there() {
    check_ordinals(json!({}), 0..5, &[0, 1, 2], &[]);
    check_ordinals(json!({"ordinals": {"start": 2}}), 0..8, &[2, 3, 4], &[0, 1]);
    let partition = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}});
    check_ordinals(json!({"updateStrategy": partition}), 0..5, &[0, 1, 2], &[0]);
    check_ordinals(json!({"ordinals": {"start": 2}, "updateStrategy": partition}), 2..8, &[2, 3, 4], &[2]);
    check_ordinals(json!({"updateStrategy": {"type": "OnDelete"}}), 0..5, &[0, 1, 2], &[]);
}

#[test]
fn a_spec_is_parsed_once_for_as_long_as_it_stays_the_same() {
    let first = set(json!({}));
    let status = Status { replicas: 3, update_revision: "db-abc".into(), ..Status::default() };
    let object = first.with_status(&status);
    let second = StatefulSet::of(&object, Some(&first)).expect("a set");
    assert!(std::sync::Arc::ptr_eq(&first.spec, &second.spec));
    assert_eq!(second.status, status, "what was written is read");
    assert!(status.differs(&first.status) && !status.differs(&second.status));
    let third = set(json!({"replicas": 4}));
    let third = StatefulSet::of(&Object::Untyped(third.object), Some(&second)).expect("a set");
    assert_eq!(third.spec.replicas, 4);
}
