//! Random small clusters, workloads and timelines, as scenario files that anyone can run again.

use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};
use wavetank::kernel::{Span, Time};
use wavetank::scenario::{Found, load};
use wavetank::sim::Sim;

/// When the random deeds begin.
pub(crate) const FIRST_DEED: u64 = 120;
/// How often everything is put right where there are faults, and how many seconds lie between.
const ROUNDS: usize = 8;
const ROUND: u64 = 1_800;
/// How long after the last deed everything is put right, in seconds.
const REST: u64 = 300;

/// The seed of what is drawn, where `PROPTEST_RNG_SEED` names none: a change is judged by the same cases as the one before
/// it. To hunt for others, name another seed and more cases.
const CASES_SEED: u64 = 1;

/// So many cases, or as many as `PROPTEST_CASES` says; always the same ones, unless `PROPTEST_RNG_SEED` says otherwise.
pub(crate) fn cases(count: u32) -> ProptestConfig {
    let asked = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    ProptestConfig {
        cases: asked("PROPTEST_CASES").map_or(count, |cases| cases as u32),
        rng_seed: RngSeed::Fixed(asked("PROPTEST_RNG_SEED").unwrap_or(CASES_SEED)),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A scenario that was drawn.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The seed of the simulation.
    pub(crate) seed: u64,
    /// How many nodes there are.
    pub(crate) nodes: usize,
    /// CPUs of each.
    cpus: u32,
    /// The Deployments `w0`, `w1`, …
    pub(crate) workloads: Vec<Workload>,
    /// What happens to them, each this many milliseconds after the deed before.
    deeds: Vec<(u64, Deed)>,
    /// Whether at the end all is put right: nodes uncordoned, rollouts resumed, manifests applied again, one replica each.
    heals: bool,
    /// What breaks, as a scenario writes it.
    faults: Vec<Value>,
    /// How many API servers, controller-managers and schedulers there are.
    replicas: (u8, u8, u8),
}

/// A Deployment.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    /// `spec.replicas`.
    pub(crate) replicas: u32,
    /// `maxSurge` and `maxUnavailable`, never both 0; none: `Recreate`.
    pub(crate) rolling: Option<(u32, u32)>,
    /// CPU requests in hundredths of a node.
    size: u32,
    ready_after_s: u64,
    min_ready_s: u64,
}

/// Something that a user does to a workload or a node, by number.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Scale(usize, u32),
    /// Images v1 to v3 are there, v4 is not.
    Image(usize, u32),
    Restart(usize),
    Undo(usize),
    Pause(usize),
    Resume(usize),
    Delete(usize, &'static str),
    Apply(usize),
    Cordon(usize),
    Uncordon(usize),
    Drain(usize),
}

fn workload() -> impl Strategy<Value = Workload> {
    let rolling = prop_oneof![
        1 => Just(None),
        4 => (0u32..3, 0u32..3).prop_map(|(surge, gone)| Some((surge + u32::from(surge + gone == 0), gone))),
    ];
    (0u32..7, rolling, 5u32..16, 0u64..6, 0u64..4).prop_map(|(replicas, rolling, size, ready_after_s, min_ready_s)| {
        Workload { replicas, rolling, size, ready_after_s, min_ready_s }
    })
}

/// What concerns rollouts alone: nothing that takes pods or wishes away.
fn rollout_deed() -> impl Strategy<Value = Deed> {
    let at = 0usize..3;
    prop_oneof![
        4 => (at.clone(), 1u32..5).prop_map(|(at, version)| Deed::Image(at, version)),
        1 => at.clone().prop_map(Deed::Restart),
        2 => at.clone().prop_map(Deed::Undo),
        1 => at.clone().prop_map(Deed::Pause),
        2 => at.prop_map(Deed::Resume),
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    let (at, node) = (0usize..3, 0usize..3);
    let cascade = prop_oneof![Just("background"), Just("foreground"), Just("orphan")];
    prop_oneof![
        4 => rollout_deed(),
        4 => (at.clone(), 0u32..8).prop_map(|(at, replicas)| Deed::Scale(at, replicas)),
        2 => (at.clone(), cascade).prop_map(|(at, cascade)| Deed::Delete(at, cascade)),
        3 => at.prop_map(Deed::Apply),
        1 => node.clone().prop_map(Deed::Cordon),
        3 => node.clone().prop_map(Deed::Uncordon),
        2 => node.prop_map(Deed::Drain),
    ]
}

/// Clusters that may be too small, and everything that a user can do; all is put right at the end.
pub(crate) fn anything() -> impl Strategy<Value = Case> {
    let deeds = vec((0u64..40_000, deed()), 0..10);
    (0u64..1_000_000, 1usize..4, 2u32..5, vec(workload(), 1..4), deeds).prop_map(
        |(seed, nodes, cpus, workloads, deeds)| Case {
            seed,
            nodes,
            cpus,
            workloads,
            deeds,
            heals: true,
            faults: Vec::new(),
            replicas: (1, 1, 1),
        },
    )
}

/// Clusters with room enough, and rollouts of every kind.
pub(crate) fn rollouts() -> impl Strategy<Value = Case> {
    let deeds = vec((0u64..40_000, rollout_deed()), 1..10);
    (0u64..1_000_000, vec(workload(), 1..3), deeds).prop_map(|(seed, mut workloads, deeds)| {
        for workload in &mut workloads {
            workload.size = 5;
            // With it a rollout may take an available pod: unhealthy replicas are those that are not available, while
            // the ranking of pods to delete knows only whether they are ready.
            workload.min_ready_s = 0;
        }
        Case { seed, nodes: 3, cpus: 8, workloads, deeds, heals: false, faults: Vec::new(), replicas: (1, 1, 1) }
    })
}

impl Case {
    /// A Deployment that is restarted, updated twice and, in the middle of it, put back.
    pub(crate) fn undone_in_the_middle() -> Case {
        let plain = Workload { replicas: 3, rolling: Some((0, 2)), size: 5, ready_after_s: 1, min_ready_s: 0 };
        let other = Workload { replicas: 4, rolling: None, size: 5, ready_after_s: 0, min_ready_s: 0 };
        let deeds = vec![
            (24_999, Deed::Restart(2)),
            (4_128, Deed::Image(2, 2)),
            (9_041, Deed::Image(2, 1)),
            (3_981, Deed::Undo(0)),
        ];
        Case {
            seed: 459_021,
            nodes: 3,
            cpus: 8,
            workloads: vec![plain, other],
            deeds,
            heals: false,
            faults: Vec::new(),
            replicas: (1, 1, 1),
        }
    }

    /// A Deployment that is put back, and updated before that has come to an end.
    pub(crate) fn turned_round_twice() -> Case {
        let six = Workload { replicas: 6, rolling: Some((2, 0)), size: 5, ready_after_s: 5, min_ready_s: 0 };
        let (undo, image) = (Deed::Undo(0), |version| Deed::Image(0, version));
        let deeds =
            vec![(26_521, undo.clone()), (32_117, image(3)), (12_856, image(3)), (32_901, undo), (13_691, image(2))];
        Case {
            seed: 695_288,
            nodes: 3,
            cpus: 8,
            workloads: vec![six],
            deeds,
            heals: false,
            faults: Vec::new(),
            replicas: (1, 1, 1),
        }
    }

    /// A node is drained just when its watch counts as lost: its kubelet hears of the deletions from the answer to a status
    /// before it lists again, and the list shows nothing newer.
    pub(crate) fn drained_while_deaf() -> Case {
        let plain = Workload { replicas: 0, rolling: None, size: 5, ready_after_s: 0, min_ready_s: 0 };
        let other = Workload { replicas: 3, size: 9, ..plain.clone() };
        let deeds = vec![
            (13_659, Deed::Image(0, 1)),
            (29_728, Deed::Scale(2, 5)),
            (10_359, Deed::Restart(0)),
            (30_091, Deed::Scale(0, 3)),
            (10_048, Deed::Drain(0)),
        ];
        let deaf = json!({
            "when": {"resource": "deployment/w2", "field": "status.readyReplicas", "atLeast": 4}, "after": "396ms", "times": 1,
            "lasts": "0s..66s", "nodePartition": {"direction": "toApiServer", "nodes": {"count": 1}},
        });
        let case = Case {
            seed: 323_291,
            nodes: 3,
            cpus: 2,
            workloads: vec![plain.clone(), plain, other],
            deeds,
            heals: true,
            faults: Vec::new(),
            replicas: (1, 1, 1),
        };
        case.under(&[deaf], (1, 2, 2))
    }

    /// The same on three nodes under faults, after which all is put right, several times over, since a fault that waits
    /// for a state may strike while that is done.
    pub(crate) fn under(mut self, faults: &[Value], replicas: (u8, u8, u8)) -> Case {
        (self.nodes, self.faults, self.replicas) = (3, faults.to_vec(), replicas);
        self
    }

    /// The scenario file.
    pub(crate) fn file(&self) -> String {
        let behaviours = self.workloads.iter().enumerate().map(|(at, workload)| {
            json!({"match": {"selector": format!("app=w{at}")}, "readyAfter": format!("{}s..{}s", workload.ready_after_s,
                workload.ready_after_s + 2), "stop": "100ms..3s", "image": {"size": "40Mi"}})
        });
        let missing = json!({"match": {"image": "registry.example.com/app:v4"}, "image": {"missing": true}});
        let behaviours: Vec<Value> = [missing].into_iter().chain(behaviours).collect();
        let manifests: Vec<Value> = (0..self.workloads.len()).map(|at| self.manifest(at)).collect();
        let file = json!({
            "apiVersion": "wavetank.dev/v1", "kind": "Scenario", "metadata": {"name": "case"},
            "nodes": [{"name": "node", "count": self.nodes, "capacity": {"cpu": self.cpus, "memory": "8Gi", "pods": 14}}],
            "behaviours": behaviours, "manifests": manifests, "timeline": self.timeline(), "faults": self.faults,
            "components": {"apiServer": {"replicas": self.replicas.0},
                "replicas": {"kubeControllerManager": self.replicas.1, "kubeScheduler": self.replicas.2}},
        });
        serde_json::to_string_pretty(&file).expect("a scenario can be written")
    }

    /// What to do to see a failure again.
    pub(crate) fn told(&self) -> String {
        format!(
            "\nput this into case.yaml and repeat with: wavetank run case.yaml --seed {}\n{}",
            self.seed,
            self.file()
        )
    }

    /// The simulation at time zero, and when its last action begins.
    pub(crate) fn build(&self) -> (Sim, Time) {
        let read = |_: &Path| Ok(Found::File(self.file()));
        let mut scenario =
            load(&[PathBuf::from("case.yaml")], &[], &read).unwrap_or_else(|errors| panic!("{errors}{}", self.told()));
        scenario.setup.keep_journal = true;
        let last = scenario.setup.timeline.last().map_or(Time::ZERO, |timed| timed.at);
        (scenario.setup.build(self.seed), last)
    }

    fn manifest(&self, at: usize) -> Value {
        let workload = &self.workloads[at];
        let strategy = match workload.rolling {
            None => json!({"type": "Recreate"}),
            Some((surge, unavailable)) => {
                json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}})
            }
        };
        let cpu = format!("{}m", workload.size * self.cpus * 10);
        let labels = json!({"app": format!("w{at}")});
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": format!("w{at}")},
            "spec": {
                "replicas": workload.replicas, "selector": {"matchLabels": labels}, "strategy": strategy,
                "minReadySeconds": workload.min_ready_s, "progressDeadlineSeconds": 60,
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [{
                    "name": "app", "image": "registry.example.com/app:v1",
                    "resources": {"requests": {"cpu": cpu, "memory": "64Mi"}},
                    "readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 1},
                }]}},
            },
        })
    }

    fn timeline(&self) -> Vec<Value> {
        let mut timeline = Vec::new();
        let mut at_ms = FIRST_DEED * 1_000;
        for (after_ms, deed) in &self.deeds {
            at_ms += after_ms;
            timeline.push(self.entry(at_ms, deed));
        }
        if self.heals {
            let workloads = 0..self.workloads.len();
            let right = (0..self.nodes).map(Deed::Uncordon).chain(workloads.clone().map(Deed::Apply));
            let small = workloads.clone().map(Deed::Resume).chain(workloads.map(|at| Deed::Scale(at, 1)));
            let (right, small): (Vec<Deed>, Vec<Deed>) = (right.collect(), small.collect());
            at_ms += REST * 1_000;
            for _ in 0..if self.faults.is_empty() { 1 } else { ROUNDS } {
                timeline.extend(right.iter().map(|deed| self.entry(at_ms, deed)));
                at_ms += 10_000;
                for deed in &small {
                    at_ms += 1_000;
                    timeline.push(self.entry(at_ms, deed));
                }
                at_ms += ROUND * 1_000;
            }
        }
        timeline
    }

    fn entry(&self, at_ms: u64, deed: &Deed) -> Value {
        let workload = |at: usize| format!("deployment/w{}", at % self.workloads.len());
        let node = |at: usize| format!("node-{}", at % self.nodes);
        let mut entry = match *deed {
            Deed::Scale(at, replicas) => json!({"scale": {"resource": workload(at), "replicas": replicas}}),
            Deed::Image(at, version) => {
                let image = format!("registry.example.com/app:v{version}");
                json!({"setImage": {"resource": workload(at), "images": {"app": image}}})
            }
            Deed::Restart(at) => json!({"rollout": {"restart": workload(at)}}),
            Deed::Undo(at) => json!({"rollout": {"undo": workload(at)}}),
            Deed::Pause(at) => json!({"rollout": {"pause": workload(at)}}),
            Deed::Resume(at) => json!({"rollout": {"resume": workload(at)}}),
            Deed::Delete(at, cascade) => json!({"delete": {"resource": workload(at), "cascade": cascade}}),
            Deed::Apply(at) => json!({"apply": self.manifest(at % self.workloads.len())}),
            Deed::Cordon(at) => json!({"cordon": node(at)}),
            Deed::Uncordon(at) => json!({"uncordon": node(at)}),
            Deed::Drain(at) => json!({"drain": node(at)}),
        };
        entry["at"] = format!("{at_ms}ms").into();
        entry
    }
}

/// Runs on and looks at each instant at which something has changed.
pub(crate) fn run_looking(
    sim: &mut Sim,
    until: Time,
    look: &mut dyn FnMut(&Sim) -> Result<(), String>,
) -> Result<(), String> {
    let mut seen = sim.store().revision();
    while let Some(next) = sim.next_time().filter(|next| *next <= until) {
        sim.run_until(next);
        if sim.store().revision() != seen {
            seen = sim.store().revision();
            look(sim).map_err(|why| format!("at {}: {why}", sim.now()))?;
        }
    }
    sim.run_until(until);
    no_invariant_is_violated(sim)
}

/// The built-in invariants have held so far.
pub(crate) fn no_invariant_is_violated(sim: &Sim) -> Result<(), String> {
    match sim.violations().first() {
        None => Ok(()),
        Some(found) => Err(format!("at {}: {}, {}: {}", found.at, found.invariant, found.object, found.message)),
    }
}

/// Runs on until it is quiet.
pub(crate) fn run_until_quiet(sim: &mut Sim) -> Result<(), String> {
    let until = sim.now() + Span::from_hours(2);
    if !sim.run_until_quiet(until) {
        return Err("still busy two hours after the last action".to_owned());
    }
    no_invariant_is_violated(sim)
}
