//! What holds for every policy, on any cluster and any stream of pods: nothing is given twice, and nothing is turned away
//! while there is room.

use proptest::prelude::*;

use super::ranking::Ranking;
use super::{
    Arrivals, Case, Conditions, Contender, Drains, KubeScheduler, Limits, Park, Placer, Plan, Queue, Record, Run,
    Scored, Source, Spot, Study, Workload, all_placed, results,
};
use crate::bench::bounds::{self, Effort, Objective, Optimum, bracket, optimum};
use crate::explore::Seeds;
use crate::kernel::{Span, Time};
use crate::scheduler::policies::{ALL, CARD, Demand, NodeState, Policy, named};
use crate::trace::{Machine, Task, Trace};

fn machine() -> impl Strategy<Value = Machine> {
    (1..16_i64, 1..32_i64, 0..5_u8, 0..3_usize).prop_map(|(cpus, gibibytes, cards, model)| Machine {
        capacity: [cpus * 1_000, gibibytes << 30, 0, 0, 0, 0],
        cards,
        model: if cards > 0 { ["", "T4", "A10"][model].into() } else { "".into() },
        ..Machine::default()
    })
}

fn task() -> impl Strategy<Value = Task> {
    let cards = prop_oneof![
        Just((0, 0)),
        (1..4_u16).prop_map(|quarters| (1, quarters * 250)),
        (1..4_u8).prop_map(|n| (n, 1_000))
    ];
    let models =
        prop_oneof![3 => Just(vec![]), 1 => Just(vec!["T4"]), 1 => Just(vec!["T4", "A10"]), 1 => Just(vec!["H100"])];
    (0..4_i64, 0..4_i64, cards, models, 0..300_u64, 1..200_u64, 0..3).prop_map(
        |(cpus, gibibytes, cards, models, at, lasts, priority)| {
            let arrives = Time::ZERO + Span::from_secs(at);
            Task {
                asks: [cpus * 1_500, gibibytes * (3 << 30), 0, 0, 0, 0],
                cards: cards.0,
                milli_per_card: cards.1,
                models: if cards.0 > 0 { models.into_iter().map(Into::into).collect() } else { vec![] },
                arrives,
                leaves: Some(arrives + Span::from_secs(lasts)),
                priority,
                ..Task::default()
            }
        },
    )
}

fn trace() -> impl Strategy<Value = Trace> {
    (prop::collection::vec(machine(), 1..8), prop::collection::vec(task(), 1..80)).prop_map(|(machines, mut tasks)| {
        tasks.sort_by_key(|task| task.arrives);
        Trace { resources: vec!["cpu".into(), "memory".into()], machines, tasks }
    })
}

/// Another placer, of which every answer is judged.
struct Judged<'a> {
    name: &'a str,
    inner: Box<dyn Placer + 'a>,
    pods: Vec<(u32, Demand, Spot)>,
}

impl Judged<'_> {
    fn judge(&self, plan: &Plan, park: &Park, class: u32, spot: Option<Spot>) {
        let (name, pod) = (self.name, &plan.classes[class as usize]);
        let Some(spot) = spot else { return };
        let node = &park.nodes()[spot.node as usize];
        assert!(node.fits(pod), "{name} placed {pod:?} on {node:?}");
        assert_eq!(spot.cards.count_ones(), u32::from(pod.cards), "{name} took other cards than {pod:?} asks for");
        for card in (0..16).filter(|card| spot.cards & (1 << card) != 0) {
            assert!(node.cards.free[card] >= pod.milli_per_card, "{name} gave a card of {node:?} twice");
        }
    }

    /// That the park is what its pods come to.
    fn recount(&self, plan: &Plan, park: &Park) {
        let mut nodes: Vec<NodeState> = plan.nodes.clone();
        self.pods.iter().for_each(|(_, pod, spot)| nodes[spot.node as usize].add(pod, spot.cards));
        for (counted, node) in nodes.iter_mut().zip(park.nodes()) {
            counted.is_open = node.is_open;
            assert_eq!(counted, node, "{}", self.name);
            assert!(node.free.iter().all(|free| *free >= 0), "{} gave more than there is of {node:?}", self.name);
            assert!(node.cards.free.iter().all(|free| (0..=CARD).contains(free)), "{}: {node:?}", self.name);
        }
    }
}

impl Placer for Judged<'_> {
    fn place(&mut self, plan: &Plan, park: &Park, class: u32) -> Option<Spot> {
        self.recount(plan, park);
        let spot = self.inner.place(plan, park, class);
        let pod = &plan.classes[class as usize];
        let has_room = park.nodes().iter().any(|node| node.fits(pod));
        assert_eq!(spot.is_some(), has_room, "{} and {pod:?} on {:?}", self.name, park.nodes());
        self.judge(plan, park, class, spot);
        spot
    }

    fn place_on(&mut self, plan: &Plan, park: &Park, class: u32, node: usize) -> Option<Spot> {
        let spot = self.inner.place_on(plan, park, class, node);
        self.judge(plan, park, class, spot);
        spot
    }

    fn batch(&self) -> usize {
        self.inner.batch()
    }

    fn arrange(&mut self, plan: &Plan, park: &Park, batch: &[u32]) -> Vec<(usize, Option<usize>)> {
        let arranged = self.inner.arrange(plan, park, batch);
        let mut pods: Vec<usize> = arranged.iter().map(|(pod, _)| *pod).collect();
        pods.sort_unstable();
        assert!(pods.iter().copied().eq(0..batch.len()), "{} loses pods of a batch: {arranged:?}", self.name);
        arranged
    }

    fn placed(&mut self, plan: &Plan, class: u32, spot: Spot, pod: u32) {
        self.pods.push((pod, plan.classes[class as usize], spot));
        self.inner.placed(plan, class, spot, pod);
    }

    fn removed(&mut self, plan: &Plan, class: u32, spot: Spot, pod: u32) {
        self.pods.retain(|(other, ..)| *other != pod);
        self.inner.removed(plan, class, spot, pod);
    }
}

/// Runs a trace in all ways, and judges each answer.
fn judge<'a>(trace: &Trace, seed: u64, name: &str, placer: impl Fn(&Plan) -> Box<dyn Placer + 'a>) {
    let drains = Some(Drains { every: Span::from_secs(40), lasts: Span::from_secs(25) });
    let filling = Conditions::filling(1.3);
    let recorded =
        Conditions { arrivals: Arrivals::AsRecorded, queue: Queue::Retry, preemption: false, failures: None, drains };
    let preempting = Conditions { preemption: true, drains: None, ..recorded };
    for conditions in [filling, recorded, preempting] {
        let plan = Plan::new(trace, conditions.arrivals, seed).expect("a plan can be made");
        let judged = Judged { name, inner: placer(&plan), pods: Vec::new() };
        Run::new(&plan, conditions, Box::new(judged), 100.0).finish();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_policy_gives_anything_twice_or_turns_away_what_fits(trace in trace(), seed in 0..9_u64) {
        for policy in ALL {
            judge(&trace, seed, policy.name(), |plan| Box::new(Scored::new(*policy, plan)));
        }
    }

    #[test]
    fn kube_scheduler_gives_nothing_twice_and_turns_nothing_away_that_fits(trace in trace(), seed in 0..9_u64) {
        judge(&trace, seed, "kube-scheduler", |plan| Box::new(KubeScheduler::upstream(plan)));
    }

    #[test]
    fn no_policy_does_better_than_the_bounds(trace in trace(), seed in 0..9_u64, times in 0.2..1.5_f64) {
        for conditions in [Conditions::filling(times), recorded()] {
            check_limits(&trace, seed, conditions);
        }
    }

    #[test]
    fn a_ranking_says_what_a_look_at_all_nodes_says(
        trace in trace(),
        seed in 0..9_u64,
        steps in prop::collection::vec((0..80_usize, 0..8_usize, any::<bool>()), 1..60),
    ) {
        let plan = Plan::new(&trace, Arrivals::Inflated(1.0), seed).expect("a plan can be made");
        for policy in ALL {
            check_ranking(*policy, &plan, &steps);
        }
    }
}

/// Pods come and go as recorded; what has no room is turned away.
fn recorded() -> Conditions {
    let arrivals = Arrivals::AsRecorded;
    Conditions { arrivals, queue: Queue::None, preemption: false, failures: None, drains: None }
}

/// Runs all policies and holds what they reach against the bounds.
#[track_caller]
fn check_limits(trace: &Trace, seed: u64, conditions: Conditions) {
    let study = Study {
        workloads: vec![Workload { name: "w".to_owned(), source: Source::Recorded(trace.clone().into()) }],
        conditions: vec![conditions],
        policies: ALL.iter().map(|policy| Contender::Policy(*policy)).collect(),
        seeds: Seeds { first: seed, last: seed },
        moment: 100.0,
    };
    let has_cards = study.workloads[0].source.has_cards();
    let first = Case { workload: 0, conditions: 0, policy: 0, seed };
    let limits = [false, true].map(|placed| Limits::of(&study, first, placed).expect("a plan can be made"));
    for (number, case) in study.cases().into_iter().enumerate() {
        let outcome = study.run(case).expect("the run can be done");
        let record = Record::new(number, case, &conditions, &outcome, false);
        let limits = &limits[usize::from(all_placed(std::iter::once(&record)))];
        let name = study.policies[case.policy].name();
        let measure = if has_cards { 0 } else { 3 };
        for (point, bound) in &limits.allocated {
            let reached = results::at_point(std::slice::from_ref(&record), *point, measure);
            assert!(reached.iter().all(|reached| *reached <= bound + 1e-9), "{name} at {point}: {reached:?} > {bound}");
        }
        for (figure, reached) in super::Figures::NAMES.iter().map(|(name, _)| *name).zip(&record.figures) {
            let Some(bound) = limits.figure(figure, &conditions, has_cards) else { continue };
            let is_beaten =
                if results::better(figure) == Some(true) { *reached > bound + 1e-9 } else { *reached < bound };
            assert!(!is_beaten, "{name}: {figure} is {reached}, the bound {bound}");
        }
    }
}

#[test]
fn bounds_know_what_cards_and_cpu_keep_from_being_allocated() {
    let machine = |cards, cpus: i64| Machine { capacity: [cpus * 1_000, 0, 0, 0, 0, 0], cards, ..Machine::default() };
    let task = |cards, milli_per_card, cpus: i64| Task {
        asks: [cpus * 1_000, 0, 0, 0, 0, 0],
        cards,
        milli_per_card,
        ..Task::default()
    };
    let at_end = |machines: Vec<Machine>, tasks: Vec<Task>| {
        let trace = Trace { resources: vec!["cpu".into()], machines, tasks };
        let mut limits = Limits::default();
        limits.fill(&Plan::new(&trace, Arrivals::Inflated(1.0), 1).expect("a plan can be made"), 1);
        limits.at_end.expect("it is there")
    };
    // Of shares of 600 no card holds two.
    assert_eq!(at_end(vec![machine(4, 64)], vec![task(1, 600, 1); 6]), 60.0);
    // Of shares of 340 it holds two.
    assert_eq!(at_end(vec![machine(1, 64)], vec![task(1, 340, 1); 2]), 68.0);
    // CPU for two of four cards.
    assert_eq!(at_end(vec![machine(4, 16)], vec![task(1, 1_000, 8); 4]), 50.0);
    // Eight cards on one node are not two times four.
    assert_eq!(at_end(vec![machine(4, 64); 2], vec![task(8, 1_000, 1)]), 0.0);
}

/// The figures of a run of one policy on one node of four CPUs.
fn run_on_one_node(tasks: &[(i64, u64, i32)], conditions: Conditions) -> super::Figures {
    let task = |(cpus, at, priority): &(i64, u64, i32)| Task {
        asks: [cpus * 1_000, 0, 0, 0, 0, 0],
        arrives: Time::ZERO + Span::from_secs(*at),
        leaves: Some(Time::ZERO + Span::from_secs(at + 100)),
        priority: *priority,
        ..Task::default()
    };
    let trace = Trace {
        resources: vec!["cpu".into()],
        machines: vec![Machine { capacity: [4_000, 0, 0, 0, 0, 0], ..Machine::default() }],
        tasks: tasks.iter().map(task).collect(),
    };
    let plan = Plan::new(&trace, conditions.arrivals, 1).expect("a plan can be made");
    let placer = Box::new(Scored::new(named("bestfit").expect("it is there"), &plan));
    Run::new(&plan, conditions, placer, 100.0).finish().figures
}

#[test]
fn a_pod_of_high_priority_takes_the_room_of_the_fewest_and_lowest() {
    // Of two of priority 1 and one of priority 0 the last has to go, which then waits.
    let tasks = [(1, 0, 1), (1, 1, 1), (2, 2, 0), (2, 10, 5)];
    let conditions = Conditions { queue: Queue::Retry, preemption: true, ..recorded() };
    let figures = run_on_one_node(&tasks, conditions);
    assert_eq!(figures.get("preempted"), Some(1.0));
    assert_eq!((figures.get("waited"), figures.get("migrations")), (Some(1.0), Some(1.0)));
    assert_eq!(figures.get("alloc_cpu_pct"), Some(100.0));
    let without = run_on_one_node(&tasks, Conditions { preemption: false, ..conditions });
    assert_eq!((without.get("preempted"), without.get("waited")), (Some(0.0), Some(1.0)));
    assert_eq!(without.get("migrations"), Some(0.0));
    // Nobody makes room for its equal.
    let equals = run_on_one_node(&[(4, 0, 5), (4, 1, 5)], Conditions { queue: Queue::None, ..conditions });
    assert_eq!((equals.get("preempted"), equals.get("rejected")), (Some(0.0), Some(1.0)));
}

/// Machines and pods without cards, few enough to be packed exactly.
fn small_trace() -> impl Strategy<Value = Trace> {
    let machine = (2..9_i64, 2..9_i64).prop_map(|(cpus, gibibytes)| Machine {
        capacity: [cpus * 1_000, gibibytes << 30, 0, 0, 0, 0],
        ..Machine::default()
    });
    let task = (1..5_i64, 1..5_i64)
        .prop_map(|(cpus, gibibytes)| Task { asks: [cpus * 1_000, gibibytes << 30, 0, 0, 0, 0], ..Task::default() });
    (prop::collection::vec(machine, 1..5), prop::collection::vec(task, 1..8)).prop_map(|(machines, tasks)| Trace {
        resources: vec!["cpu".into(), "memory".into()],
        machines,
        tasks,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_optimum_is_at_least_every_bound_and_at_most_what_every_policy_takes(trace in small_trace(), seed in 0..9_u64) {
        let plan = Plan::new(&trace, Arrivals::AsRecorded, seed).expect("a plan can be made");
        let problem = super::limits::problem(&plan, &plan.counts, Objective::Nodes);
        let best = match optimum(&problem, bounds::Limits::SMALL) {
            Optimum::Best(packing) => Some(packing.nodes()),
            Optimum::Infeasible => None,
            Optimum::GaveUp => return Err(TestCaseError::reject("too large")),
        };
        let bracket = bracket(&problem, Effort::USUAL);
        if let Some(best) = best {
            for bound in [bracket.volume, bracket.one_dimension, bracket.bound] {
                prop_assert!(bound <= best, "{bracket:?} {best}");
            }
        }
        for policy in ALL {
            let figures = Run::new(&plan, recorded(), Box::new(Scored::new(*policy, &plan)), 100.0).finish().figures;
            if figures.get("rejected") == Some(0.0) {
                let nodes = figures.get("nodes_used").expect("it is a figure");
                prop_assert!(best.is_some_and(|best| best as f64 <= nodes), "{}: {nodes}, {best:?}", policy.name());
            }
        }
    }
}

/// Puts pods on nodes and takes them off, and asks after each step: by class, node or pod, and whether one comes.
#[track_caller]
fn check_ranking(policy: &dyn Policy, plan: &Plan, steps: &[(usize, usize, bool)]) {
    let (typical, setting) = (&plan.setting.typical, &plan.setting);
    let mut park = Park::new(plan);
    let mut pods: Vec<(Demand, Spot)> = Vec::new();
    let new = |park: &Park, pod: &Demand| Ranking::new(policy, pod, park, setting);
    let mut rankings: Vec<Ranking> = plan.classes.iter().map(|pod| new(&park, pod)).collect();
    for (class, place, comes) in steps {
        let node = place % park.nodes().len();
        let pod = plan.classes[class % plan.classes.len()];
        let state = &park.nodes()[node];
        if *comes && state.fits(&pod) {
            let spot =
                Spot { node: node as u32, cards: state.cards_for(&pod, state.cards.tightest(pod.milli_per_card)) };
            park.add(&pod, spot, typical);
            pods.push((pod, spot));
        } else if !comes && !pods.is_empty() {
            let (pod, spot) = pods.swap_remove(place % pods.len());
            park.remove(&pod, spot, typical);
        } else {
            park.set_open(node as u32, !state.is_open, typical);
        }
        let (ranking, pod) = (&mut rankings[class % plan.classes.len()], &plan.classes[class % plan.classes.len()]);
        ranking.refresh(policy, pod, &park, setting);
        let fits = park.nodes().iter().enumerate().filter(|(_, node)| node.fits(pod));
        let scores: Vec<(i32, usize)> = fits.map(|(at, node)| (policy.score(pod, node, setting), at)).collect();
        let most = scores.iter().map(|(score, _)| *score).max();
        let best: Vec<usize> = scores.iter().filter(|(score, _)| Some(*score) == most).map(|(_, at)| *at).collect();
        let from = best.iter().find(|at| **at >= node).or(best.first()).copied();
        assert_eq!(ranking.first_from(node), from, "{}", policy.name());
        assert_eq!(ranking.count_of_best(), best.len(), "{}", policy.name());
        assert!((0..best.len()).all(|n| ranking.nth_of_best(n) == Some(best[n])), "{}", policy.name());
    }
}

#[test]
fn kube_scheduler_takes_a_node_that_its_numbers_like_best() {
    let machine = |cpus: i64| Machine { capacity: [cpus * 1_000, 150 << 30, 0, 0, 0, 0], ..Machine::default() };
    let task = |cpus: i64| Task { asks: [cpus * 1_000, (20 - cpus) << 30, 0, 0, 0, 0], ..Task::default() };
    let trace = Trace {
        resources: vec!["cpu".into(), "memory".into()],
        machines: [17, 29, 53, 97].map(machine).to_vec(),
        tasks: [1, 2, 3, 5, 8, 13].map(task).to_vec(),
    };
    let policy = named("kube-least-allocated").expect("it is there");
    for seed in 0..20 {
        let plan = Plan::new(&trace, Arrivals::Inflated(1.3), seed).expect("a plan can be made");
        let (mut park, mut scheduler) = (Park::new(&plan), KubeScheduler::upstream(&plan));
        for (number, arrival) in (0..).zip(&plan.arrivals) {
            let class = arrival.classes[0];
            let pod = &plan.classes[class as usize];
            let Some(spot) = scheduler.place(&plan, &park, class) else { continue };
            let score = |node: &NodeState| policy.score(pod, node, &plan.setting);
            let best = park.nodes().iter().filter(|node| node.fits(pod)).map(score).max();
            assert_eq!(Some(score(&park.nodes()[spot.node as usize])), best, "{pod:?}");
            park.add(pod, spot, &plan.setting.typical);
            scheduler.placed(&plan, class, spot, number);
        }
        assert!(park.totals().pods > 20);
    }
}
