//! Whole scheduling cycles (decide and assume) at 100, 1,000 and 5,000 nodes; the figure is pods a second.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wavetank::api::{Kind, Meta, Node, Obj, ObjectId, Pod, PodSpec, PodStatus, Uid};
use wavetank::scheduler::{Cluster, Profile, Scope, Tie, decide};

/// Templates, as a set-up of many Deployments has them.
const TEMPLATES: u32 = 50;

/// A cluster that is filled pod by pod and emptied when it is full.
pub struct World {
    cluster: Cluster,
    profile: Profile,
    templates: Vec<Arc<PodSpec>>,
    placed: u32,
    start: usize,
}

impl World {
    /// Nodes of 32 CPUs, 256 GiB and 110 pods in three zones.
    pub fn new(nodes: u32) -> World {
        let mut cluster = Cluster::default();
        for number in 0..nodes {
            let mut meta = Meta::new(Kind::Node, "", format!("node-{number:05}"));
            let zone = format!("zone-{}", number % 3);
            meta.labels = [("topology.kubernetes.io/zone", zone.as_str())].into_iter().collect();
            let text = r#"{"allocatable": {"cpu": "32", "memory": "256Gi", "pods": "110"}}"#;
            let status = serde_json::from_str(text).expect("the status can be read");
            let body = Node { spec: Arc::default(), status: Arc::new(status) };
            cluster.nodes.set(&Arc::new(Obj { meta, body }));
        }
        let template = |number: u32| {
            let text = format!(
                r#"{{"containers": [{{"name": "c", "image": "web:{number}",
                    "resources": {{"requests": {{"cpu": "{}m", "memory": "256Mi"}}}}}}]}}"#,
                50 + number
            );
            PodSpec::new(serde_json::from_str(&text).expect("the spec can be read"))
        };
        World {
            cluster,
            profile: Profile::upstream(),
            templates: (0..TEMPLATES).map(template).collect(),
            placed: 0,
            start: 0,
        }
    }

    /// Decides about one pod of a template and assumes it.
    pub fn place(&mut self, template: u32) {
        self.cluster.nodes.refresh();
        let mut meta = Meta::new(Kind::Pod, "default", "web");
        meta.id = ObjectId { kind: Kind::Pod, slot: self.placed };
        meta.uid = Uid(u128::from(self.placed) + 1);
        let spec = self.templates[template as usize].clone();
        let pod = Arc::new(Obj { meta, body: Pod { spec, node_name: "".into(), status: PodStatus::default() } });
        let scope = Scope::Sampled { start: self.start, percentage: 0, luck: None };
        let decision = decide(&self.cluster, &self.profile, &pod, scope);
        self.start = decision.next_start;
        let node = decision.choose(&self.cluster, Tie::Draw, |among| u64::from(self.placed) * 7919 % among);
        self.cluster.assume(&pod, node.expect("a pod fits"));
        self.placed += 1;
    }

    fn is_full(&self) -> bool {
        self.placed as usize >= self.cluster.nodes.len() * 100
    }
}

fn cycles(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scheduling cycle");
    group.throughput(Throughput::Elements(1));
    for nodes in [100, 1_000, 5_000] {
        let mut world = World::new(nodes);
        group.bench_function(format!("{nodes} nodes"), |bencher| {
            bencher.iter(|| {
                if world.is_full() {
                    world = World::new(nodes);
                }
                let template = world.placed % TEMPLATES;
                world.place(black_box(template));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, cycles);
criterion_main!(benches);
