//! What holds whatever users do: random clusters, workloads and timelines. Not checked here: priorities, affinities,
//! volumes and everything else that these small workloads do not have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use wavetank::api::resources::Resources;
use wavetank::api::{Deployment, Kind, Name, Node, Obj, Object, Pod, Uid};
use wavetank::client::Part;
use wavetank::kernel::{Span, Time};
use wavetank::sim::Sim;

use crate::random::{Case, FIRST_DEED, anything, cases, rollouts, run_looking, run_until_quiet};

fn pods(sim: &Sim) -> Vec<Arc<Obj<Pod>>> {
    sim.store().unordered(Kind::Pod).filter_map(|object| object.get::<Pod>().cloned()).collect()
}

/// No node holds more than it has room for.
fn no_node_is_overcommitted(sim: &Sim) -> Result<(), String> {
    let mut used: BTreeMap<Name, Resources> = BTreeMap::new();
    for pod in pods(sim) {
        if !pod.body.node_name.is_empty() && !pod.body.status.phase.is_finished() {
            let sum = used.entry(pod.body.node_name.clone()).or_default();
            sum.add(&pod.body.spec.requests);
            sum.pods += 1;
        }
    }
    for (name, sum) in used {
        let node = sim.store().by_name(Kind::Node, "", &name).and_then(|object| object.get::<Node>());
        let Some(node) = node else { return Err(format!("pods are bound to {name}, which does not exist")) };
        let room = node.body.allocatable();
        if sum.milli_cpu > room.milli_cpu || sum.memory > room.memory || sum.pods > room.pods {
            return Err(format!("{name} is over-committed: {sum:?} of {room:?}"));
        }
    }
    Ok(())
}

/// No two pods that live have one IP address.
fn no_address_is_given_twice(sim: &Sim) -> Result<(), String> {
    let mut taken = BTreeMap::new();
    for pod in pods(sim) {
        let Some(address) = pod.body.status.pod_ips.first.filter(|_| !pod.body.status.phase.is_finished()) else {
            continue;
        };
        if let Some(other) = taken.insert(address, pod.meta.key()) {
            return Err(format!("{} and {other} both have {address}", pod.meta.key()));
        }
    }
    Ok(())
}

/// Whoever owns something exists.
fn no_owner_is_missing(sim: &Sim) -> Result<(), String> {
    let kinds = sim.store().kinds();
    let all = || kinds.iter().flat_map(|kind| sim.store().unordered(*kind));
    let living: BTreeSet<Uid> = all().map(|object| object.meta().uid).collect();
    for object in all() {
        if let Some(owner) = object.meta().owners.iter().find(|owner| !living.contains(&owner.uid)) {
            return Err(format!(
                "{:?} {} is owned by {}, which is gone",
                object.kind(),
                object.meta().key(),
                owner.name
            ));
        }
    }
    Ok(())
}

/// All has come up as wished, and nobody has anything left to do.
fn all_is_well(sim: &Sim, case: &Case) -> Result<(), String> {
    for at in 0..case.workloads.len() {
        let name = format!("w{at}");
        let object = sim.store().by_name(Kind::Deployment, "default", &name);
        let Some(deployment) = object.and_then(|object| object.get::<Deployment>()) else {
            return Err(format!("{name} is not there"));
        };
        let status = &deployment.body.status;
        let counts = [status.replicas, status.updated_replicas, status.available_replicas];
        if counts != [1, 1, 1] || status.observed_generation != deployment.meta.generation {
            return Err(format!("{name} has not come up: {status:?}"));
        }
    }
    let waiting = pods(sim).iter().filter(|pod| !pod.body.is_ready()).count();
    if waiting != 0 {
        return Err(format!("{waiting} pods are not ready"));
    }
    let parts = sim.parts();
    if let Some(number) = parts.user.under_way().next() {
        return Err(format!("action {number} has not ended"));
    }
    let idle = parts.managers.iter().all(Part::is_idle)
        && parts.schedulers.iter().all(Part::is_idle)
        && parts.kubelets.iter().all(|kubelet| kubelet.is_idle());
    if idle { Ok(()) } else { Err("a part is not idle in a quiet cluster".to_owned()) }
}

fn survive(case: &Case) -> Result<(), String> {
    let (mut sim, last) = case.build();
    let look = &mut |sim: &Sim| no_node_is_overcommitted(sim).and_then(|()| no_address_is_given_twice(sim));
    run_looking(&mut sim, last + Span::from_mins(2), look)?;
    run_until_quiet(&mut sim)?;
    no_owner_is_missing(&sim)?;
    all_is_well(&sim, case)
}

/// A rollout takes no more pods away, and adds no more, than its strategy allows.
fn stays_within_its_strategy(case: &Case) -> Result<(), String> {
    let (mut sim, last) = case.build();
    sim.run_until(Time::ZERO + Span::from_millis(FIRST_DEED * 1_000 - 1));
    let look = &mut |sim: &Sim| {
        let now = sim.clock().timestamp(sim.now());
        let pods = pods(sim);
        for (at, workload) in case.workloads.iter().enumerate() {
            let Some((surge, unavailable)) = workload.rolling else { continue };
            let of = |pod: &&Arc<Obj<Pod>>| pod.meta.labels.get("app").is_some_and(|app| *app == format!("w{at}"));
            let mine: Vec<_> = pods.iter().filter(of).filter(|pod| !pod.meta.is_terminating()).collect();
            let min_ready = sim.store().by_name(Kind::Deployment, "default", &format!("w{at}"));
            let Some(Object::Deployment(deployment)) = min_ready else { return Err(format!("w{at} is gone")) };
            let available =
                mine.iter().filter(|pod| pod.body.is_available(deployment.body.min_ready_seconds, now)).count();
            let (least, most) = (workload.replicas.saturating_sub(unavailable), workload.replicas + surge);
            if available < least as usize || mine.len() > most as usize {
                let (all, terminating) = (mine.len(), pods.iter().filter(of).count() - mine.len());
                return Err(format!(
                    "w{at}: {available} available (at least {least}), {all} in all (at most {most}), {terminating} terminating"
                ));
            }
        }
        Ok(())
    };
    look(&sim).map_err(|why| format!("before the first deed: {why}"))?;
    run_looking(&mut sim, last + Span::from_mins(3), look)
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn whatever_users_do_nodes_are_never_overcommitted_and_all_comes_to_rest(case in anything()) {
        survive(&case).map_err(|why| TestCaseError::fail(format!("{why}{}", case.told())))?;
    }

    #[test]
    fn rollouts_stay_within_their_strategy(case in rollouts()) {
        stays_within_its_strategy(&case).map_err(|why| TestCaseError::fail(format!("{why}{}", case.told())))?;
    }
}
