//! Rollouts as `kubectl rollout` steers them: paused, resumed, restarted, undone.

use serde_json::json;
use wavetank::api::{Kind, ReplicaSet};
use wavetank::event::PatchKind;
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

/// A set of kind with three pods or one a node, of `ok:1`.
fn set(kind: &str, more: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: db, annotations: {{kubernetes.io/change-cause: first}}}}\nspec:\n  \
         selector: {{matchLabels: {{app: db}}}}\n{more}  template:\n    metadata: {{labels: {{app: db}}}}\n    spec: \
         {{containers: [{{name: c, image: 'ok:1', ports: [{{containerPort: 80}}]}}]}}\n"
    )
}

#[test]
fn the_history_of_a_deployment_lists_its_revisions_and_shows_one() {
    let mut story = settled();
    set_image(&mut story, "nginx:2");
    story.run_for(60);
    let cause = json!({"metadata": {"annotations": {"kubernetes.io/change-cause": "nginx 2"}}});
    let (web, kind) = (resource(Kind::Deployment, "web"), PatchKind::Merge);
    story.act(Action::Patch { resource: web.clone(), kind, body: cause.into() });
    story.run_for(10);
    story.act(Action::RolloutHistory { resource: web.clone(), revision: None });
    story.act(Action::RolloutHistory { resource: web.clone(), revision: Some(1) });
    story.act(Action::RolloutHistory { resource: web, revision: Some(9) });
    story.act(Action::RolloutHistory { resource: resource(Kind::Job, "web"), revision: None });
    story.run_for(5);
    let printed = story.printed();
    let list = "deployment.apps/web \nREVISION  CHANGE-CAUSE\n1         <none>\n2         nginx 2\n";
    assert!(printed.contains(list), "{printed}");
    let hash = story.sim.store().objects(Kind::ReplicaSet, story.now()).find_map(|object| {
        let set = object.get::<ReplicaSet>()?.clone();
        (set.meta.annotations.get(REVISION)? == "1").then(|| set.meta.labels.get("pod-template-hash").cloned())?
    });
    let one = format!(
        "deployment.apps/web with revision #1\nPod Template:\n  Labels:\tapp=web\n\tpod-template-hash={}\n  Containers:\n   c:\n    \
         Image:\tnginx:1\n    Port:\t<none>\n    Host Port:\t<none>\n    Requests:\n      cpu:\t500m\n      memory:\t256Mi\n",
        hash.expect("it has one")
    );
    assert!(printed.contains(&one), "{printed}");
    assert!(printed.contains("error: unable to find the specified revision"), "{printed}");
    assert!(printed.contains("error: no history viewer has been implemented for \"Job.batch\""), "{printed}");
}

#[test]
fn sets_have_a_history_status_restart_and_a_way_back_to_any_revision() {
    for (kind, name, more) in
        [(Kind::StatefulSet, "StatefulSet", "  serviceName: db\n  replicas: 2\n"), (Kind::DaemonSet, "DaemonSet", "")]
    {
        let db = || resource(kind, "db");
        let mut story = Story::of_nodes(2, "");
        story.apply(&set(name, more));
        story.run_for(1);
        story.act(Action::RolloutStatus { resource: db() });
        story.run_for(60);
        for image in ["ok:2", "ok:3"] {
            story.act(Action::SetImage { resource: db(), images: vec![("c".into(), image.into())] });
            story.run_for(60);
        }
        story.act(Action::RolloutRestart { resource: db() });
        story.run_for(60);
        story.act(Action::RolloutHistory { resource: db(), revision: None });
        story.act(Action::RolloutHistory { resource: db(), revision: Some(2) });
        story.act(Action::RolloutPause { resource: db(), paused: true });
        story.run_for(5);
        let printed = story.printed();
        let list = "REVISION  CHANGE-CAUSE\n1         first\n2         first\n3         first\n4         first\n";
        assert!(printed.contains(list), "{printed}");
        assert!(printed.contains("db with revision #2\nPod Template:\n  Labels:\tapp=db\n"), "{printed}");
        assert!(printed.contains("    Image:\tok:2\n    Port:\t80/TCP\n"), "{printed}");
        let plural = &kind.info().expect("a built-in kind").plural;
        assert!(printed.contains(&format!("error: {plural}.apps \"db\" pausing is not supported")), "{printed}");
        let done = match kind {
            Kind::StatefulSet => "partitioned roll out complete: 2 new pods have been updated...",
            _ => "daemon set \"db\" successfully rolled out",
        };
        assert!(story.said_at(done).is_some(), "{printed}");
        story.act(Action::RolloutUndo { resource: db(), to_revision: Some(1) });
        story.run_for(60);
        let images: Vec<_> = story
            .pods_of("db")
            .iter()
            .map(|pod| pod.body.spec.containers()[0].image.clone().unwrap_or_default())
            .collect();
        assert_eq!(images, ["ok:1", "ok:1"]);
        story.act(Action::RolloutHistory { resource: db(), revision: None });
        story.run_for(5);
        let printed = story.printed();
        let last = printed.rsplit("REVISION  CHANGE-CAUSE\n").next().unwrap_or_default();
        assert!(last.starts_with("2         first\n3         first\n4         first\n5         first\n"), "{printed}");
    }
}

#[test]
fn the_status_of_a_rollout_is_told_until_it_ends_or_its_deadline_has_passed() {
    let mut story = Story::of_nodes(3, "behaviours:\n- {match: {image: 'bad:*'}, image: {missing: true}}");
    story.apply(&web(3, "nginx:1"));
    let web = || resource(Kind::Deployment, "web");
    story.run_for(1);
    story.act(Action::RolloutStatus { resource: web() });
    story.run_for(60);
    let printed = story.printed();
    assert!(
        printed.contains("Waiting for deployment \"web\" rollout to finish: 0 of 3 updated replicas are available..."),
        "{printed}"
    );
    assert!(story.said_at("deployment \"web\" successfully rolled out").is_some(), "{printed}");
    let body = json!({"spec": {"progressDeadlineSeconds": 30}});
    story.act(Action::Patch { resource: web(), kind: PatchKind::Merge, body: body.into() });
    set_image(&mut story, "bad:1");
    story.run_for(1);
    story.act(Action::RolloutStatus { resource: web() });
    story.run_for(20);
    let waits = "Waiting for deployment \"web\" rollout to finish: 1 out of 3 new replicas have been updated...";
    assert!(story.said_at(waits).is_some(), "{}", story.printed());
    story.run_for(60);
    assert!(story.said_at("error: deployment \"web\" exceeded its progress deadline").is_some(), "{}", story.printed());
}
