//! Stories about namespaces that are being deleted.

use super::super::test_toy::{Toy, namespace, pod, untyped};
use super::*;
use crate::api::find_condition;
use crate::client::Flags;
use crate::event::MetaEdit;

fn toy() -> Toy {
    let flags = Flags::default();
    let mut toy = Toy::new((ENTRY.build)(&flags), &flags);
    toy.create(namespace("shop"));
    toy.create(untyped(Kind::ConfigMap, "shop", "settings", &[]));
    toy.create(untyped(Kind::ConfigMap, "default", "other", &[]));
    toy.create(pod("shop", "web"));
    toy.start();
    toy.run(Span::from_secs(1));
    toy
}

fn delete(toy: &mut Toy) {
    toy.delete(Kind::Namespace, "", "shop", Propagation::Background);
}

#[track_caller]
fn expect_condition(toy: &Toy, kind: &str, expected: (&str, &str, &str)) {
    let namespace = toy.get(Kind::Namespace, "", "shop").and_then(|object| object.get::<Namespace>());
    let conditions = &namespace.expect("the namespace is there").body.conditions;
    let condition = find_condition(conditions, kind).expect("the condition is there");
    let found = (condition.status.as_str(), condition.reason.as_str(), condition.message.as_str());
    assert_eq!(found, expected, "{kind}");
}

#[test]
fn a_namespace_empties_and_goes() {
    let mut toy = toy();
    delete(&mut toy);
    toy.run(Span::from_millis(4900));
    assert_eq!(toy.asked, ["delete shop Background"], "it rests for five seconds");
    toy.run(Span::from_secs(1));
    assert!(toy.names(Kind::Namespace).is_empty() && toy.names(Kind::Pod).is_empty());
    assert_eq!(toy.names(Kind::ConfigMap), ["other"]);
    assert_eq!(toy.asked[1..4], ["get shop", "delete all Pod", "delete all ConfigMap"]);
    let last = toy.asked.len() - 4;
    assert_eq!(toy.asked[last..], ["status shop", "finalize shop", "get shop", "finalize shop"]);
}

#[test]
fn a_finalizer_holds_a_namespace_and_the_condition_says_so() {
    let mut toy = toy();
    let mut held = untyped(Kind::ConfigMap, "shop", "hold", &[]);
    held.meta_mut().finalizers = Arc::from(["example.com/hold".into()]);
    toy.create(held);
    delete(&mut toy);
    toy.run(Span::from_secs(30));
    let remaining = "Some resources are remaining: configmaps. has 1 resource instances";
    expect_condition(&toy, "NamespaceContentRemaining", ("True", "SomeResourcesRemain", remaining));
    let finalizers = "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances";
    expect_condition(&toy, "NamespaceFinalizersRemaining", ("True", "SomeFinalizersRemain", finalizers));
    let deleted = "All content successfully deleted, may be waiting on finalization";
    expect_condition(&toy, "NamespaceDeletionContentFailure", ("False", "ContentDeleted", deleted));
    let discovered = "All resources successfully discovered";
    expect_condition(&toy, "NamespaceDeletionDiscoveryFailure", ("False", "ResourcesDiscovered", discovered));
    let edit = MetaEdit { remove_finalizers: vec!["example.com/hold".into()], ..MetaEdit::default() };
    toy.edit(Kind::ConfigMap, "shop", "hold", edit);
    toy.run(Span::from_secs(16));
    assert!(toy.names(Kind::Namespace).is_empty());
}

#[test]
fn pods_go_before_all_else() {
    let mut toy = toy();
    toy.pods_take_their_time = true;
    delete(&mut toy);
    toy.run(Span::from_secs(8));
    assert!(toy.get(Kind::ConfigMap, "shop", "settings").is_some());
    let remaining = "Some resources are remaining: pods. has 1 resource instances";
    expect_condition(&toy, "NamespaceContentRemaining", ("True", "SomeResourcesRemain", remaining));
    toy.end_pod("shop", "web");
    toy.run(Span::from_secs(16));
    assert!(toy.names(Kind::Namespace).is_empty());
    assert_eq!(toy.names(Kind::ConfigMap), ["other"]);
}

#[test]
fn a_pod_that_outstays_its_grace_period_is_a_failure() {
    let mut toy = toy();
    toy.pods_take_their_time = true;
    delete(&mut toy);
    toy.run(Span::from_secs(60));
    let failure = "Failed to delete all resource types, 1 remaining: unexpected items still remain in namespace: shop \
                   for gvr: /v1, Resource=pods";
    expect_condition(&toy, "NamespaceDeletionContentFailure", ("True", "ContentDeletionFailed", failure));
}

#[test]
fn a_namespace_that_is_not_being_deleted_is_left_alone() {
    let mut toy = toy();
    toy.run(Span::from_secs(60));
    assert_eq!(toy.asked, Vec::<String>::new());
}
