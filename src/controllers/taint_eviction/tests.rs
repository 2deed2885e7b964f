//! Stories of the taint eviction controller alone.

use super::*;
use crate::controllers::test_support::{Story, ready_node, running_pod};

fn taint(key: &str) -> v1::Taint {
    v1::Taint { key: key.to_owned(), effect: "NoExecute".to_owned(), ..Default::default() }
}

fn toleration(key: &str, seconds: Option<i64>) -> v1::Toleration {
    let operator = Some("Exists".to_owned());
    v1::Toleration { key: Some(key.to_owned()), operator, toleration_seconds: seconds, ..Default::default() }
}

struct World {
    story: Story,
    node: ObjectId,
}

impl World {
    fn new() -> World {
        let mut story = Story::without_limits(&[&ENTRY]);
        story.kubelet.idle = true;
        let node = story.create(ready_node("n1", "").into_object());
        World { story, node }
    }

    fn taint(&mut self, keys: &[&str]) {
        let taints: Vec<v1::Taint> = keys.iter().map(|key| taint(key)).collect();
        self.story.change::<Node>(self.node, |node| Arc::make_mut(&mut node.body.spec).taints = Some(taints));
    }

    fn pod(&mut self, name: &str, tolerations: &[v1::Toleration]) -> ObjectId {
        let mut pod = running_pod(name, "n1");
        let mut full = pod.body.spec.full.clone();
        full.tolerations = Some(tolerations.to_vec());
        pod.body.spec = crate::api::PodSpec::new(full);
        self.story.create(pod.into_object())
    }

    #[track_caller]
    fn check(&mut self, seconds: u64, pods: &[&str]) {
        self.story.run_for(Span::from_secs(seconds));
        assert_eq!(self.story.pods(), pods);
    }
}

#[test]
fn pods_leave_at_once_or_when_their_toleration_ends_or_never() {
    let mut world = World::new();
    world.pod("none", &[]);
    world.pod("five", &[toleration("a", Some(5))]);
    world.pod("ever", &[toleration("a", None)]);
    world.check(1, &["none", "five", "ever"]);
    world.taint(&["a"]);
    let none = world.story.all::<Pod>().next().unwrap().meta.id;
    world.story.run_for(Span::from_millis(100));
    let condition = world.story.get::<Pod>(none).body.condition(PodConditionType::DisruptionTarget).unwrap().clone();
    assert_eq!(condition.text.unwrap().reason, "DeletionByTaintManager");
    world.check(4, &["five", "ever"]);
    world.check(2, &["ever"]);
    world.check(1000, &["ever"]);
    let events = [
        "Pod/none TaintManagerEviction Marking for deletion Pod default/none",
        "Pod/five TaintManagerEviction Marking for deletion Pod default/five",
    ];
    assert_eq!(world.story.events, events);
}

#[test]
fn a_taint_that_goes_in_time_calls_the_deletion_off() {
    let mut world = World::new();
    world.pod("p", &[toleration("a", Some(300))]);
    world.taint(&["a"]);
    world.check(100, &["p"]);
    world.taint(&[]);
    world.check(1, &["p"]);
    assert_eq!(world.story.events, ["Pod/p TaintManagerEviction Cancelling deletion of Pod default/p"]);
    world.check(400, &["p"]);
}

#[test]
fn a_second_taint_does_not_put_the_time_off_but_one_that_is_not_tolerated_ends_it() {
    let mut world = World::new();
    world.pod("p", &[toleration("a", Some(60)), toleration("b", Some(600))]);
    world.taint(&["a"]);
    world.check(50, &["p"]);
    world.taint(&["a", "b"]);
    world.check(11, &[]);
    let mut world = World::new();
    world.pod("p", &[toleration("a", Some(60))]);
    world.taint(&["a"]);
    world.check(50, &["p"]);
    world.taint(&["a", "c"]);
    world.check(1, &[]);
    assert_eq!(world.story.events.len(), 2);
}

#[test]
fn a_pod_that_comes_to_a_tainted_node_is_judged_as_well() {
    let mut world = World::new();
    world.taint(&["a"]);
    world.check(1, &[]);
    world.pod("late", &[toleration("a", Some(5))]);
    world.check(4, &["late"]);
    world.check(2, &[]);
}
