//! Leader election: replicas of the controller-manager and of the scheduler, of which one works.

use std::path::{Path, PathBuf};

use wavetank::api::{Kind, Lease, Object};
use wavetank::event::PartId;
use wavetank::kernel::{Span, Time};
use wavetank::scenario::{Found, load};
use wavetank::sim::Sim;

use crate::story::{Story, resource, web};

const TWO: &str = "components: {replicas: {kubeControllerManager: 2, kubeScheduler: 2}}";

fn lease(sim: &Sim, name: &str) -> Lease {
    let found = sim.store().objects(Kind::Lease, sim.now()).find(|object| object.meta().name == name);
    match found {
        Some(Object::Lease(lease)) => lease.body.clone(),
        other => panic!("no Lease {name}: {other:?}"),
    }
}

/// The machine of the leader, as the Lease has it, and how often it changed hands.
fn leader(sim: &Sim, name: &str) -> (String, i32) {
    let lease = lease(sim, name);
    let (host, uuid) = lease.holder.split_once('_').expect("an identity has a machine and a UUID");
    assert_eq!(uuid.len(), 36);
    (host.to_owned(), lease.transitions.expect("leases count their transitions"))
}

/// The replica that comes to lead first, by its number: faults do not change it.
fn first_leader(nodes: u32, name: &str) -> usize {
    let mut t = Story::of_nodes(nodes, TWO);
    t.run_for(5);
    usize::from(leader(&t.sim, name).0 == "control-plane-1")
}

/// Two replicas each, of which the one that leads is struck after 100 s.
fn struck(nodes: u32, name: &str, fault: &str, seconds: u32) -> (Story, usize, usize) {
    let first = first_leader(nodes, name);
    let parts = format!("[{name}-control-plane-{first}]");
    let faults = format!("faults: [{{at: 100s, lasts: {seconds}s, {fault}: {{parts: {parts}}}}}]");
    (Story::of_nodes(nodes, &format!("{TWO}\n{faults}")), first, 1 - first)
}

fn manager_leads(sim: &Sim, replica: usize) -> bool {
    sim.parts().managers[replica].elector().is_some_and(wavetank::client::Elector::is_leader)
}

/// The instant at which a replica of the controller-manager comes to lead.
#[track_caller]
fn until_leads(sim: &mut Sim, replica: usize) -> Span {
    let from = sim.now();
    let won = sim.run_until_holds(from + Span::from_mins(5), |sim| manager_leads(sim, replica));
    assert!(won, "replica {replica} does not come to lead");
    sim.now() - from
}

#[test]
fn one_of_two_replicas_leads_and_a_day_of_leading_costs_nothing() {
    let mut t = Story::of_nodes(2, TWO);
    t.apply(&web(2, "nginx"));
    t.run_until_quiet();
    t.expect_ready("web", 2);
    let (events, revision) = (t.sim.events_handled(), t.sim.store().revision());
    t.run_for(11 * 3600);
    assert!(t.sim.is_quiet());
    assert_eq!((t.sim.events_handled(), t.sim.store().revision()), (events, revision));
    for name in ["kube-controller-manager", "kube-scheduler"] {
        let renewed = lease(&t.sim, name).renewed.expect("it is renewed").0;
        let now = t.sim.clock().micro_timestamp(t.now()).0;
        assert!((0..=2_000_000).contains(&(now - renewed)), "{name}: {renewed} at {now}");
        assert_eq!(leader(&t.sim, name).1, 0);
    }
    let said = t.events("LeaderElection");
    assert_eq!(said.len(), 2);
    assert!(said.iter().all(|message| message.starts_with("control-plane-") && message.ends_with(" became leader")));
}

#[test]
fn a_single_replica_leads_after_one_get_and_one_create() {
    let mut t = Story::of_nodes(1, "");
    t.sim.run_until_holds(Time::ZERO + Span::from_secs(1), |sim| manager_leads(sim, 0));
    assert!(t.now() < Time::ZERO + Span::from_millis(20), "{}", t.now());
    assert_eq!(leader(&t.sim, "kube-controller-manager"), ("control-plane-0".to_owned(), 0));
}

#[test]
fn without_election_all_replicas_work_and_there_is_no_lease() {
    let both = "components: {replicas: {kubeScheduler: 2}, kubeScheduler: {leader-elect: false}, \
                kubeControllerManager: {leader-elect: false}}";
    let mut t = Story::of_nodes(1, both);
    t.apply(&web(2, "nginx"));
    t.run_until_quiet();
    t.expect_ready("web", 2);
    let leases = t.sim.store().objects(Kind::Lease, t.now());
    assert!(leases.into_iter().all(|lease| lease.meta().namespace == "kube-node-lease"));
}

#[test]
fn the_stand_by_takes_over_when_the_leader_dies_and_the_first_comes_back_as_stand_by() {
    let (mut t, first, second) = struck(2, "kube-controller-manager", "componentCrash", 120);
    t.apply(&web(2, "nginx"));
    t.run_for(100);
    t.expect_ready("web", 2);
    assert_eq!(leader(&t.sim, "kube-controller-manager"), (format!("control-plane-{first}"), 0));
    t.act(wavetank::sim::Action::Scale { resource: resource(Kind::Deployment, "web"), replicas: 4 });
    t.run_for(10);
    t.expect_ready("web", 2);
    let took = until_leads(&mut t.sim, second) + Span::from_secs(10);
    assert!((Span::from_secs(13)..Span::from_secs(24)).contains(&took), "{took}");
    assert_eq!(leader(&t.sim, "kube-controller-manager"), (format!("control-plane-{second}"), 1));
    t.run_for(20);
    t.expect_ready("web", 4);
    t.run_for(200);
    assert!(!manager_leads(&t.sim, first) && manager_leads(&t.sim, second));
    t.run_until_quiet();
    t.run_for(3600);
    assert_eq!(leader(&t.sim, "kube-controller-manager"), (format!("control-plane-{second}"), 1));
}

#[test]
fn a_single_replica_that_starts_again_waits_for_its_own_lease() {
    let faults = "faults: [{at: 100s, lasts: 1s, componentCrash: {parts: [kube-controller-manager]}}]";
    let mut t = Story::of_nodes(1, faults);
    t.run_for(102);
    assert!(!manager_leads(&t.sim, 0));
    let took = until_leads(&mut t.sim, 0);
    assert!((Span::from_secs(13)..Span::from_millis(19_500)).contains(&took), "{took}");
    assert_eq!(leader(&t.sim, "kube-controller-manager"), ("control-plane-0".to_owned(), 1));
}

#[test]
fn a_leader_that_is_cut_off_gives_up_before_another_takes_over_and_starts_again() {
    let (mut t, first, second) = struck(1, "kube-controller-manager", "componentPartition", 120);
    t.run_for(100);
    let given_up = Time::ZERO + Span::from_secs(130);
    assert!(t.sim.run_until_holds(given_up, |sim| !manager_leads(sim, first)), "it gives up");
    let after = t.now() - (Time::ZERO + Span::from_secs(100));
    assert!((Span::from_secs(10)..Span::from_millis(12_100)).contains(&after), "{after}");
    assert!(!manager_leads(&t.sim, second), "two never lead");
    until_leads(&mut t.sim, second);
    t.run_for(300);
    assert!(!manager_leads(&t.sim, first) && t.sim.is_up(PartId::ControllerManager(first as u8)));
    t.run_until_quiet();
    t.apply(&web(2, "nginx"));
    t.run_until_quiet();
    t.expect_ready("web", 2);
}

#[test]
fn a_leader_that_stood_still_ends_when_it_finds_another_in_its_place() {
    let (mut t, first, second) = struck(1, "kube-scheduler", "componentPause", 60);
    t.run_for(130);
    assert_eq!(leader(&t.sim, "kube-scheduler"), (format!("control-plane-{second}"), 1));
    t.run_for(60);
    let leads = |sim: &Sim, replica: usize| {
        sim.parts().schedulers[replica].elector().is_some_and(wavetank::client::Elector::is_leader)
    };
    assert!(!leads(&t.sim, first) && leads(&t.sim, second));
    t.run_until_quiet();
    t.apply(&web(2, "nginx"));
    t.run_until_quiet();
    t.expect_ready("web", 2);
    assert_eq!(leader(&t.sim, "kube-scheduler").1, 1);
}

#[test]
fn an_outage_of_the_api_server_costs_the_lease_and_all_comes_back() {
    let mut t = Story::of_nodes(2, &format!("{TWO}\nfaults: [{{at: 100s, lasts: 60s, apiServerOutage: {{}}}}]"));
    t.apply(&web(3, "nginx"));
    t.run_for(400);
    t.run_until_quiet();
    t.apply(&web(5, "nginx"));
    t.run_until_quiet();
    t.expect_ready("web", 5);
    let led: Vec<bool> = (0..2).map(|replica| manager_leads(&t.sim, replica)).collect();
    assert_eq!(led.iter().filter(|leads| **leads).count(), 1);
}

#[test]
fn replicas_that_cannot_be_are_refused_where_they_stand() {
    let check = |components: &str, expected: &str| {
        let text =
            format!("apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {{name: s}}\ncomponents: {components}\n");
        let read = |_: &Path| Ok(Found::File(text.clone()));
        let errors = load(&[PathBuf::from("s.yaml")], &[], &read).expect_err("it is refused").to_string();
        assert!(errors.contains(expected), "{errors}");
    };
    check("{replicas: {kubeScheduler: 0}}", "0 replicas: there can be 1 to 9");
    check("{replicas: {kubeControllerManager: 10}}", "10 replicas: there can be 1 to 9");
    let fit = "leaseDuration must be greater than renewDeadline";
    check("{kubeControllerManager: {leader-elect-lease-duration: 5s}}", fit);
    check("{kubeScheduler: {leader-elect-renew-deadline: 20s}}", fit);
}
