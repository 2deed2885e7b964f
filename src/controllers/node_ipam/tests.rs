//! Stories about the ranges of nodes.

use super::super::test_toy::{Toy, node};
use super::*;
use crate::event::Propagation;
use crate::kernel::Span;

const SECOND: Span = Span::from_secs(1);

#[track_caller]
fn flags(settings: &[(&Flag, &str)]) -> Flags {
    let mut flags = Flags::default();
    flags.set(&ALLOCATE_NODE_CIDRS, "true").unwrap();
    for (flag, text) in settings {
        flags.set(flag, text).unwrap();
    }
    flags
}

fn toy(flags: &Flags) -> Toy {
    Toy::new((ENTRY.build)(flags), flags)
}

#[track_caller]
fn expect(toy: &Toy, name: &str, expected: &[&str]) {
    let node = toy.get(Kind::Node, "", name).and_then(|object| object.get::<Node>()).expect("the node is there");
    assert_eq!(pod_cidrs(node), expected, "{name}");
    assert_eq!(node.body.spec.pod_cidr.as_deref(), expected.first().copied(), "{name}");
}

#[test]
fn each_node_gets_its_own_cidr() {
    let mut toy = toy(&flags(&[]));
    toy.create(node("n1", &[]));
    toy.create(node("n2", &["10.244.0.0/24"]));
    toy.create(node("n3", &[]));
    toy.start();
    toy.run(SECOND);
    expect(&toy, "n1", &["10.244.1.0/24"]);
    expect(&toy, "n2", &["10.244.0.0/24"]);
    expect(&toy, "n3", &["10.244.2.0/24"]);
    toy.delete(Kind::Node, "", "n1", Propagation::Background);
    toy.create(node("n4", &[]));
    toy.run(SECOND);
    expect(&toy, "n4", &["10.244.3.0/24"]);
}

#[test]
fn two_families_give_two_ranges() {
    let mut toy = toy(&flags(&[
        (&CLUSTER_CIDR, "10.0.0.0/16,fd00:10::/48"),
        (&NODE_CIDR_MASK_SIZE_IPV4, "20"),
        (&SERVICE_CLUSTER_IP_RANGE, "10.0.0.0/20"),
    ]));
    toy.start();
    toy.run(SECOND);
    toy.create(node("n1", &[]));
    toy.run(SECOND);
    expect(&toy, "n1", &["10.0.16.0/20", "fd00:10::/64"]);
}

#[test]
fn an_exhausted_range_is_said() {
    let mut toy = toy(&flags(&[(&CLUSTER_CIDR, "10.0.0.0/24")]));
    toy.start();
    toy.run(SECOND);
    toy.create(node("n1", &[]));
    toy.create(node("n2", &[]));
    toy.run(SECOND);
    expect(&toy, "n1", &["10.0.0.0/24"]);
    expect(&toy, "n2", &[]);
    assert_eq!(toy.events, ["CIDRNotAvailable n2: Node n2 status is now: CIDRNotAvailable"]);
    toy.delete(Kind::Node, "", "n1", Propagation::Background);
    toy.run(SECOND * 2);
    expect(&toy, "n2", &["10.0.0.0/24"]);
}

#[test]
fn a_refused_patch_gives_the_range_back() {
    let mut toy = toy(&flags(&[(&CLUSTER_CIDR, "10.0.0.0/24")]));
    toy.refuse_patches.insert("n1".into());
    toy.start();
    toy.run(SECOND);
    toy.create(node("n1", &[]));
    toy.run(Span::from_millis(12));
    assert_eq!(toy.asked, ["patch n1", "patch n1", "patch n1"]);
    assert_eq!(toy.events, ["CIDRAssignmentFailed n1: Node n1 status is now: CIDRAssignmentFailed"]);
    toy.refuse_patches.clear();
    toy.run(SECOND);
    expect(&toy, "n1", &["10.0.0.0/24"]);
}

#[test]
fn without_the_flag_nothing_happens() {
    let mut flags = Flags::default();
    flags.set(&super::ALLOCATE_NODE_CIDRS, "false").unwrap();
    let mut toy = toy(&flags);
    toy.create(node("n1", &[]));
    toy.start();
    toy.run(SECOND);
    expect(&toy, "n1", &[]);
}

#[test]
fn flags_that_make_no_sense_are_named() {
    let wrong = |settings: &[(&Flag, &str)]| check_flags(&flags(settings)).unwrap_err();
    assert_eq!(wrong(&[(&CLUSTER_CIDR, "10.0/16")]), "--cluster-cidr: invalid CIDR address: 10.0/16");
    let two = "--cluster-cidr: one range is needed, or one of each family";
    assert_eq!(wrong(&[(&CLUSTER_CIDR, "10.0.0.0/16,10.1.0.0/16")]), two);
    assert!(wrong(&[(&NODE_CIDR_MASK_SIZE_IPV4, "8")]).contains("cannot be cut"));
    assert_eq!(check_flags(&flags(&[])), Ok(()));
}
