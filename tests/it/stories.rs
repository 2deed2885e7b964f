//! Stories of whole clusters, as a user would tell them.

use wavetank::api::{Kind, PodPhase};
use wavetank::client::Part;
use wavetank::event::Propagation;
use wavetank::kernel::Span;
use wavetank::sim::Action;

use crate::story::{Story, resource, web};

#[test]
fn a_deployment_scales_up_and_down_and_comes_to_rest() {
    let mut story = Story::of_nodes(3, "");
    story.apply(&web(3, "nginx:1"));
    story.run_for(60);
    story.expect_ready("web", 3);
    story.act(Action::Scale { resource: resource(Kind::Deployment, "web"), replicas: 6 });
    story.run_for(60);
    story.expect_ready("web", 6);
    story.act(Action::Scale { resource: resource(Kind::Deployment, "web"), replicas: 1 });
    story.run_for(60);
    story.expect_ready("web", 1);
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
    story.expect_ready("web", 2);
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
    story.expect_ready("web", 8);
    let told = story.events("FailedScheduling");
    let wanted = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable. no new claims to \
                  deallocate, preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 \
                  Preemption is not helpful for scheduling.";
    assert_eq!(told, [wanted, wanted]);
    story.act(Action::Cordon { node: "node-1".into(), unschedulable: false });
    story.run_for(60);
    story.expect_ready("web", 10);
}

#[test]
fn a_crashing_container_is_restarted_with_growing_back_off() {
    let mut story = Story::of_nodes(1, "behaviours:\n- {match: {image: 'crash:*'}, exit: {after: 1s, code: 3}}\n");
    story.apply(&web(1, "crash:1"));
    let (mut restarted, mut seen) = (Vec::new(), 0);
    while restarted.len() < 8 {
        story.run_for(1);
        let restarts = story.pods().first().map_or(0, |pod| pod.body.restarts());
        if restarts > seen {
            (seen, restarted) = (restarts, [restarted, vec![story.now()]].concat());
        }
    }
    let gaps: Vec<u64> = restarted.windows(2).map(|pair| pair[1].since(pair[0]).as_millis() / 1_000).collect();
    // The back-off, the second that it runs, and what the kubelet needs to see it.
    for (gap, back_off) in gaps.iter().zip([10, 20, 40, 80, 160, 300, 300]) {
        assert!((back_off..=back_off + 6).contains(gap), "{gap} s instead of {back_off} s; all: {gaps:?}");
    }
    let told = story.events("BackOff");
    assert!(told.iter().all(|told| told.starts_with("Back-off restarting failed container c in pod web-")), "{told:?}");
    assert!(!told.is_empty());
    assert_eq!(story.pods()[0].body.status.containers[0].last.as_ref().map(|last| last.exit_code), Some(3));
}

#[test]
fn what_is_not_ready_is_not_available() {
    let mut story =
        Story::of_nodes(2, "behaviours:\n- {match: {image: 'slow:*'}, readyAfter: 60s..60s, image: {pull: 1s..1s}}\n");
    let probe = "readinessProbe: {httpGet: {port: 80}, periodSeconds: 1}, resources:";
    let slow =
        web(2, "slow:1").replace("resources:", probe).replace("replicas: 2", "replicas: 2\n  minReadySeconds: 30");
    story.apply(&slow);
    story.run_for(50);
    assert!(story.pods().iter().all(|pod| pod.body.status.phase == PodPhase::Running), "they run");
    story.expect_ready("web", 0);
    story.expect_condition("web", "Available", "False", "MinimumReplicasUnavailable");
    story.run_for(25);
    story.expect_ready("web", 2);
    story.expect_condition("web", "Available", "False", "MinimumReplicasUnavailable");
    story.run_for(30);
    story.expect_condition("web", "Available", "True", "MinimumReplicasAvailable");
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
    story.expect_ready("web", 6);
    assert!(story.pods().iter().all(|pod| pod.body.node_name != "node-0"));
    assert!(story.printed().ends_with("node/node-0 drained\n"), "{}", story.printed());
}

/// A drain of a node whose pods take 20 s to end, and 60 s if they have to: how long it takes in seconds.
fn drain_takes(grace_seconds: Option<i64>) -> u64 {
    let mut story = Story::of_nodes(2, "behaviours:\n- {match: {image: 'lazy:*'}, stop: 20s..20s}\n");
    story.apply(
        &web(4, "lazy:1")
            .replace("spec:\n      containers", "spec:\n      terminationGracePeriodSeconds: 60\n      containers"),
    );
    story.run_for(60);
    let begun = story.now();
    story.act(Action::Drain { node: "node-0".into(), grace_seconds });
    story.run_for(120);
    story.expect_ready("web", 4);
    story.said_at("node/node-0 drained").expect("the drain ends").since(begun).as_millis() / 1_000
}

#[test]
fn a_drain_gives_pods_the_time_that_they_may_take_and_no_more() {
    assert!((20..=26).contains(&drain_takes(None)), "they end by themselves: {}", drain_takes(None));
    assert!((5..=11).contains(&drain_takes(Some(5))), "they are killed: {}", drain_takes(Some(5)));
}

#[test]
fn a_foreground_deletion_keeps_the_owner_until_its_dependents_are_gone() {
    let mut story = Story::of_nodes(2, "behaviours:\n- {match: {image: 'lazy:*'}, stop: 20s..20s}\n");
    story.apply(&web(2, "lazy:1"));
    story.run_for(60);
    let target = resource(Kind::Deployment, "web");
    story.act(Action::Delete { resource: target, propagation: Propagation::Foreground, grace_seconds: None });
    story.run_for(10);
    let deployment = story.get(Kind::Deployment, "web").expect("it waits");
    assert_eq!(deployment["metadata"]["finalizers"], serde_json::json!(["foregroundDeletion"]));
    assert!(deployment["metadata"]["deletionTimestamp"].is_string());
    assert!(story.pods().iter().all(|pod| pod.meta.is_terminating()), "its pods end");
    story.run_until_quiet();
    assert_eq!((story.get(Kind::Deployment, "web"), story.pods().len()), (None, 0));
    assert!(story.said_at("deployment.apps \"web\" deleted from default namespace").is_some(), "{}", story.printed());
}

#[test]
fn orphans_are_adopted_by_a_deployment_made_again() {
    let mut story = Story::of_nodes(2, "");
    story.apply(&web(2, "nginx:1"));
    story.run_for(60);
    let names = |story: &Story| story.pods().iter().map(|pod| pod.meta.name.clone()).collect::<Vec<_>>();
    let before = names(&story);
    let target = resource(Kind::Deployment, "web");
    story.act(Action::Delete { resource: target, propagation: Propagation::Orphan, grace_seconds: None });
    story.run_for(30);
    story.apply(&web(2, "nginx:1"));
    story.run_until_quiet();
    story.expect_ready("web", 2);
    assert_eq!(before, names(&story), "the same pods go on");
    assert_eq!(story.sim.store().count(Kind::ReplicaSet), 1);
}

#[test]
fn at_rest_every_part_is_idle() {
    let mut story = Story::of_nodes(3, "");
    story.apply(&web(5, "nginx:1"));
    story.run_until_quiet();
    let parts = story.sim.parts();
    assert!(parts.managers.iter().all(Part::is_idle) && parts.schedulers.iter().all(Part::is_idle));
    assert!(parts.kubelets.iter().all(|kubelet| kubelet.is_idle()));
    assert_eq!(parts.user.under_way().count(), 0);
    let next = story.sim.next_time().expect("informers play their caches again");
    assert!(next.since(story.now()) > Span::from_hours(6), "{next}");
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
    story.expect_ready("web", 2);
    assert!(story.now().since(wavetank::kernel::Time::ZERO) == Span::from_secs(180));
}
