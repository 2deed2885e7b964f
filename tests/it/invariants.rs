//! What holds whatever users do: random clusters, workloads and timelines. Not checked here: priorities, affinities,
//! volumes and everything else that these small workloads do not have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use wavetank::api::resources::Resources;
use wavetank::api::{Deployment, Kind, Labels, Name, Node, Obj, ObjectId, Pod, ReplicaSet, Uid};
use wavetank::client::{
    Controller, ControllerEntry, Flag, FlagValue, Observed, Outcome, Part, Plan, View, Watches, WorkQueue,
};
use wavetank::event::Request;
use wavetank::kernel::{Span, Time};
use wavetank::report::{Story, Summary};
use wavetank::sim::Sim;

use crate::random::{Case, FIRST_DEED, anything, cases, rollouts, run_looking, run_until_quiet};
use crate::story::{run_kept, shipped};

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

/// A rollout takes no more pods away, and adds no more, than its strategy allows: at least so many pods are available,
/// and the sets together wish for at most so many. With two exceptions, both upstream's:
///
/// For a moment there may be more pods. The Deployment controller counts the wished sizes of its sets
/// (`NewRSNewReplicas`), not pods, and each set is synced by itself: one may create pods before the other, whose key is
/// still in work for an earlier change, has deleted those that it no longer wishes. So pods count as far as their set
/// wishes for them.
///
/// And there may be fewer available, where a rollout is turned round in the middle. `cleanupUnhealthyReplicas` looks for
/// a status that still counts pods that are about to go, but not behind the set with which it has done enough, nor at the
/// new set; `scaleDownOldReplicaSetsForRollingUpdate` then takes such pods for available ones, and others in their place.
fn stays_within_its_strategy(case: &Case) -> Result<(), String> {
    let (mut sim, last) = case.build();
    sim.run_until(Time::ZERO + Span::from_millis(FIRST_DEED * 1_000 - 1));
    let mut lags = vec![Lag::default(); case.workloads.len()];
    let look = &mut |sim: &Sim| {
        let mut workloads = case.workloads.iter().zip(&mut lags).enumerate();
        workloads.try_for_each(|(at, (workload, lag))| match workload.rolling {
            Some(limits) => is_within(sim, &format!("w{at}"), workload.replicas, limits, lag),
            None => Ok(()),
        })
    };
    look(&sim).map_err(|why| format!("before the first deed: {why}"))?;
    run_looking(&mut sim, last + Span::from_mins(3), look)
}

/// Pods that statuses count as available although their sets do not wish for them any more, where the controller does not
/// notice.
#[derive(Clone, Copy, Debug, Default)]
struct Lag {
    /// How many, and when that was seen last.
    count: usize,
    seen: Time,
    /// How many pods are missing for it.
    missing: usize,
}

/// How long after such a state a sync that has seen it may write.
const SYNC: Span = Span::from_secs(1);

impl Lag {
    fn see(&mut self, sets: &[Arc<Obj<ReplicaSet>>], now: Time) {
        let revision = |set: &Obj<ReplicaSet>| {
            let text = set.meta.annotations.get("deployment.kubernetes.io/revision");
            text.and_then(|text| text.parse::<u64>().ok())
        };
        let newest = sets.iter().filter_map(|set| revision(set)).max();
        let busy = sets.iter().filter(|set| set.body.replicas + set.body.status.replicas > 0).count();
        let unnoticed = sets.iter().filter(|set| busy > 2 || revision(set) == newest);
        let count: i32 = unnoticed.map(|set| (set.body.status.available_replicas - set.body.replicas).max(0)).sum();
        if now.since(self.seen) > SYNC {
            self.count = 0;
        }
        if count > 0 {
            (self.count, self.seen) = (self.count.max(count as usize), now);
        }
    }

    /// Whether so many missing pods are what upstream takes too many.
    fn explains(&mut self, missing: usize) -> bool {
        if missing == 0 || (missing > self.missing && missing <= self.count) {
            self.missing = missing;
        }
        missing <= self.missing
    }
}

fn is_within(
    sim: &Sim,
    name: &str,
    replicas: u32,
    (surge, unavailable): (u32, u32),
    lag: &mut Lag,
) -> Result<(), String> {
    let (now, min_ready) = (sim.clock().timestamp(sim.now()), 0);
    let of_app = |labels: &Labels| labels.get("app").is_some_and(|app| app == name);
    let pods: Vec<_> =
        pods(sim).into_iter().filter(|pod| of_app(&pod.meta.labels) && !pod.meta.is_terminating()).collect();
    let available = pods.iter().filter(|pod| pod.body.is_available(min_ready, now)).count();
    let sets = sim.store().unordered(Kind::ReplicaSet).filter_map(|object| object.get::<ReplicaSet>().cloned());
    let sets: Vec<_> = sets.filter(|set| of_app(&set.meta.labels)).collect();
    let (mut wished, mut kept) = (0, 0);
    for set in &sets {
        let wish = set.body.replicas as usize;
        let own = pods.iter().filter(|pod| pod.meta.controller().is_some_and(|owner| owner.uid == set.meta.uid));
        wished += wish;
        kept += own.count().min(wish);
    }
    let (least, most) = (replicas.saturating_sub(unavailable) as usize, (replicas + surge) as usize);
    lag.see(&sets, sim.now());
    if !lag.explains(least.saturating_sub(available)) || wished > most || kept > most {
        return Err(format!(
            "{name}: {available} available (at least {least}), {wished} wished, {kept} of these there (at most {most})"
        ));
    }
    Ok(())
}

#[test]
fn one_set_may_create_before_the_other_has_deleted() {
    let case = Case::undone_in_the_middle();
    stays_within_its_strategy(&case).unwrap_or_else(|why| panic!("{why}{}", case.told()));
}

#[test]
fn a_status_that_lags_may_cost_a_pod_where_a_rollout_is_turned_round() {
    let case = Case::turned_round_twice();
    stays_within_its_strategy(&case).unwrap_or_else(|why| panic!("{why}{}", case.told()));
}

/// A controller that takes every ReplicaSet's pods away once.
#[derive(Clone, Debug)]
struct Cheat;

static CHEAT: ControllerEntry = ControllerEntry {
    name: "cheat",
    doc: "scales ReplicaSets to zero",
    source: "",
    watches: Watches::Kinds(&[Kind::ReplicaSet]),
    workers: &Flag { name: "concurrent-cheat-syncs", default: FlagValue::Int(1), doc: "" },
    flags: &[],
    build: |_| Box::new(Cheat),
};

impl Controller for Cheat {
    fn entry(&self) -> &'static ControllerEntry {
        &CHEAT
    }

    fn observe(&mut self, change: Observed, _view: &View, queue: &mut WorkQueue) {
        let is_up = change.new.get::<ReplicaSet>().is_some_and(|set| set.body.status.available_replicas > 2);
        if is_up {
            queue.add(change.new.meta().id, change.cause);
        }
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        let Some(set) = view.caches.replica_sets.get(key) else { return };
        let body = ReplicaSet { replicas: 0, ..set.body.clone() };
        plan.send(Request::Update(Obj { meta: set.meta.clone(), body }.into_object()));
    }

    fn resume(&mut self, _key: ObjectId, _outcome: Outcome, _view: &View, _plan: &mut Plan) {}

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, _hasher: &mut dyn std::hash::Hasher) {}
}

#[test]
fn a_controller_that_cheats_is_told_in_the_summary() {
    let scenario = shipped("hello");
    let mut sim = scenario.setup.build_with(1, vec![Box::new(Cheat)], Vec::new());
    sim.run_until(Time::ZERO + Span::from_mins(2));
    let story = Story {
        scenario: "hello".into(),
        seed: 1,
        ended: String::new(),
        expectations: Vec::new(),
        failed_actions: Vec::new(),
        machines: Vec::new(),
        currency: None,
        repeat: String::new(),
    };
    let summary = Summary::of(&sim, story);
    assert!(!summary.met);
    let [violation] = &summary.violations[..] else { panic!("{:?}", summary.violations) };
    assert_eq!(violation.invariant, "deployment-keeps-availability");
    assert!(violation.object.starts_with("replicaset/"), "{violation:?}");
    assert_eq!(sim.fork().expect("no guest lives here").violations(), sim.violations());
}

#[test]
fn checking_changes_nothing() {
    let mut scenario = shipped("rolling-update-undo");
    let checked = run_kept(&scenario, 1).sim;
    assert!(!scenario.setup.invariants.is_empty());
    scenario.setup.invariants.clear();
    let unchecked = run_kept(&scenario, 1).sim;
    assert_eq!(checked.digest(), unchecked.digest());
    assert_eq!(checked.state_hash(), unchecked.state_hash());
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
