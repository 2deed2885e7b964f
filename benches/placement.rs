//! What a decision of each placement policy costs on 1,000 and 10,000 nodes that are about 80 % full with pods of some
//! hundred kinds, one of which leaves whenever one comes; the figure is time a pod, with what it costs to keep the sums.

use std::collections::VecDeque;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wavetank::bench::placement::{Arrivals, KubeScheduler, Park, Placer, Plan, Scored, Spot};
use wavetank::scheduler::policies::{ALL, named};
use wavetank::trace::{Machine, Task, Trace};

const FULL: f64 = 0.8;
const NODES: [usize; 2] = [1_000, 10_000];

/// Nodes of three sizes, two of them with cards, and pods of 96 kinds.
fn trace(nodes: usize) -> Trace {
    let machine = |number: usize| {
        let (cpus, cards, model) = [(96, 8, "A10"), (64, 4, "T4"), (128, 0, "")][number % 3];
        let capacity = [cpus * 1_000, (cpus * 4) << 30, 0, 0, 0, 0];
        Machine { capacity, cards, model: model.into(), ..Machine::default() }
    };
    let task = |number: i64| {
        let (cards, milli_per_card) =
            [(0, 0), (1, 250), (1, 500), (1, 700), (1, 1_000), (2, 1_000)][number as usize % 6];
        let cpus = 1 + number / 6 % 16;
        Task { asks: [cpus * 500, cpus << 30, 0, 0, 0, 0], cards, milli_per_card, ..Task::default() }
    };
    let kinds = 0..96;
    let tasks = (0..nodes as i64 * 16).map(|number| task(number % kinds.end)).collect();
    Trace { resources: vec!["cpu".into(), "memory".into()], machines: (0..nodes).map(machine).collect(), tasks }
}

/// A cluster in which pods come and go.
struct Stream<'a> {
    plan: &'a Plan,
    park: Park,
    placer: Box<dyn Placer + 'a>,
    placed: VecDeque<(u32, Spot, u32)>,
    came: usize,
}

impl<'a> Stream<'a> {
    /// The cluster at its start: filled by first fit, and with all kinds of pods seen once by the placer.
    fn new(plan: &'a Plan, placer: Box<dyn Placer + 'a>) -> Stream<'a> {
        let first_fit = named("first-fit").expect("there is a first fit");
        let mut stream = Stream { plan, park: Park::new(plan), placer, placed: VecDeque::new(), came: 0 };
        let mut filler = Scored::new(first_fit, plan);
        while (stream.park.totals().card_allocated as f64) < FULL * stream.park.totals().card_capacity as f64 {
            let class = stream.next();
            let spot = filler.place(plan, &stream.park, class);
            stream.put(class, spot);
        }
        (0..plan.classes.len()).for_each(|_| stream.step());
        stream
    }

    fn next(&mut self) -> u32 {
        self.came += 1;
        self.plan.arrivals[self.came % self.plan.arrivals.len()].classes[0]
    }

    fn put(&mut self, class: u32, spot: Option<Spot>) {
        let Some(spot) = spot else { return };
        let number = self.came as u32;
        self.park.add(&self.plan.classes[class as usize], spot, &self.plan.setting.typical);
        self.placer.placed(self.plan, class, spot, number);
        self.placed.push_back((class, spot, number));
    }

    /// A pod comes, the oldest leaves. A batch is as many as the placer wants.
    fn step(&mut self) {
        let batch: Vec<u32> = (0..self.placer.batch()).map(|_| self.next()).collect();
        let arranged = match batch.len() {
            1 => vec![(0, None)],
            _ => self.placer.arrange(self.plan, &self.park, &batch),
        };
        for (pod, wish) in arranged {
            let class = batch[pod];
            let wished = wish.and_then(|node| self.placer.place_on(self.plan, &self.park, class, node));
            let spot = wished.or_else(|| self.placer.place(self.plan, &self.park, class));
            self.put(class, spot);
            if spot.is_some()
                && let Some((class, spot, number)) = self.placed.pop_front()
            {
                self.park.remove(&self.plan.classes[class as usize], spot, &self.plan.setting.typical);
                self.placer.removed(self.plan, class, spot, number);
            }
        }
    }
}

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("placement");
    group.sample_size(20);
    group.warm_up_time(std::time::Duration::from_millis(500));
    group.measurement_time(std::time::Duration::from_secs(1));
    for nodes in NODES {
        let plan = Plan::new(&trace(nodes), Arrivals::Inflated(1.0), 42).expect("a plan can be made");
        let mut bench = |name: &str, placer: Box<dyn Placer>| {
            let mut stream = Stream::new(&plan, placer);
            group.throughput(Throughput::Elements(stream.placer.batch() as u64));
            group.bench_function(BenchmarkId::new(name, nodes), |bencher| bencher.iter(|| stream.step()));
        };
        for policy in ALL {
            bench(policy.name(), Box::new(Scored::new(*policy, &plan)));
        }
        bench("kube-scheduler", Box::new(KubeScheduler::upstream(&plan)));
    }
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
