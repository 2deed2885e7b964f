//! Streams of pods that a scheduler decides one by one, each against the cluster that those before it left: no API
//! server, no queue, no time. What a decision costs, and nothing else.
//!
//! A pod that preempts takes the node at once, its victims gone, as in recorded cases.

use std::sync::Arc;

use k8s_openapi::api::core::v1;

use crate::api::{
    Kind, Labels, Meta, Name, Node, Obj, Object, ObjectId, OwnerReference, Pod, PodSpec, PodStatus, Uid, convert,
    no_owners,
};
use crate::scheduler::{Cluster, Incremental, Outcome, Profile, Scope, Tie};

/// A stream of pods on a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// What the command line calls it.
    pub name: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// How many nodes of 32 CPUs, 256 GiB and 110 pods, in three zones.
    pub nodes: u32,
    /// How many pods are placed before the measurement begins.
    pub before: u32,
    /// How many are measured.
    pub pods: u32,
    /// Whether all nodes are looked at, or a sample as upstream does.
    pub is_sampled: bool,
    /// How many templates the pods come from, in turn.
    pub templates: u32,
    /// The labels and the spec of a template, as JSON, for a cluster of so many nodes.
    pub template: fn(template: u32, nodes: u32) -> Template,
    /// What the pods before the measurement are like, where they are others.
    pub fill: Option<fn(nodes: u32) -> Template>,
    /// Whether each template is that of a ReplicaSet, which owns its pods.
    pub is_owned: bool,
    /// What kube-scheduler reaches with the same pods on the same nodes.
    pub real: Option<Real>,
}

/// What kube-scheduler v1.34.1 reached: the real package in a process of its own, with an API in memory and no etcd, on a
/// machine with two cores and 24 GiB, November 2026. Measured for this project.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Real {
    /// Scheduled pods a second of CPU time.
    pub pods_per_cpu_second: u32,
    /// Whether it looked at all nodes (`percentageOfNodesToScore: 100`) or at a tenth, as is its default at this size.
    pub is_sampled: bool,
}

/// A template of pods.
#[derive(Clone, Debug)]
pub struct Template {
    /// `metadata.labels`.
    pub labels: Vec<(&'static str, String)>,
    /// `spec` as JSON.
    pub spec: serde_json::Value,
}

/// The workloads that the project's figures come from.
pub const ALL: &[Workload] = &[
    Workload {
        name: "plain",
        doc: "pods of 100m and 256Mi of one template",
        template: plain,
        real: Some(Real { pods_per_cpu_second: 58, is_sampled: false }),
        ..BASE
    },
    Workload {
        name: "zone-spread",
        doc: "the same with a spread constraint over zones, maxSkew 1, DoNotSchedule",
        template: zone_spread,
        real: Some(Real { pods_per_cpu_second: 134, is_sampled: true }),
        ..BASE
    },
    Workload {
        name: "host-anti-affinity",
        doc: "groups of half as many pods as nodes, each with required anti-affinity to its own by host",
        template: host_anti_affinity,
        templates: 4,
        real: Some(Real { pods_per_cpu_second: 84, is_sampled: true }),
        ..BASE
    },
    Workload {
        name: "preferred-affinity",
        doc: "pods that prefer hosts with pods of their own, after 5,000 of them",
        template: preferred_affinity,
        before: 5_000,
        pods: 5_000,
        ..BASE
    },
    Workload {
        name: "replica-sets",
        doc: "pods of 20 ReplicaSets, spread as is the default",
        template: plain,
        templates: 20,
        is_owned: true,
        real: Some(Real { pods_per_cpu_second: 287, is_sampled: true }),
        ..BASE
    },
    Workload {
        name: "mix",
        doc: "100 templates with node affinity, tolerations, spread over zones and hosts, affinity and anti-affinity",
        template: mix,
        templates: 100,
        ..BASE
    },
    Workload {
        name: "sampled",
        doc: "plain pods, a sample of the nodes looked at as upstream does",
        template: plain,
        is_sampled: true,
        real: Some(Real { pods_per_cpu_second: 597, is_sampled: true }),
        ..BASE
    },
    Workload {
        name: "sampled-mix",
        doc: "the mix, a sample of the nodes looked at as upstream does",
        template: mix,
        templates: 100,
        is_sampled: true,
        ..BASE
    },
    Workload {
        name: "preemption",
        doc: "500 nodes full of pods of low priority, and as many pods of high priority that take three of them away each",
        nodes: 500,
        before: 2_000,
        pods: 500,
        template: of_high_priority,
        fill: Some(of_low_priority),
        ..BASE
    },
];

const BASE: Workload = Workload {
    name: "",
    doc: "",
    nodes: 5_000,
    before: 0,
    pods: 10_000,
    is_sampled: false,
    templates: 1,
    template: plain,
    fill: None,
    is_owned: false,
    real: None,
};

fn containers(template: u32, milli_cpu: u32) -> serde_json::Value {
    let requests = serde_json::json!({"cpu": format!("{milli_cpu}m"), "memory": "256Mi"});
    serde_json::json!([{"name": "c", "image": format!("web:{template}"), "resources": {"requests": requests}}])
}

fn plain(template: u32, _nodes: u32) -> Template {
    let spec = serde_json::json!({"containers": containers(template, 100)});
    Template { labels: vec![("app", format!("web-{template}"))], spec }
}

fn own(labels: &[(&'static str, String)]) -> serde_json::Value {
    serde_json::json!({"matchLabels": {labels[0].0: labels[0].1}})
}

fn zone_spread(template: u32, nodes: u32) -> Template {
    let Template { labels, mut spec } = plain(template, nodes);
    spec["topologySpreadConstraints"] = serde_json::json!([
        {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": own(&labels)},
    ]);
    Template { labels, spec }
}

fn host_anti_affinity(template: u32, nodes: u32) -> Template {
    let Template { labels, mut spec } = plain(template, nodes);
    spec["affinity"] = serde_json::json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": "kubernetes.io/hostname", "labelSelector": own(&labels)},
    ]}});
    Template { labels, spec }
}

fn preferred_affinity(template: u32, nodes: u32) -> Template {
    let Template { labels, mut spec } = plain(template, nodes);
    spec["affinity"] = serde_json::json!({"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 1, "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname", "labelSelector": own(&labels)}},
    ]}});
    Template { labels, spec }
}

/// Four of them leave no room for another.
fn of_low_priority(_nodes: u32) -> Template {
    let spec = serde_json::json!({"containers": containers(0, 7_200)});
    Template { labels: vec![("app", "low".to_owned())], spec }
}

fn of_high_priority(_template: u32, _nodes: u32) -> Template {
    let spec = serde_json::json!({"priority": 10, "containers": containers(1, 24_000)});
    Template { labels: vec![("app", "high".to_owned())], spec }
}

/// Everything at once, in other proportions for each template.
fn mix(template: u32, nodes: u32) -> Template {
    let Template { labels, .. } = plain(template, nodes);
    let mut spec = serde_json::json!({"containers": containers(template, 50 + template * 7 % 300)});
    let zone = "topology.kubernetes.io/zone";
    let host = "kubernetes.io/hostname";
    if template.is_multiple_of(2) {
        spec["topologySpreadConstraints"] = serde_json::json!([
            {"maxSkew": 1 + template % 3, "topologyKey": zone, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": own(&labels)},
            {"maxSkew": 2, "topologyKey": host, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": own(&labels)},
        ]);
    }
    if template.is_multiple_of(3) {
        spec["tolerations"] = serde_json::json!([{"key": "dedicated", "operator": "Exists"}]);
    }
    let mut affinity = serde_json::Map::new();
    if template.is_multiple_of(4) {
        affinity.insert(
            "nodeAffinity".to_owned(),
            serde_json::json!({"preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 10, "preference": {"matchExpressions": [{"key": zone, "operator": "In", "values": ["zone-1"]}]}},
            ]}),
        );
    }
    if template.is_multiple_of(5) {
        affinity.insert(
            "podAntiAffinity".to_owned(),
            serde_json::json!({"requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": host, "labelSelector": own(&labels)},
            ]}),
        );
    }
    if template.is_multiple_of(7) {
        let friend = format!("web-{}", (template + 1) % 100);
        affinity.insert(
            "podAffinity".to_owned(),
            serde_json::json!({"preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 5, "podAffinityTerm": {"topologyKey": zone, "labelSelector": {"matchLabels": {"app": friend}}}},
            ]}),
        );
    }
    spec["affinity"] = serde_json::Value::Object(affinity);
    Template { labels, spec }
}

/// A cluster, and the pods that come to it.
#[derive(Debug)]
pub struct Stream {
    cluster: Cluster,
    profile: Profile,
    incremental: Incremental,
    templates: Vec<Arc<Made>>,
    is_sampled: bool,
    came: u32,
    start: usize,
    /// How many pods found a node.
    pub placed: u32,
}

/// A template that pods are made of.
#[derive(Debug)]
struct Made {
    labels: Labels,
    owners: Arc<[OwnerReference]>,
    spec: Arc<PodSpec>,
}

impl Stream {
    /// The cluster of a workload, with the pods that come before the measurement.
    pub fn new(workload: &Workload) -> Stream {
        let mut cluster = Cluster::default();
        for number in 0..workload.nodes {
            cluster.nodes.set(&node(number));
        }
        let mut templates = Vec::new();
        for number in 0..workload.templates {
            let template = (workload.template)(number, workload.nodes);
            let mut made = made(&template);
            if workload.is_owned {
                let (set, owner) = replica_set(number, &template);
                cluster.apply(&set);
                made.owners = Arc::new([owner]);
            }
            templates.push(Arc::new(made));
        }
        let mut stream = Stream {
            cluster,
            profile: Profile::upstream(),
            incremental: Incremental::default(),
            templates,
            is_sampled: workload.is_sampled,
            came: 0,
            start: 0,
            placed: 0,
        };
        let fill = workload.fill.map(|fill| Arc::new(made(&fill(workload.nodes))));
        for _ in 0..workload.before {
            match &fill {
                Some(fill) => stream.decide(fill),
                None => stream.step(),
            }
        }
        stream.placed = 0;
        stream
    }

    /// Decides about the next pod, and assumes it where it fits.
    pub fn step(&mut self) {
        let template = self.templates[self.came as usize % self.templates.len()].clone();
        self.decide(&template);
    }

    fn decide(&mut self, template: &Made) {
        self.cluster.nodes.refresh();
        let mut meta = Meta::new(Kind::Pod, "default", Name::from("web"));
        meta.id = ObjectId { kind: Kind::Pod, slot: self.came };
        meta.uid = Uid(u128::from(self.came) + 1);
        meta.labels = template.labels.clone();
        meta.owners = template.owners.clone();
        let body = Pod { spec: template.spec.clone(), node_name: Name::new(), status: PodStatus::default() };
        let pod = Arc::new(Obj { meta, body });
        let scope = match self.is_sampled {
            true => Scope::Sampled { start: self.start, percentage: 0, luck: None },
            false => Scope::Everything,
        };
        let came = u64::from(self.came);
        let tie = (Tie::Draw, |among| came.wrapping_mul(0x9e37_79b9_7f4a_7c15) % among);
        self.came += 1;
        let node = match self.incremental.decide(&self.cluster, (0, &self.profile), &pod, scope, tie) {
            Outcome::Placed { node, next_start } => {
                self.start = next_start;
                node
            }
            Outcome::Unplaced(decision) => {
                let Some(nomination) = decision.nomination() else { return };
                for victim in &nomination.victims {
                    self.cluster.remove_pod(victim.meta.id.slot);
                }
                nomination.node
            }
        };
        self.cluster.assume(&pod, node);
        self.placed += 1;
    }
}

fn made(template: &Template) -> Made {
    let labels = template.labels.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let spec: v1::PodSpec = serde_json::from_value(template.spec.clone()).expect("a workload's template can be read");
    Made { labels, owners: no_owners(), spec: PodSpec::new(spec) }
}

/// The ReplicaSet of a template, and how its pods refer to it.
fn replica_set(number: u32, template: &Template) -> (Object, OwnerReference) {
    let name = format!("web-{number}");
    let labels: serde_json::Map<String, serde_json::Value> =
        template.labels.iter().map(|(key, value)| ((*key).to_owned(), value.as_str().into())).collect();
    let manifest = serde_json::json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": template.spec},
        },
    });
    let set = convert::from_json(Kind::ReplicaSet, manifest).expect("a workload's ReplicaSet can be read");
    let owner = OwnerReference {
        api_version: "apps/v1".into(),
        kind: "ReplicaSet".into(),
        name: name.into(),
        uid: Uid(u128::from(u32::MAX) + 1 + u128::from(number)),
        controller: Some(true),
        block_owner_deletion: Some(true),
    };
    (set, owner)
}

fn node(number: u32) -> Arc<Obj<Node>> {
    let name = format!("node-{number:05}");
    let mut meta = Meta::new(Kind::Node, "", name.as_str());
    let zone = format!("zone-{}", number % 3);
    let labels = [("topology.kubernetes.io/zone", zone.as_str()), ("kubernetes.io/hostname", name.as_str())];
    meta.labels = labels.into_iter().collect();
    let status = serde_json::json!({"allocatable": {"cpu": "32", "memory": "256Gi", "pods": "110"}});
    let status = serde_json::from_value(status).expect("the status can be read");
    Arc::new(Obj { meta, body: Node { spec: Arc::default(), status: Arc::new(status) } })
}
