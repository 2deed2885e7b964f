//! Stories of requests: a few pods, a Service, and what its clients meet.

use serde_json::{Value, json};

use super::*;
use crate::api::{
    ConditionStatus, Deletion, Labels, ObjectId, PodConditionType, PodIps, PodPhase, PodSpec, PodStatus, Selector,
    Timestamp, convert,
};
use crate::kernel::Span;

struct World {
    network: Network,
    now: Time,
    slots: u32,
}

fn at(millis: u64) -> Time {
    Time::ZERO + Span::from_millis(millis)
}

impl World {
    /// A network with one stream of so many requests a second to the Service `web`, from pods or from outside.
    fn new(rate: u64, outside: bool) -> World {
        let selector = Selector::parse("app=shop").unwrap();
        let from = if outside { Clients::Outside } else { Clients::Pods { namespace: "default".into(), selector } };
        let line = TrafficLine {
            name: "line".into(),
            from,
            to: ("default".into(), "web".into()),
            rate_milli: rate * 1000,
            start: Time::ZERO,
            end: None,
        };
        let settings = TrafficSettings { lines: vec![line], ..TrafficSettings::none() };
        let mut world = World { network: Network::new(&settings, Chance { seed: 1 }), now: Time::ZERO, slots: 0 };
        for (node, zone) in [("n1", "z1"), ("n2", "z2")] {
            let labels = json!({"topology.kubernetes.io/zone": zone});
            world.see(Kind::Node, json!({"metadata": {"name": node, "labels": labels}}));
        }
        world
    }

    fn see(&mut self, kind: Kind, mut json: Value) -> Object {
        json["apiVersion"] = kind.api_version().unwrap().into();
        json["kind"] = kind.info().unwrap().kind.as_ref().into();
        if kind != Kind::Node {
            json["metadata"]["namespace"] = "default".into();
        }
        let mut object = convert::from_json(kind, json).unwrap();
        self.slots += 1;
        object.meta_mut().id = ObjectId { kind, slot: self.slots };
        self.network.observe(self.now, ChangeKind::Modified, &object);
        object
    }

    fn service(&mut self, mut spec: Value) {
        if spec["clusterIP"].is_null() {
            spec["clusterIP"] = "10.96.0.10".into();
        }
        if spec["ipFamilies"].is_null() {
            spec["ipFamilies"] = json!(["IPv4"]);
        }
        self.see(Kind::Service, json!({"metadata": {"name": "web"}, "spec": spec}));
    }

    /// The one slice of the Service: pods by name, each with its node, a letter for its state and its zone as a hint.
    fn slice(&mut self, endpoints: &[(&str, &str, &str)]) {
        let endpoint = |(pod, node, state): &(&str, &str, &str)| {
            let (ready, serving) = (state.contains('r'), state.contains('s'));
            let mut endpoint = json!({
                "addresses": ["10.0.0.1"],
                "nodeName": node,
                "conditions": {"ready": ready, "serving": serving, "terminating": state.contains('t')},
                "targetRef": {"kind": "Pod", "name": pod, "namespace": "default"},
            });
            if let Some((_, zone)) = state.split_once('@') {
                endpoint["hints"] = json!({"forZones": [{"name": zone}]});
            }
            endpoint
        };
        let endpoints: Vec<Value> = endpoints.iter().map(endpoint).collect();
        let labels = json!({SERVICE_NAME: "web"});
        let slice =
            json!({"metadata": {"name": "web-1", "labels": labels}, "addressType": "IPv4", "endpoints": endpoints});
        self.slots = 1000;
        self.see(Kind::EndpointSlice, slice);
    }

    fn pod(&mut self, name: &str, app: &str, node: &str, ready: bool, deleted: bool) -> Object {
        let mut pod = Obj {
            meta: crate::api::Meta::new(Kind::Pod, "default", name),
            body: Pod { spec: PodSpec::new(Default::default()), node_name: node.into(), status: PodStatus::default() },
        };
        pod.meta.labels = [("app", app)].into_iter().collect::<Labels>();
        pod.meta.deletion = deleted.then_some(Deletion { timestamp: Timestamp(0), grace_seconds: Some(30) });
        pod.body.status.phase = PodPhase::Running;
        pod.body.status.pod_ips = PodIps { first: Some([10, 0, 0, 1].into()), second: None };
        let status = if ready { ConditionStatus::True } else { ConditionStatus::False };
        pod.body.status.set_condition(PodConditionType::Ready, status, None, Timestamp(0));
        let object = pod.into_object();
        self.network.observe(self.now, ChangeKind::Modified, &object);
        object
    }

    /// Two pods of the Service on two nodes, and a client on the first.
    fn start(&mut self, spec: Value) {
        self.service(spec);
        self.pod("a", "web", "n1", true, false);
        self.pod("b", "web", "n2", true, false);
        self.slice(&[("a", "n1", "rs"), ("b", "n2", "rs")]);
        self.now = at(10_000);
        self.pod("c1", "shop", "n1", true, false);
    }

    /// What has become of the requests so far: served, refused, lost.
    #[track_caller]
    fn check(&mut self, seconds: u64, expected: (u64, u64, u64)) {
        self.now = at(seconds * 1000);
        let counts = self.network.counts(self.now).remove(0);
        let Fates { served, refused, lost } = counts.total;
        assert_eq!((served, refused, lost), expected, "{:?}", counts.by_endpoint);
    }

    fn by_endpoint(&self) -> Vec<(String, u64)> {
        let counts = self.network.counts(self.now).remove(0);
        counts.by_endpoint.iter().map(|(name, fates)| (name.to_string(), fates.all())).collect()
    }
}

#[test]
fn requests_are_shared_among_ready_endpoints() {
    let mut world = World::new(100, false);
    world.start(json!({}));
    world.check(20, (1000, 0, 0));
    assert_eq!(world.by_endpoint(), [("a".to_owned(), 500), ("b".to_owned(), 500)]);
}

#[test]
fn a_deleted_pod_is_asked_until_the_proxy_knows() {
    let mut world = World::new(100, false);
    world.start(json!({}));
    world.now = at(20_000);
    world.pod("a", "web", "n1", true, true);
    world.check(21, (1050, 50, 0));
    world.slice(&[("a", "n1", "st"), ("b", "n2", "rs")]);
    // The rules are there after the watch and at most 200 ms of a sync.
    world.now = at(30_000);
    let counts = world.network.counts(world.now).remove(0).total;
    assert!((51..=61).contains(&counts.refused), "{counts:?}");
    assert_eq!(counts.all(), 2000);
}

#[test]
fn a_pod_without_power_answers_nobody_and_one_that_is_gone_neither() {
    let mut world = World::new(100, false);
    world.start(json!({}));
    world.now = at(20_000);
    world.network.set_power(world.now, &"n2".into(), false);
    world.check(30, (1500, 0, 500));
    world.network.set_power(world.now, &"n2".into(), true);
    let gone = world.pod("b", "web", "n2", true, true);
    world.network.observe(world.now, ChangeKind::Deleted, &gone);
    world.check(40, (2000, 0, 1000));
}

#[test]
fn without_endpoints_requests_are_refused_and_without_rules_lost() {
    let mut world = World::new(10, false);
    world.pod("c1", "shop", "n1", true, false);
    world.check(10, (0, 100, 0));
    world.service(json!({}));
    world.now = at(20_000);
    // The name is there at once, the rules a sync later.
    let counts = world.network.counts(world.now).remove(0).total;
    assert_eq!(counts.all(), 200);
    assert!((197..=200).contains(&counts.refused), "{counts:?}");
}

#[test]
fn a_local_policy_asks_the_own_node_or_nobody() {
    let mut world = World::new(100, false);
    world.start(json!({"internalTrafficPolicy": "Local"}));
    world.check(20, (1000, 0, 0));
    assert_eq!(world.by_endpoint(), [("a".to_owned(), 1000)]);
    world.slice(&[("b", "n2", "rs")]);
    world.now = at(21_000);
    world.network.observe(world.now, ChangeKind::Modified, &Object::Untyped(other()));
    let lost_before = world.network.counts(world.now).remove(0).total.lost;
    world.now = at(31_000);
    let lost = world.network.counts(world.now).remove(0).total.lost;
    assert_eq!(lost - lost_before, 1000);
}

/// A Service that nobody asks.
fn other() -> Arc<Obj<Untyped>> {
    let json = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "other", "namespace": "default"}});
    match convert::from_json(Kind::Service, json).unwrap() {
        Object::Untyped(object) => object,
        other => panic!("a Service is not typed: {other:?}"),
    }
}

#[test]
fn hints_keep_requests_in_the_zone_and_affinity_at_one_endpoint() {
    let mut world = World::new(100, false);
    world.start(json!({}));
    world.slice(&[("a", "n1", "rs@z1"), ("b", "n2", "rs@z2")]);
    world.now = at(12_000);
    let before = world.by_endpoint();
    world.now = at(22_000);
    let count = |list: &[(String, u64)], pod: &str| list.iter().find(|(name, _)| name == pod).map_or(0, |(_, n)| *n);
    let after = world.by_endpoint();
    assert_eq!(count(&after, "a") - count(&before, "a"), 1000);
    let mut world = World::new(100, false);
    world.start(json!({"sessionAffinity": "ClientIP"}));
    world.check(20, (1000, 0, 0));
    assert_eq!(world.by_endpoint().len(), 1);
}

#[test]
fn clients_of_a_headless_service_keep_old_answers_for_their_time_to_live() {
    let mut world = World::new(100, false);
    world.start(json!({"clusterIP": "None"}));
    world.check(20, (1000, 0, 0));
    let gone = world.pod("a", "web", "n1", true, true);
    world.network.observe(world.now, ChangeKind::Deleted, &gone);
    world.slice(&[("b", "n2", "rs")]);
    world.now = at(60_000);
    let early = world.network.counts(world.now).remove(0).total;
    assert!(early.lost > 0 && early.lost <= 1500, "half of at most 30 s: {early:?}");
    world.now = at(70_000);
    assert_eq!(world.network.counts(world.now).remove(0).total.lost, early.lost, "it is over");
}

#[test]
fn requests_from_outside_come_to_nodes_with_endpoints_where_the_policy_is_local() {
    let mut world = World::new(100, true);
    world.start(json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local"}));
    world.slice(&[("b", "n2", "rs")]);
    world.now = at(15_000);
    let before = world.network.counts(world.now).remove(0).total;
    world.now = at(25_000);
    let after = world.network.counts(world.now).remove(0);
    assert_eq!(after.total.served - before.served, 1000);
}

#[test]
fn a_proxy_that_is_cut_off_keeps_asking_the_dead() {
    let mut world = World::new(100, false);
    world.start(json!({}));
    world.network.cut_off(world.now, 7, vec!["n1".into()]);
    let gone = world.pod("b", "web", "n2", true, true);
    world.network.observe(world.now, ChangeKind::Deleted, &gone);
    world.slice(&[("a", "n1", "rs")]);
    world.check(20, (500, 0, 500));
    world.network.rejoin(world.now, 7);
    world.check(30, (1500, 0, 500));
}
