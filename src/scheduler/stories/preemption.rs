//! Stories of preemption: who must go, who waits, and who is told what.

use super::super::testing::budget;
use super::*;
use crate::api::{ConditionStatus, Deletion, Kind, Labels, ObjectId, ReasonText};

const NO_ROOM: &str = "FailedScheduling: 0/1 nodes are available: 1 Insufficient cpu.";

fn asks_at(priority: i32, cpu: &str) -> String {
    format!("{{priority: {priority}, containers: [{{name: c, resources: {{requests: {{cpu: '{cpu}'}}}}}}]}}")
}

impl Story {
    /// A pod that runs on a node already, with a label `app`.
    fn running(&mut self, slot: u32, priority: i32, cpu: &str, node: &str) -> Arc<Obj<Pod>> {
        let mut pod = Obj::clone(&pod_numbered(slot, &format!("p{slot}"), &asks_at(priority, cpu)));
        pod.body.node_name = node.into();
        pod.meta.labels = Labels::default().with("app", pod.meta.name.clone());
        let pod = Arc::new(pod);
        self.change(2, ChangeKind::Added, Object::Pod(pod.clone()));
        pod
    }

    fn answer_victim(&mut self, result: Result<Answer, ApiError>) {
        let token = self.victims.remove(0);
        self.handle(Input::Reply { token, result });
    }

    /// The informers tell that a victim terminates.
    fn terminates(&mut self, pod: &Arc<Obj<Pod>>) -> Arc<Obj<Pod>> {
        let mut going = Obj::clone(pod);
        let now = Clock::DEFAULT.timestamp(self.now);
        going.meta.deletion = Some(Deletion { timestamp: now, grace_seconds: Some(30) });
        let text = ReasonText { reason: "PreemptionByScheduler".into(), message: Name::new() };
        let (kind, is) = (PodConditionType::DisruptionTarget, ConditionStatus::True);
        going.body.status.set_condition(kind, is, Some(Arc::new(text)), now);
        let going = Arc::new(going);
        self.change(2, ChangeKind::Modified, Object::Pod(going.clone()));
        going
    }

    fn gone(&mut self, pod: &Arc<Obj<Pod>>) {
        self.change(2, ChangeKind::Deleted, Object::Pod(pod.clone()));
    }

    /// The informers tell of a nomination.
    fn nominated(&mut self, pod: &Arc<Obj<Pod>>, node: &str) -> Arc<Obj<Pod>> {
        let mut told = Obj::clone(pod);
        told.meta.resource_version += 1;
        told.body.status.nominated_node_name = node.into();
        let told = Arc::new(told);
        self.change(2, ChangeKind::Modified, Object::Pod(told.clone()));
        told
    }
}

fn gone_already() -> ApiError {
    ApiError::new(ErrorReason::NotFound, "gone")
}

#[test]
fn an_important_pod_has_another_deleted_waits_for_its_end_and_takes_its_place() {
    let mut t = Story::new(Span::ZERO);
    t.node("n1", SMALL);
    let victim = t.running(1, 0, "800m", "n1");
    let pod = t.pod(2, &asks_at(10, "800m"));
    t.expect(&["p1: PreemptionByScheduler", NO_ROOM, "p2: Unschedulable, waits for n1"]);
    t.answer_victim(Ok(Answer::Done));
    t.expect(&["delete p1"]);
    t.answer_victim(Ok(Answer::Done));
    t.expect(&["Preempted: Preempted by pod 00000000-0000-0000-0000-000000000003 on node n1"]);
    t.nominated(&pod, "n1");
    let victim = t.terminates(&victim);
    t.run(Span::from_secs(29));
    t.expect(&[]);
    t.gone(&victim);
    t.expect(&["bind to n1"]);
    assert!(t.scheduler.cluster().nominated.is_empty() && t.scheduler.cluster().is_assumed(2));
}

#[test]
fn a_pod_is_not_decided_until_only_the_last_victim_is_to_be_asked() {
    let mut t = Story::new(Span::ZERO);
    t.node("n1", SMALL);
    t.node("n2", "{status: {allocatable: {cpu: 100m, pods: '10'}}}");
    let first = t.running(1, 5, "400m", "n1");
    t.running(2, 0, "400m", "n1");
    let others: Vec<_> = (4..7).map(|slot| t.running(slot, 100, "10m", "n2")).collect();
    t.pod(3, &asks_at(10, "900m"));
    let no_room = "FailedScheduling: 0/2 nodes are available: 2 Insufficient cpu.";
    t.expect(&["p1: PreemptionByScheduler", no_room, "p3: Unschedulable, waits for n1"]);
    t.gone(&others[0]);
    t.answer_victim(Ok(Answer::Done));
    t.gone(&others[1]);
    t.expect(&["delete p1"]);
    t.terminates(&first);
    t.answer_victim(Ok(Answer::Done));
    t.said.retain(|said| !said.starts_with("Preempted"));
    t.expect(&["p2: PreemptionByScheduler"]);
    t.gone(&others[2]);
    assert_eq!(t.said.len(), 3, "the gate is open, and the second victim is asked again: {:?}", t.said);
}

#[test]
fn a_victim_that_is_gone_already_is_no_failure_and_any_other_error_is() {
    let mut t = Story::new(Span::ZERO);
    t.node("n1", SMALL);
    t.running(1, 0, "800m", "n1");
    t.pod(2, &asks_at(10, "800m"));
    t.said.clear();
    t.answer_victim(Err(ApiError::new(ErrorReason::InternalError, "no")));
    t.expect(&["p1: PreemptionByScheduler", "event again: 2", "p2: Unschedulable, waits for n1"]);
    t.answer_victim(Err(gone_already()));
    t.expect(&[]);
    assert!(t.scheduler.is_idle());
}

#[test]
fn a_more_important_pod_takes_a_nominated_node_over() {
    let mut t = Story::new(Span::ZERO);
    t.node("n1", SMALL);
    t.running(1, 0, "400m", "n1");
    t.running(4, 1, "400m", "n1");
    let pod = t.pod(2, &asks_at(5, "600m"));
    t.expect(&["p1: PreemptionByScheduler", NO_ROOM, "p2: Unschedulable, waits for n1"]);
    t.nominated(&pod, "n1");
    t.pod(3, &asks_at(9, "1"));
    t.expect(&["p2: Pending", "p4: PreemptionByScheduler", NO_ROOM, "p3: Unschedulable, waits for n1"]);
}

#[test]
fn what_is_held_for_a_nominated_pod_is_free_when_it_is_deleted() {
    let mut t = Story::new(Span::ZERO);
    t.node("n1", SMALL);
    t.running(1, 0, "800m", "n1");
    let pod = t.pod(2, &asks_at(5, "800m"));
    let pod = t.nominated(&pod, "n1");
    t.said.clear();
    t.pod(3, &asks_at(0, "200m"));
    assert!(t.said[0].starts_with("FailedScheduling"), "there is room, but somebody waits for it: {:?}", t.said);
    t.said.clear();
    t.gone(&pod);
    t.expect(&["bind to n1"]);
}

#[test]
fn a_budget_is_respected_as_far_as_possible() {
    let mut t = Story::new(Span::ZERO);
    t.node("n1", SMALL);
    t.node("n2", SMALL);
    let mut one = budget("b", "{spec: {selector: {matchLabels: {app: p1}}}, status: {disruptionsAllowed: 0}}");
    one.meta_mut().id = ObjectId { kind: Kind::PodDisruptionBudget, slot: 0 };
    t.change(3, ChangeKind::Added, one.clone());
    t.running(1, 0, "800m", "n1");
    t.running(2, 5, "800m", "n2");
    t.pod(3, &asks_at(10, "800m"));
    assert_eq!(t.said[0], "p2: PreemptionByScheduler", "p1 is less important, but its budget is used up");
    t.change(3, ChangeKind::Deleted, one);
    t.said.clear();
    t.pod(4, &asks_at(10, "800m"));
    assert_eq!(t.said[0], "p1: PreemptionByScheduler");
}

#[test]
fn who_must_not_preempt_waits() {
    let mut t = Story::new(Span::ZERO);
    t.node("n1", SMALL);
    t.running(1, 0, "800m", "n1");
    t.pod(2, &asks_at(10, "800m").replace("{priority", "{preemptionPolicy: Never, priority"));
    let why = "no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never.";
    t.expect(&[&format!("{NO_ROOM} {why}"), "p2: Unschedulable"]);
}

#[test]
fn while_victims_terminate_their_preemptor_leaves_others_alone() {
    let mut t = Story::new(Span::ZERO);
    t.node("n1", SMALL);
    t.node("n2", SMALL);
    let victim = t.running(1, 0, "800m", "n1");
    let other = t.running(2, 1, "900m", "n2");
    t.running(3, 0, "100m", "n2");
    let pod = t.pod(4, &asks_at(10, "800m"));
    t.nominated(&pod, "n1");
    t.terminates(&victim);
    t.said.clear();
    let mut smaller = Obj::clone(&other);
    smaller.body.spec = crate::api::PodSpec::new(serde_saphyr::from_str(&asks_at(1, "500m")).expect("it can be read"));
    t.change(2, ChangeKind::Modified, smaller.into_object());
    let why = "no new claims to deallocate, preemption: not eligible due to a terminating pod on the nominated node.";
    let no_room = "0/2 nodes are available: 2 Insufficient cpu.";
    t.expect(&[&format!("FailedScheduling: {no_room} {why}"), "p4: Unschedulable, waits for n1"]);
}
