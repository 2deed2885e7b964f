//! What must always hold of cards and policies: an incremental decision is the one from scratch, no card is given out
//! twice, and what a node counts is what its pods hold.

use std::sync::Arc;

use proptest::prelude::*;

use crate::api::{Labels, Obj, Pod};
use crate::scheduler::cards::{CARD_COUNT, CARD_INDEX, CARD_MILLI, CARD_MODEL, node_state};
use crate::scheduler::plugins::placement_policy::Chosen;
use crate::scheduler::policies::{CARD, Demand, MAX_CARDS, NodeState, Policy, Setting};
use crate::scheduler::testing::{node, pod_numbered};
use crate::scheduler::{Incremental, Outcome, Profile, Scope, SeenPods, Snapshot, Tie, decide};

/// Reads all that a policy may read.
struct Nosy;

impl Policy for Nosy {
    fn name(&self) -> &'static str {
        "nosy"
    }

    fn doc(&self) -> &'static str {
        "A policy of the tests."
    }

    fn score(&self, pod: &Demand, node: &NodeState, setting: &Setting) -> i32 {
        assert!(node.fits(pod), "only asked where the pod fits");
        let largest = setting.largest[0] + setting.largest_cards;
        let before = setting.typical.fragmentation(&node.cards, node.free[0], node.model);
        ((before + node.free[0] / 7 + largest + i64::from(node.card_pods[0]) + i64::from(node.pods)) % 1000) as i32
    }

    fn card(&self, pod: &Demand, node: &NodeState, _setting: &Setting) -> usize {
        assert!(node.fits(pod), "the node is as it was before the pod");
        (0..MAX_CARDS).rev().find(|card| node.cards.free[*card] >= pod.milli_per_card).expect("some card has room")
    }
}

#[derive(Clone, Debug)]
enum Step {
    Node { number: u8, shape: u8 },
    NodeGone { number: u8 },
    Pod { cpu: u8, ask: u8, draw: u64 },
    PodGone { which: u16 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0u8..20, 0u8..5).prop_map(|(number, shape)| Step::Node { number, shape }),
        1 => (0u8..20).prop_map(|number| Step::NodeGone { number }),
        20 => (1u8..4, 0u8..8, any::<u64>()).prop_map(|(cpu, ask, draw)| Step::Pod { cpu, ask, draw }),
        5 => any::<u16>().prop_map(|which| Step::PodGone { which }),
    ]
}

fn shape_of(number: u8, shape: u8) -> Arc<Obj<crate::api::Node>> {
    let (cards, model) = [("", ""), ("2", "T4"), ("4", "T4"), ("4", "P100"), ("3", "")][usize::from(shape)];
    let label = if model.is_empty() { String::new() } else { format!("{CARD_MODEL}: {model}") };
    let cards = if cards.is_empty() { String::new() } else { format!(", {CARD_COUNT}: '{cards}'") };
    node(
        &format!("n{number}"),
        &format!(
            "{{metadata: {{labels: {{{label}}}}}, status: {{allocatable: {{cpu: '{}', memory: 8Gi, pods: '20'{cards}}}}}}}",
            8 + shape
        ),
    )
}

fn pod_of(slot: u32, cpu: u8, ask: u8) -> Arc<Obj<Pod>> {
    let spec = format!("{{containers: [{{name: c, resources: {{requests: {{cpu: '{cpu}'}}}}}}]}}");
    let mut pod = Obj::clone(&pod_numbered(slot, &format!("p{slot}"), &spec));
    let (count, milli, models) = [
        ("", "", ""),
        ("1", "300", ""),
        ("1", "500", "T4"),
        ("1", "1000", ""),
        ("2", "1000", "P100|T4"),
        ("4", "1000", ""),
        ("1", "700", "P100"),
        ("1", "100", "A10"),
    ][usize::from(ask)];
    let annotations = [(CARD_COUNT, count), (CARD_MILLI, milli), (CARD_MODEL, models)];
    pod.meta.annotations = annotations.into_iter().filter(|(_, value)| !value.is_empty()).collect::<Labels>();
    Arc::new(pod)
}

/// What is free of the cards of each node by what its pods hold.
fn check_cards(snapshot: &Snapshot) {
    let nodes = &snapshot.cluster.nodes;
    for number in nodes.order() {
        let view = nodes.view(*number);
        let Some(cards) = &view.info.cards else { continue };
        let mut free = [0i16; MAX_CARDS];
        free[..usize::from(cards.free().count)].fill(CARD);
        for pod in &view.info.pods {
            let annotations = &pod.meta.annotations;
            let Some(index) = annotations.get(CARD_INDEX) else { continue };
            let milli: i16 = annotations.get(CARD_MILLI).unwrap().parse().unwrap();
            index.split('-').filter(|card| !card.is_empty()).for_each(|card| {
                free[card.parse::<usize>().unwrap()] -= milli;
            });
        }
        assert_eq!(node_state(view).cards.free, free.map(|free| free.max(0)), "node {}", view.info.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn policies_and_cards_are_decided_incrementally_as_from_scratch(
        nodes in 1u8..20,
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut profile = Profile::placing(Chosen(&Nosy));
        profile.percentage_of_nodes_to_score = None;
        let (mut snapshot, mut engine) = (Snapshot::default(), Incremental::default());
        snapshot.cluster.seen = Some(Box::<SeenPods>::default());
        (0..nodes).for_each(|number| { snapshot.cluster.nodes.set(&shape_of(number, number % 5)); });
        let (mut slots, mut pods) = (0, Vec::new());
        let mut is_shrunk = false;
        for step in steps {
            match step {
                Step::Node { number, shape } => {
                    // A node may come to have fewer cards than its pods hold.
                    is_shrunk = true;
                    snapshot.cluster.nodes.set(&shape_of(number, shape));
                }
                Step::NodeGone { number } => snapshot.cluster.nodes.remove(&format!("n{number}")),
                Step::PodGone { which } if pods.is_empty() => { let _: u16 = which; }
                Step::PodGone { which } => {
                    let slot = pods.swap_remove(usize::from(which) % pods.len());
                    snapshot.cluster.remove_pod(slot);
                }
                Step::Pod { cpu, ask, draw } => {
                    slots += 1;
                    let pod = pod_of(slots, cpu, ask);
                    snapshot.cluster.see(&pod);
                    snapshot.cluster.nodes.refresh();
                    let expected = decide(&snapshot.cluster, &profile, &pod, Scope::Everything);
                    let node = expected.choose(&snapshot.cluster, Tie::Draw, |among| draw % among);
                    let tie = (Tie::Draw, |among| draw % among);
                    let outcome = engine.decide(&snapshot.cluster, (0, &profile), &pod, Scope::Everything, tie);
                    match (node, outcome) {
                        (Some(node), Outcome::Placed { node: chosen, .. }) => {
                            prop_assert_eq!(node, chosen, "{:?}", &expected);
                            let bound = snapshot.bind(&profile, &pod, node);
                            let holds = bound.meta.annotations.get(CARD_INDEX).is_some();
                            prop_assert_eq!(holds, ask != 0);
                            pods.push(slots);
                        }
                        (None, Outcome::Unplaced(decision)) => prop_assert_eq!(&*decision, &expected),
                        (node, outcome) => prop_assert!(false, "{node:?} is not {outcome:?}"),
                    }
                }
            }
            if !is_shrunk {
                snapshot.cluster.nodes.refresh();
                check_cards(&snapshot);
            }
        }
    }
}
