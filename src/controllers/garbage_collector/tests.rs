//! Stories about the garbage collector, with Secrets as owners and ConfigMaps as dependents.

use super::super::test_toy::{Toy, node, untyped};
use super::*;
use crate::api::OwnerReference;
use crate::client::Flags;
use crate::event::{MetaEdit, Propagation};
use crate::kernel::Span;
use std::sync::Arc;

const SECOND: Span = Span::from_secs(1);

fn toy() -> Toy {
    let flags = Flags::default();
    let mut toy = Toy::new((ENTRY.build)(&flags), &flags);
    toy.start();
    toy.run(SECOND);
    toy
}

fn owner(toy: &mut Toy, name: &str) -> OwnerReference {
    toy.create(untyped(Kind::Secret, "default", name, &[]))
}

fn dependent(toy: &mut Toy, name: &str, owners: &[OwnerReference]) -> OwnerReference {
    toy.create(untyped(Kind::ConfigMap, "default", name, owners))
}

fn blocking(owner: OwnerReference) -> OwnerReference {
    OwnerReference { block_owner_deletion: Some(true), ..owner }
}

fn is_there(toy: &Toy, kind: Kind, name: &str) -> bool {
    toy.get(kind, "default", name).is_some()
}

#[track_caller]
fn expect_owners(toy: &Toy, name: &str, expected: &[&str]) {
    let object = toy.get(Kind::ConfigMap, "default", name).expect("the dependent is there");
    let owners: Vec<&str> = object.meta().owners.iter().map(|owner| owner.name.as_str()).collect();
    assert_eq!(owners, expected, "the owners of {name}");
}

#[test]
fn dependents_of_a_deleted_owner_go() {
    let mut toy = toy();
    let top = owner(&mut toy, "top");
    let middle = dependent(&mut toy, "middle", &[top]);
    dependent(&mut toy, "leaf", &[middle]);
    dependent(&mut toy, "alone", &[]);
    toy.run(SECOND);
    assert_eq!(toy.asked, Vec::<String>::new(), "nothing is to be done while all owners are there");
    toy.delete(Kind::Secret, "default", "top", Propagation::Background);
    toy.run(SECOND);
    assert_eq!(toy.names(Kind::ConfigMap), ["alone"]);
    let expected =
        ["delete top Background", "get middle", "delete middle Background", "get leaf", "delete leaf Background"];
    assert_eq!(toy.asked, expected, "an owner known to be absent is not asked for");
}

#[test]
fn a_dependent_with_another_owner_stays_and_loses_the_one_that_is_gone() {
    let mut toy = toy();
    let owners = [owner(&mut toy, "one"), owner(&mut toy, "two")];
    dependent(&mut toy, "shared", &owners);
    toy.run(SECOND);
    toy.delete(Kind::Secret, "default", "one", Propagation::Background);
    toy.run(SECOND);
    expect_owners(&toy, "shared", &["two"]);
    toy.delete(Kind::Secret, "default", "two", Propagation::Background);
    toy.run(SECOND);
    assert!(!is_there(&toy, Kind::ConfigMap, "shared"));
}

#[test]
fn foreground_waits_for_blocking_dependents() {
    let mut toy = toy();
    let top = owner(&mut toy, "top");
    let mut held = untyped(Kind::ConfigMap, "default", "held", &[blocking(top.clone())]);
    held.meta_mut().finalizers = Arc::from(["example.com/hold".into()]);
    toy.create(held);
    dependent(&mut toy, "quick", &[blocking(top)]);
    toy.run(SECOND);
    toy.delete(Kind::Secret, "default", "top", Propagation::Foreground);
    toy.run(SECOND * 10);
    assert!(!is_there(&toy, Kind::ConfigMap, "quick"));
    assert!(is_there(&toy, Kind::ConfigMap, "held") && is_there(&toy, Kind::Secret, "top"));
    let edit = MetaEdit { remove_finalizers: vec!["example.com/hold".into()], ..MetaEdit::default() };
    toy.edit(Kind::ConfigMap, "default", "held", edit);
    toy.run(SECOND);
    assert!(!is_there(&toy, Kind::ConfigMap, "held") && !is_there(&toy, Kind::Secret, "top"));
}

#[test]
fn foreground_does_not_wait_for_dependents_that_do_not_block() {
    let mut toy = toy();
    let top = owner(&mut toy, "top");
    let mut held = untyped(Kind::ConfigMap, "default", "held", &[top]);
    held.meta_mut().finalizers = Arc::from(["example.com/hold".into()]);
    toy.create(held);
    toy.run(SECOND);
    toy.delete(Kind::Secret, "default", "top", Propagation::Foreground);
    toy.run(SECOND);
    assert!(is_there(&toy, Kind::ConfigMap, "held") && !is_there(&toy, Kind::Secret, "top"));
}

#[test]
fn foreground_goes_down_to_the_leaves_and_comes_up_again() {
    let mut toy = toy();
    let top = owner(&mut toy, "top");
    let middle = dependent(&mut toy, "middle", &[blocking(top)]);
    dependent(&mut toy, "leaf", &[blocking(middle)]);
    toy.run(SECOND);
    toy.delete(Kind::Secret, "default", "top", Propagation::Foreground);
    toy.run(SECOND);
    assert!(toy.names(Kind::ConfigMap).is_empty() && toy.names(Kind::Secret).is_empty());
    let order: Vec<&String> = toy.asked.iter().filter(|asked| !asked.starts_with("get")).collect();
    let expected =
        ["delete top Foreground", "delete middle Foreground", "delete leaf Background", "patch middle", "patch top"];
    assert_eq!(order, expected);
}

#[test]
fn a_circle_of_foreground_deletions_is_broken() {
    let mut toy = toy();
    let one = owner(&mut toy, "one");
    let two = dependent(&mut toy, "two", &[blocking(one)]);
    toy.edit(Kind::Secret, "default", "one", MetaEdit { add_owners: vec![blocking(two)], ..MetaEdit::default() });
    toy.run(SECOND);
    toy.delete(Kind::Secret, "default", "one", Propagation::Foreground);
    toy.run(SECOND * 5);
    assert!(!is_there(&toy, Kind::Secret, "one") && !is_there(&toy, Kind::ConfigMap, "two"));
    assert!(toy.asked.contains(&"patch two".to_owned()), "its reference no longer blocks");
}

#[test]
fn orphaned_dependents_stay_and_lose_their_reference() {
    let mut toy = toy();
    let owners = [owner(&mut toy, "parent"), owner(&mut toy, "other")];
    dependent(&mut toy, "first", &owners[..1]);
    dependent(&mut toy, "second", &owners);
    toy.run(SECOND);
    toy.delete(Kind::Secret, "default", "parent", Propagation::Orphan);
    toy.run(SECOND);
    assert!(!is_there(&toy, Kind::Secret, "parent"));
    expect_owners(&toy, "first", &[]);
    expect_owners(&toy, "second", &["other"]);
}

#[test]
fn an_owner_that_never_existed_is_absent() {
    let mut toy = toy();
    let mut ghost = owner(&mut toy, "real");
    ghost.uid = Uid(7);
    dependent(&mut toy, "stale", &[ghost.clone()]);
    ghost.name = "ghost".into();
    ghost.uid = Uid(8);
    dependent(&mut toy, "haunted", &[ghost]);
    toy.run(SECOND);
    assert!(toy.names(Kind::ConfigMap).is_empty());
    assert_eq!(toy.names(Kind::Secret), ["real"]);
    let expected =
        ["get real", "get nothing", "get stale", "get haunted", "delete stale Background", "delete haunted Background"];
    assert_eq!(toy.asked, expected);
}

#[test]
fn an_owner_of_an_unknown_kind_is_tried_again_and_nothing_is_deleted() {
    let mut toy = toy();
    let mut alien = owner(&mut toy, "real");
    (alien.api_version, alien.kind, alien.uid) = ("example.com/v1".into(), "Widget".into(), Uid(9));
    dependent(&mut toy, "kept", &[alien]);
    toy.run(SECOND * 60);
    assert!(is_there(&toy, Kind::ConfigMap, "kept"));
    assert_eq!(toy.asked, Vec::<String>::new(), "there is nothing to ask for");
}

#[test]
fn an_owner_in_another_namespace_is_reported_and_does_not_count() {
    let mut toy = toy();
    let far = toy.create(untyped(Kind::Secret, "elsewhere", "far", &[]));
    toy.run(SECOND);
    dependent(&mut toy, "near", std::slice::from_ref(&far));
    toy.run(SECOND);
    assert!(!is_there(&toy, Kind::ConfigMap, "near"));
    let expected = format!(
        "OwnerRefInvalidNamespace near: ownerRef [v1/Secret, namespace: default, name: far, uid: {}] does not exist in \
         namespace \"default\"",
        far.uid
    );
    assert_eq!(toy.events, [expected]);
}

#[test]
fn a_cluster_scoped_object_with_a_namespaced_owner_is_left_alone() {
    let mut toy = toy();
    let secret = owner(&mut toy, "secret");
    toy.run(SECOND);
    let mut object = node("n1", &[]);
    object.meta_mut().owners = Arc::from([secret]);
    toy.create(object);
    toy.run(SECOND);
    toy.delete(Kind::Secret, "default", "secret", Propagation::Background);
    toy.run(SECOND);
    assert_eq!(toy.names(Kind::Node), ["n1"]);
}

#[test]
fn a_cluster_scoped_owner_counts_in_every_namespace() {
    let mut toy = toy();
    let machine = toy.create(node("n1", &[]));
    toy.run(SECOND);
    dependent(&mut toy, "mirror", &[machine]);
    toy.run(SECOND);
    assert!(is_there(&toy, Kind::ConfigMap, "mirror"));
    toy.delete(Kind::Node, "", "n1", Propagation::Background);
    toy.run(SECOND);
    assert!(!is_there(&toy, Kind::ConfigMap, "mirror"));
}

#[test]
fn what_happened_before_the_start_is_made_up_for() {
    let flags = Flags::default();
    let mut toy = Toy::new((ENTRY.build)(&flags), &flags);
    let gone = owner(&mut toy, "gone");
    let there = owner(&mut toy, "there");
    dependent(&mut toy, "lost", &[gone]);
    dependent(&mut toy, "kept", &[there]);
    toy.delete(Kind::Secret, "default", "gone", Propagation::Background);
    toy.start();
    toy.run(SECOND * 5);
    assert_eq!(toy.names(Kind::ConfigMap), ["kept"]);
}

/// The owner of `leaf` is deleted, and `edit` changes `leaf` after the collector has looked at it.
fn change_while_collected(toy: &mut Toy, edit: MetaEdit) {
    let top = owner(toy, "top");
    dependent(toy, "leaf", &[top]);
    toy.run(SECOND);
    toy.delete(Kind::Secret, "default", "top", Propagation::Background);
    toy.run(Span::from_millis(3));
    assert_eq!(toy.asked, ["delete top Background", "get leaf"]);
    toy.edit(Kind::ConfigMap, "default", "leaf", edit);
    toy.run(SECOND);
}

#[test]
fn a_dependent_that_changes_while_it_is_collected_goes_all_the_same() {
    let mut toy = toy();
    change_while_collected(&mut toy, MetaEdit::default());
    assert!(!is_there(&toy, Kind::ConfigMap, "leaf"));
    assert_eq!(toy.asked[3..], ["delete leaf Background", "get leaf", "delete leaf Background"]);
}

#[test]
fn a_dependent_that_gets_another_owner_while_it_is_collected_stays() {
    let mut toy = toy();
    let rescuer = owner(&mut toy, "rescuer");
    change_while_collected(&mut toy, MetaEdit { add_owners: vec![rescuer], ..MetaEdit::default() });
    expect_owners(&toy, "leaf", &["rescuer"]);
}

#[test]
fn dependents_that_disagree_about_the_name_of_an_absent_owner_all_go() {
    let mut toy = toy();
    let mut ghost = owner(&mut toy, "real");
    ghost.uid = Uid(5);
    for name in ["c", "a", "b"] {
        ghost.name = name.into();
        dependent(&mut toy, &format!("of-{name}"), &[ghost.clone()]);
    }
    toy.run(SECOND);
    assert!(toy.names(Kind::ConfigMap).is_empty());
}

#[test]
fn a_node_of_the_graph_is_small() {
    assert!(size_of::<graph::Node>() <= 144, "{} bytes, times 150,000 pods", size_of::<graph::Node>());
}

#[test]
fn after_all_is_gone_the_collector_remembers_nothing_of_it() {
    let (mut before, mut after) = (std::hash::DefaultHasher::new(), std::hash::DefaultHasher::new());
    let mut toy = toy();
    toy.hash_memory(&mut before);
    let mut ghost = owner(&mut toy, "top");
    ghost.uid = Uid(5);
    dependent(&mut toy, "leaf", &[ghost]);
    toy.run(SECOND);
    toy.hash_memory(&mut after);
    use std::hash::Hasher;
    assert_eq!(before.finish(), after.finish());
}
