//! Rollouts as `kubectl rollout` steers them: paused, resumed, restarted, undone.

use wavetank::api::{Kind, ReplicaSet};
use wavetank::sim::Action;

use crate::story::{Story, resource, web};

const REVISION: &str = "deployment.kubernetes.io/revision";

/// Three pods of `nginx:1`, up and ready.
fn settled() -> Story {
    let mut story = Story::of_nodes(3, "");
    story.apply(&web(3, "nginx:1"));
    story.run_for(60);
    story.expect_ready("web", 3);
    story
}

fn set_image(story: &mut Story, image: &str) {
    let resource = resource(Kind::Deployment, "web");
    story.act(Action::SetImage { resource, images: vec![("c".into(), image.into())] });
}

fn undo(story: &mut Story, to_revision: Option<i64>) {
    story.act(Action::RolloutUndo { resource: resource(Kind::Deployment, "web"), to_revision });
}

fn pause(story: &mut Story, paused: bool) {
    story.act(Action::RolloutPause { resource: resource(Kind::Deployment, "web"), paused });
}

/// The ReplicaSets as `image x replicas (revision)`, by revision.
fn sets(story: &Story) -> Vec<String> {
    let sets = story.sim.store().objects(Kind::ReplicaSet, story.now());
    let mut told: Vec<(i64, String)> = sets
        .filter_map(|object| object.get::<ReplicaSet>().cloned())
        .map(|set| {
            let revision = set.meta.annotations.get(REVISION).map_or(0, |text| text.parse().expect("a number"));
            let image = set.body.template.spec.containers()[0].image.clone().unwrap_or_default();
            (revision, format!("{image} x {} ({revision})", set.body.replicas))
        })
        .collect();
    told.sort();
    told.into_iter().map(|(_, told)| told).collect()
}

#[test]
fn a_new_image_is_rolled_out_and_undone() {
    let mut story = settled();
    set_image(&mut story, "nginx:2");
    story.run_for(60);
    story.expect_ready("web", 3);
    assert_eq!(sets(&story), ["nginx:1 x 0 (1)", "nginx:2 x 3 (2)"]);
    undo(&mut story, None);
    story.run_for(60);
    story.expect_ready("web", 3);
    assert_eq!(sets(&story), ["nginx:2 x 0 (2)", "nginx:1 x 3 (3)"], "an undo is a revision of its own");
    story.expect_condition("web", "Progressing", "True", "NewReplicaSetAvailable");
    undo(&mut story, Some(9));
    story.run_for(5);
    assert!(
        story.printed().ends_with("error: unable to find specified revision 9 in history\n"),
        "{}",
        story.printed()
    );
}

#[test]
fn while_paused_changes_wait_and_are_rolled_out_together() {
    let mut story = settled();
    pause(&mut story, true);
    story.run_for(5);
    story.expect_condition("web", "Progressing", "Unknown", "DeploymentPaused");
    for image in ["nginx:2", "nginx:3"] {
        set_image(&mut story, image);
        story.run_for(30);
    }
    assert_eq!(sets(&story), ["nginx:1 x 3 (1)"], "nothing is rolled out");
    pause(&mut story, true);
    story.run_for(5);
    assert!(story.printed().ends_with("error: deployments.apps \"web\" is already paused\n"), "{}", story.printed());
    pause(&mut story, false);
    story.run_for(60);
    assert_eq!(sets(&story), ["nginx:1 x 0 (1)", "nginx:3 x 3 (2)"], "nginx:2 never was");
    story.expect_ready("web", 3);
    story.run_until_quiet();
    pause(&mut story, true);
    story.run_for(5);
    undo(&mut story, None);
    story.run_for(5);
    let refused = "error: you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try \
                   again\n";
    assert!(story.printed().ends_with(refused), "{}", story.printed());
}

#[test]
fn a_restart_replaces_every_pod_with_the_same_image() {
    let mut story = settled();
    let names = |story: &Story| story.pods().iter().map(|pod| pod.meta.name.clone()).collect::<Vec<_>>();
    let before = names(&story);
    story.act(Action::RolloutRestart { resource: resource(Kind::Deployment, "web") });
    story.run_for(60);
    story.expect_ready("web", 3);
    assert!(names(&story).iter().all(|name| !before.contains(name)), "all are new");
    assert_eq!(sets(&story), ["nginx:1 x 0 (1)", "nginx:1 x 3 (2)"]);
    assert!(story.said_at("deployment.apps/web restarted").is_some());
}

#[test]
fn old_revisions_are_kept_up_to_their_limit() {
    let mut story = Story::of_nodes(3, "");
    story.apply(&web(1, "nginx:0").replace("replicas: 1", "replicas: 1\n  revisionHistoryLimit: 2"));
    for version in 1..=4 {
        story.run_for(60);
        set_image(&mut story, &format!("nginx:{version}"));
    }
    story.run_until_quiet();
    assert_eq!(sets(&story), ["nginx:2 x 0 (3)", "nginx:3 x 0 (4)", "nginx:4 x 1 (5)"]);
}
