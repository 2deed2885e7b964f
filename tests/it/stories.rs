//! Stories of whole clusters, as a user would tell them.

use wavetank::api::{Kind, PodPhase};
use wavetank::event::Propagation;
use wavetank::kernel::Span;
use wavetank::sim::Action;

use crate::story::{Story, resource, web};

#[test]
fn a_deployment_scales_up_and_down_and_comes_to_rest() {
    let mut story = Story::of_nodes(3, "");
    story.apply(&web(3, "nginx:1"));
    story.run_for(60);
    story.expect_ready(3);
    story.act(Action::Scale { resource: resource(Kind::Deployment, "web"), replicas: 6 });
    story.run_for(60);
    story.expect_ready(6);
    story.act(Action::Scale { resource: resource(Kind::Deployment, "web"), replicas: 1 });
    story.run_for(60);
    story.expect_ready(1);
    assert_eq!(story.pods().len(), 1, "the others are gone, not only unready");
    story.run_until_quiet();
}

#[test]
fn a_settled_cluster_costs_nothing() {
    let mut story = Story::of_nodes(5, "");
    story.apply(&web(10, "nginx:1"));
    story.run_until_quiet();
    let before = story.sim.events_handled();
    story.run_for(24 * 3600);
    let events = story.sim.events_handled() - before;
    // Informers play their caches again every 12 to 24 hours; nothing else happens.
    assert!(events < 200, "{events} events in 24 h");
}

#[track_caller]
fn check_cascade(propagation: Propagation, replica_sets: usize, pods: usize) {
    let mut story = Story::of_nodes(2, "");
    story.apply(&web(2, "nginx:1"));
    story.run_for(60);
    let resource = resource(Kind::Deployment, "web");
    story.act(Action::Delete { resource, propagation, grace_seconds: None });
    story.run_for(120);
    assert_eq!(story.get(Kind::Deployment, "web"), None);
    let count = |kind| story.sim.store().count(kind);
    assert_eq!((count(Kind::ReplicaSet), count(Kind::Pod)), (replica_sets, pods), "{propagation:?}");
}

#[test]
fn deletion_cascades_as_it_was_asked_to() {
    check_cascade(Propagation::Background, 0, 0);
    check_cascade(Propagation::Foreground, 0, 0);
    check_cascade(Propagation::Orphan, 1, 2);
}

#[test]
fn a_namespace_goes_with_everything_in_it() {
    let mut story = Story::of_nodes(2, "");
    story.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n");
    story.run_for(5);
    story.apply(&web(2, "nginx:1").replace("{name: web}", "{name: web, namespace: team}"));
    story.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: team}\ndata: {a: b}\n");
    story.run_for(60);
    story.expect_ready(2);
    let resource = resource(Kind::Namespace, "team");
    story.act(Action::Delete { resource, propagation: Propagation::Background, grace_seconds: None });
    story.run_for(180);
    assert_eq!(story.get(Kind::Namespace, "team"), None);
    assert_eq!(story.pods().len(), 0);
    assert_eq!(story.sim.store().count(Kind::Deployment), 0);
}

#[test]
fn a_pod_that_fits_nowhere_is_told_why_and_placed_when_room_comes() {
    let mut story = Story::of_nodes(2, "");
    story.act(Action::Cordon { node: "node-1".into(), unschedulable: true });
    story.run_for(5);
    story.apply(&web(10, "nginx:1"));
    story.run_for(60);
    story.expect_ready(8);
    let told = story.events("FailedScheduling");
    let wanted = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable.";
    assert!(told.iter().all(|message| message.starts_with(wanted)), "{told:?}");
    story.act(Action::Cordon { node: "node-1".into(), unschedulable: false });
    story.run_for(60);
    story.expect_ready(10);
}

#[test]
fn a_crashing_container_is_restarted_with_growing_back_off() {
    let mut story = Story::of_nodes(1, "behaviours:\n- {match: {image: 'crash:*'}, exit: {after: 1s, code: 3}}\n");
    story.apply(&web(1, "crash:1"));
    story.run_for(600);
    let pods = story.pods();
    let restarts = pods[0].body.restarts();
    assert!((5..=8).contains(&restarts), "{restarts} restarts in ten minutes: 10, 20, 40, 80, 160, 300 s apart");
    assert!(!pods[0].body.is_ready());
}

#[test]
fn a_bare_pod_that_ends_well_has_succeeded() {
    let mut story = Story::of_nodes(1, "behaviours:\n- {match: {image: 'job:*'}, exit: {after: 5s, code: 0}}\n");
    story.apply(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: once}\nspec:\n  restartPolicy: Never\n  containers: [{name: c, image: 'job:1'}]\n",
    );
    story.run_until_quiet();
    assert_eq!(story.pods()[0].body.status.phase, PodPhase::Succeeded);
}

#[test]
fn applying_the_same_again_changes_nothing() {
    let mut story = Story::of_nodes(1, "");
    story.apply(&web(1, "nginx:1"));
    story.run_for(30);
    story.apply(&web(1, "nginx:1"));
    story.run_for(5);
    assert_eq!(story.printed(), "deployment.apps/web created\ndeployment.apps/web unchanged\n");
}

#[test]
fn what_the_api_server_refuses_is_told_in_its_words() {
    let mut story = Story::of_nodes(1, "");
    story.apply(&web(1, "nginx:1").replace("{labels: {app: web}}", "{labels: {app: other}}"));
    story.run_for(5);
    let printed = story.printed();
    assert!(printed.contains("spec.template.metadata.labels: Invalid value"), "{printed}");
    assert!(printed.contains("`selector` does not match template `labels`"), "{printed}");
    assert_eq!(story.get(Kind::Deployment, "web"), None);
}

#[test]
fn a_drained_node_is_empty_and_its_pods_run_elsewhere() {
    let mut story = Story::of_nodes(3, "");
    story.apply(&web(6, "nginx:1"));
    story.run_for(60);
    story.act(Action::Drain { node: "node-0".into(), grace_seconds: None });
    story.run_for(120);
    story.expect_ready(6);
    assert!(story.pods().iter().all(|pod| pod.body.node_name != "node-0"));
    assert!(story.printed().ends_with("node/node-0 drained\n"), "{}", story.printed());
}

#[test]
fn a_deployment_made_again_under_its_name_is_another_one() {
    let mut story = Story::of_nodes(2, "");
    story.apply(&web(2, "nginx:1"));
    story.run_for(60);
    let uid = |story: &Story| story.get(Kind::Deployment, "web").expect("it is there")["metadata"]["uid"].clone();
    let first = uid(&story);
    let target = resource(Kind::Deployment, "web");
    story.act(Action::Delete { resource: target, propagation: Propagation::Background, grace_seconds: None });
    story.run_for(60);
    story.apply(&web(2, "nginx:1"));
    story.run_for(60);
    assert_ne!(first, uid(&story));
    story.expect_ready(2);
    assert!(story.now().since(wavetank::kernel::Time::ZERO) == Span::from_secs(180));
}
