//! Stories of the node life cycle controller alone: nodes that fall silent and come back.

use std::collections::BTreeSet;

use super::*;
use crate::api::{MicroTimestamp, PodConditionType};
use crate::controllers::test_support::{Story, ready_node, running_pod};
use crate::event::{ApiError, ErrorReason, Request};

/// A cluster whose kubelets renew their Leases every 10 s, unless they are stopped.
struct Cluster {
    story: Story,
    stopped: BTreeSet<String>,
    seconds: u64,
}

impl Cluster {
    /// Nodes with their zones.
    fn new(nodes: &[(&str, &str)]) -> Cluster {
        let mut story = Story::without_limits(&[&ENTRY]);
        story.kubelet.idle = true;
        for (name, zone) in nodes {
            story.create(ready_node(name, &format!("topology.kubernetes.io/zone={zone}")).into_object());
            let mut lease =
                Obj { meta: crate::api::Meta::new(Kind::Lease, NODE_LEASES, *name), body: Lease::default() };
            lease.body.renewed = Some(MicroTimestamp(0));
            story.create(lease.into_object());
        }
        story.now = story.now.max(Time::ZERO);
        Cluster { story, stopped: BTreeSet::new(), seconds: 0 }
    }

    /// Lets some seconds pass.
    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            if self.seconds.is_multiple_of(10) {
                self.renew();
            }
            self.seconds += 1;
            self.story.run_for(Span::from_secs(1));
        }
    }

    fn renew(&mut self) {
        let ids: Vec<(ObjectId, String)> =
            self.story.all::<Lease>().map(|lease| (lease.meta.id, lease.meta.name.to_string())).collect();
        for (id, name) in ids {
            if !self.stopped.contains(&name) {
                let now = crate::api::Clock::DEFAULT.micro_timestamp(self.story.now);
                self.story.change::<Lease>(id, |lease| lease.body.renewed = Some(now));
            }
        }
    }

    fn stop(&mut self, nodes: &[&str]) {
        self.stopped.extend(nodes.iter().map(|name| (*name).to_owned()));
    }

    /// The kubelets run again and report ready.
    fn start(&mut self, nodes: &[&str]) {
        for name in nodes {
            self.stopped.remove(*name);
            let id = self.node(name).meta.id;
            self.story.change_status::<Node>(id, |node| {
                for condition in Arc::make_mut(&mut node.body.status).conditions.iter_mut().flatten() {
                    condition.status = if condition.type_ == "Ready" { "True" } else { "False" }.to_owned();
                    condition.last_heartbeat_time = taints::stamp(crate::api::Timestamp(1));
                }
            });
        }
        self.renew();
    }

    fn node(&self, name: &str) -> &Arc<Obj<Node>> {
        self.story.all::<Node>().find(|node| node.meta.name == name).unwrap()
    }

    /// The status of Ready and the taints of a node, as `Unknown unreachable:NoExecute`.
    fn shows(&self, name: &str) -> String {
        let node = self.node(name);
        let taints = node.body.taints().iter();
        let mut taints: Vec<String> =
            taints.map(|taint| format!(" {}:{}", taint.key.replace("node.kubernetes.io/", ""), taint.effect)).collect();
        taints.sort();
        format!("{}{}", node.body.condition("Ready").unwrap().status, taints.concat())
    }

    #[track_caller]
    fn check(&self, name: &str, expected: &str) {
        assert_eq!(self.shows(name), expected, "{name} after {} s", self.seconds);
    }

    fn given_up(&self) -> usize {
        let tainted = |node: &&Arc<Obj<Node>>| taints::has_no_execute(node);
        self.story.all::<Node>().filter(tainted).count()
    }
}

const LOST: &str = "Unknown unreachable:NoExecute unreachable:NoSchedule";

#[test]
fn a_silent_node_is_called_not_ready_after_50_seconds_and_tainted_at_the_next_look() {
    let mut cluster = Cluster::new(&[("n1", "a"), ("n2", "a"), ("n3", "b")]);
    let pod = cluster.story.create(running_pod("p", "n1").into_object());
    cluster.run(31);
    cluster.stop(&["n1"]);
    // Renewed last at second 30; noticed at the look that follows, within 5 s.
    cluster.run(49);
    cluster.check("n1", "True");
    cluster.run(6);
    assert!(cluster.shows("n1").starts_with("Unknown"));
    assert!(!cluster.story.get::<Pod>(pod).body.is_ready());
    let condition = cluster.node("n1").body.condition("DiskPressure").unwrap().clone();
    assert_eq!((condition.status.as_str(), condition.reason.as_deref()), ("Unknown", Some("NodeStatusUnknown")));
    assert_eq!(condition.message.as_deref(), Some("Kubelet stopped posting node status."));
    cluster.run(5);
    cluster.check("n1", LOST);
    assert!(cluster.node("n1").body.taints().iter().all(|taint| taint.time_added.is_some()));
    cluster.check("n2", "True");
    cluster.run(120);
    let events = [
        "Node/n1 RegisteredNode Node n1 event: Registered Node n1 in Controller",
        "Node/n2 RegisteredNode Node n2 event: Registered Node n2 in Controller",
        "Node/n3 RegisteredNode Node n3 event: Registered Node n3 in Controller",
        "Node/n1 NodeNotReady Node n1 status is now: NodeNotReady",
        "Pod/p NodeNotReady Node is not ready",
    ];
    assert_eq!(cluster.story.events, events);
}

#[test]
fn a_node_that_comes_back_loses_its_taints() {
    let mut cluster = Cluster::new(&[("n1", "a"), ("n2", "a"), ("n3", "b")]);
    cluster.run(10);
    cluster.stop(&["n1"]);
    cluster.run(70);
    cluster.check("n1", LOST);
    cluster.start(&["n1"]);
    cluster.run(6);
    cluster.check("n1", "True");
    cluster.run(100);
    cluster.check("n1", "True");
}

#[test]
fn nodes_of_a_zone_are_given_up_one_in_ten_seconds() {
    let names: Vec<String> = (0..8).map(|number| format!("n{number}")).collect();
    let nodes: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "a")).collect();
    let mut cluster = Cluster::new(&nodes);
    cluster.run(10);
    cluster.stop(&["n1", "n2", "n3"]);
    while cluster.given_up() == 0 {
        cluster.run(1);
    }
    assert!((50..=60).contains(&cluster.seconds));
    cluster.run(9);
    assert_eq!(cluster.given_up(), 1);
    cluster.run(2);
    assert_eq!(cluster.given_up(), 2);
    cluster.run(7);
    assert_eq!(cluster.given_up(), 2);
    cluster.run(2);
    assert_eq!(cluster.given_up(), 3);
}

#[test]
fn a_lost_zone_is_given_up_but_where_all_zones_are_lost_evictions_stop_and_taints_go() {
    let mut cluster = Cluster::new(&[("a1", "a"), ("a2", "a"), ("b1", "b"), ("b2", "b")]);
    cluster.run(10);
    cluster.stop(&["a1", "a2"]);
    cluster.run(85);
    assert_eq!(cluster.given_up(), 2);
    cluster.stop(&["b1", "b2"]);
    cluster.run(60);
    assert_eq!(cluster.given_up(), 0, "no node is ready: it must be the control plane that is cut off");
    cluster.run(200);
    assert_eq!(cluster.given_up(), 0);
    cluster.check("a1", "Unknown unreachable:NoSchedule");
    cluster.start(&["b1", "b2"]);
    cluster.run(30);
    cluster.check("b1", "True");
    assert!(cluster.given_up() > 0);
}

#[test]
fn an_unhealthy_small_zone_is_not_given_up() {
    let mut cluster = Cluster::new(&[("n1", "a"), ("n2", "a"), ("n3", "a"), ("n4", "a"), ("n5", "a")]);
    cluster.run(10);
    cluster.stop(&["n1", "n2", "n3"]);
    cluster.run(300);
    assert_eq!(cluster.given_up(), 0);
    cluster.check("n1", "Unknown unreachable:NoSchedule");
}

#[test]
fn a_node_that_registers_unready_loses_the_taint_once_it_is_ready() {
    let mut cluster = Cluster::new(&[("n2", "a")]);
    let mut node = ready_node("n1", "");
    Arc::make_mut(&mut node.body.spec).taints = Some(vec![k8s_openapi::api::core::v1::Taint {
        key: taints::NOT_READY.to_owned(),
        effect: "NoSchedule".to_owned(),
        ..Default::default()
    }]);
    for condition in Arc::make_mut(&mut node.body.status).conditions.iter_mut().flatten() {
        condition.status = "False".to_owned();
    }
    cluster.story.create(node.into_object());
    cluster.run(2);
    cluster.check("n1", "False not-ready:NoSchedule");
    cluster.start(&["n1"]);
    cluster.run(1);
    cluster.check("n1", "True");
}

#[test]
fn a_cordon_becomes_a_taint_at_once() {
    let mut cluster = Cluster::new(&[("n1", "a")]);
    let id = cluster.node("n1").meta.id;
    cluster.story.change::<Node>(id, |node| Arc::make_mut(&mut node.body.spec).unschedulable = Some(true));
    cluster.run(1);
    cluster.check("n1", "True unschedulable:NoSchedule");
    cluster.story.change::<Node>(id, |node| Arc::make_mut(&mut node.body.spec).unschedulable = None);
    cluster.run(1);
    cluster.check("n1", "True");
}

#[test]
fn a_node_that_never_reports_is_called_unknown_after_a_minute() {
    let mut cluster = Cluster::new(&[("n2", "a")]);
    let mut node = ready_node("n1", "");
    node.body.status = Arc::default();
    cluster.story.create(node.into_object());
    cluster.run(59);
    assert!(cluster.node("n1").body.condition("Ready").is_none());
    cluster.run(7);
    let ready = cluster.node("n1").body.condition("Ready").unwrap();
    assert_eq!(ready.reason.as_deref(), Some("NodeStatusNeverUpdated"));
    assert_eq!(ready.message.as_deref(), Some("Kubelet never posted node status."));
}

#[test]
fn a_deleted_node_is_forgotten() {
    let mut cluster = Cluster::new(&[("n1", "a"), ("n2", "a")]);
    cluster.run(10);
    cluster.stop(&["n1"]);
    let id = cluster.node("n1").meta.id;
    cluster.story.delete(id);
    cluster.run(100);
    let events = &cluster.story.events;
    assert_eq!(events.last().unwrap(), "Node/n1 RemovingNode Node n1 event: Removing Node n1 from Controller");
}

#[test]
fn a_refused_write_is_tried_again() {
    let mut cluster = Cluster::new(&[("n1", "a"), ("n2", "a")]);
    cluster.run(10);
    cluster.stop(&["n1"]);
    cluster.story.refuse = Some(|request| {
        let is_status = matches!(request, Request::UpdateStatus(object) if object.kind() == Kind::Node);
        is_status.then(|| ApiError::new(ErrorReason::InternalError, "etcdserver: request timed out"))
    });
    cluster.run(60);
    cluster.check("n1", "True");
    cluster.story.refuse = None;
    cluster.run(12);
    cluster.check("n1", LOST);
}

#[test]
fn a_pod_that_comes_to_a_lost_node_is_marked_not_ready() {
    let mut cluster = Cluster::new(&[("n1", "a"), ("n2", "a")]);
    cluster.run(10);
    cluster.stop(&["n1"]);
    cluster.run(70);
    let pod = cluster.story.create(running_pod("late", "n1").into_object());
    cluster.run(1);
    let pod = cluster.story.get::<Pod>(pod);
    assert!(pod.body.condition(PodConditionType::Ready).is_some() && !pod.body.is_ready());
}

#[test]
fn nothing_is_looked_at_while_nothing_happens_to_lost_nodes() {
    let mut cluster = Cluster::new(&[("n1", "a"), ("n2", "a")]);
    cluster.run(10);
    cluster.stop(&["n1", "n2"]);
    cluster.run(200);
    assert!(cluster.story.is_at_rest());
}
