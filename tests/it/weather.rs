//! What holds whatever breaks: random faults on random small clusters, with all invariants on.
//!
//! Not checked here: that all comes right again after faults that never end, and priorities, affinities and volumes, which
//! these workloads do not have.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use wavetank::api::{Deployment, Kind};
use wavetank::kernel::{Span, Time};
use wavetank::sim::Sim;

use crate::random::{Case, anything, cases, run_until_quiet};

/// From when on things break, in seconds, and until when at most.
const FROM: u64 = 60;
const UNTIL: u64 = 700;

fn nodes() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0usize..3).prop_map(|node| json!(format!("node-{node}"))),
        (1u32..3).prop_map(|count| json!({"count": count})),
        Just(json!({"fraction": 0.5})),
    ]
}

fn parts() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!("kube-controller-manager")),
        Just(json!("kube-controller-manager/leader")),
        Just(json!("kube-scheduler")),
        Just(json!("kubelet")),
        Just(json!("all")),
        Just(json!(["kube-scheduler/leader", "kubelet"])),
    ]
}

fn kind() -> impl Strategy<Value = Value> {
    prop_oneof![2 => Just(json!("")), 1 => Just(json!("pods")), 1 => Just(json!("nodes")), 1 => Just(json!("leases"))]
}

/// A fault with its parameters.
pub(crate) fn fault() -> impl Strategy<Value = Value> {
    let direction = prop_oneof![Just("both"), Just("toApiServer"), Just("fromApiServer")];
    let then = prop_oneof![Just("resume"), Just("relist")];
    prop_oneof![
        nodes().prop_map(|nodes| json!({"nodeCrash": {"nodes": nodes}})),
        nodes().prop_map(|nodes| json!({"kubeletHang": {"nodes": nodes}})),
        (nodes(), 80u32..130, 1u64..300).prop_map(|(nodes, percent, over)| {
            json!({"memoryLeak": {"nodes": nodes, "percent": percent, "over": format!("{over}s")}})
        }),
        (nodes(), 80u32..130, 1u64..300).prop_map(|(nodes, percent, over)| {
            json!({"diskFill": {"nodes": nodes, "percent": percent, "over": format!("{over}s")}})
        }),
        (nodes(), direction.clone())
            .prop_map(|(nodes, direction)| json!({"nodePartition": {"nodes": nodes, "direction": direction}})),
        (parts(), direction)
            .prop_map(|(parts, direction)| json!({"componentPartition": {"parts": parts, "direction": direction}})),
        parts().prop_map(|parts| json!({"componentCrash": {"parts": parts}})),
        parts().prop_map(|parts| json!({"componentPause": {"parts": parts}})),
        (0u32..3).prop_map(|replicas| json!({"apiServerOutage": {"replicas": replicas}})),
        (0u32..3).prop_map(|replicas| json!({"watchCacheFreeze": {"replicas": replicas}})),
        (parts(), kind(), 1u64..5_000).prop_map(|(parts, kind, ms)| {
            json!({"apiServerLatency": {"parts": parts, "kind": kind, "latency": format!("1ms..{ms}ms")}})
        }),
        (parts(), kind(), 1u64..30_000).prop_map(|(parts, kind, ms)| {
            json!({"watchDelay": {"parts": parts, "kind": kind, "delay": format!("1ms..{ms}ms")}})
        }),
        (parts(), kind(), then)
            .prop_map(|(parts, kind, then)| json!({"watchCut": {"parts": parts, "kind": kind, "then": then}})),
    ]
}

/// A fault with what makes it strike. Each strike ends.
fn timed() -> impl Strategy<Value = Value> {
    let at = (FROM..UNTIL).prop_map(|at| json!({"at": format!("{at}s")}));
    let every = (30u64..300, 0u64..29).prop_map(|(period, jitter)| {
        json!({"every": format!("{period}s ±{jitter}s"), "from": format!("{FROM}s"), "until": format!("{UNTIL}s")})
    });
    let when = (0u32..3, 0u32..5, 0u64..3_000, 1u32..4).prop_map(|(at, ready, after_ms, times)| {
        json!({
            "when": {"resource": format!("deployment/w{at}"), "field": "status.readyReplicas", "atLeast": ready},
            "after": format!("{after_ms}ms"), "times": times,
        })
    });
    (prop_oneof![3 => at, 1 => every, 1 => when], 0u64..180, fault()).prop_map(|(trigger, lasts, fault)| {
        let mut whole = trigger;
        let entries = whole.as_object_mut().expect("a mapping");
        entries.insert("lasts".into(), json!(format!("0s..{lasts}s")));
        entries.extend(fault.as_object().expect("a mapping").clone());
        whole
    })
}

/// Random deeds and random faults, with one to three API servers and one or two replicas of the control loops.
fn weather() -> impl Strategy<Value = (Case, Vec<Value>, (u8, u8, u8))> {
    (anything(), vec(timed(), 1..5), (1u8..4, 1u8..3, 1u8..3))
}

/// After all faults and deeds have ended: everything is as wished.
fn all_is_well(sim: &Sim, case: &Case) -> Result<(), String> {
    for at in 0..case.workloads.len() {
        let object = sim.store().by_name(Kind::Deployment, "default", &format!("w{at}"));
        let Some(deployment) = object.and_then(|object| object.get::<Deployment>()) else {
            return Err(format!("w{at} is not there"));
        };
        let status = &deployment.body.status;
        if [status.replicas, status.updated_replicas, status.available_replicas] != [1, 1, 1] {
            return Err(format!("w{at} has not come up: {status:?}"));
        }
    }
    Ok(())
}

fn survive(case: &Case) -> Result<(), String> {
    let (mut sim, last) = case.build();
    let end = last.max(Time::ZERO + Span::from_secs(UNTIL + 200)) + Span::from_mins(20);
    sim.run_until(end);
    let broken: Vec<String> = sim
        .violations()
        .iter()
        .map(|violation| format!("{} at {}: {}", violation.invariant, violation.at, violation.message))
        .collect();
    if !broken.is_empty() {
        return Err(broken.join("\n"));
    }
    if sim.is_struck() {
        return Err("a strike has not ended".to_owned());
    }
    run_until_quiet(&mut sim)?;
    all_is_well(&sim, case)
}

#[test]
fn a_pod_that_is_deleted_while_its_kubelet_is_deaf_goes_when_it_hears_again() {
    let case = Case::drained_while_deaf();
    survive(&case).unwrap_or_else(|why| panic!("{why}{}", case.told()));
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn whatever_breaks_the_invariants_hold_and_all_comes_right_again((case, faults, replicas) in weather()) {
        let case = case.under(&faults, replicas);
        survive(&case).map_err(|why| TestCaseError::fail(format!("{why}{}", case.told())))?;
    }
}
