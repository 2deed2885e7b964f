//! A cluster at rest stays nearly free: informers that play their caches again neither keep it from being quiet nor
//! make it do anything.

use std::path::{Path, PathBuf};

use wavetank::kernel::{Span, Time};
use wavetank::scenario::{Found, load};
use wavetank::sim::Sim;

const SCENARIO: &str = "
apiVersion: wavetank.dev/v1
kind: Scenario
metadata: {name: rest}
components: {kubeControllerManager: {min-resync-period: 12h}}
nodes: [{name: worker, count: 5, capacity: {cpu: 4, memory: 16Gi, pods: 110}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: nginx}]}
";

/// The simulation once it is quiet.
fn settled(min_resync_period: &str) -> Sim {
    let read = |_: &Path| Ok(Found::File(SCENARIO.replace("12h", min_resync_period)));
    let scenario = load(&[PathBuf::from("rest.yaml")], &[], &read).unwrap_or_else(|errors| panic!("{errors}"));
    let mut sim = scenario.setup.build(scenario.seed);
    assert!(sim.run_until_quiet(Time::ZERO + Span::from_hours(1)), "the cluster comes to rest");
    sim
}

#[test]
fn a_cluster_at_rest_is_quiet_and_resyncs_change_nothing() {
    let mut sim = settled("12h");
    assert!(sim.is_quiet());
    let next = sim.next_time().expect("a resync is pending");
    assert!(next >= Time::ZERO + Span::from_hours(12), "{next:?}");
    let (revision, before) = (sim.store().revision(), sim.events_handled());
    let mut other = sim.fork().expect("no guest lives here");
    sim.run_for(Span::from_hours(48));
    assert_eq!(sim.store().revision(), revision, "nothing was written");
    let informers = sim.events_handled() - before;
    assert!((1..500).contains(&informers), "{informers} events in two days");
    other.run_for(Span::from_hours(48));
    assert_eq!(sim.digest(), other.digest());
    assert_eq!(sim.state_hash(), other.state_hash());
}

#[test]
fn without_resyncs_nothing_at_all_is_pending() {
    let mut sim = settled("0s");
    assert_eq!(sim.next_time(), None);
}
