//! A whole small rollout as a library call: three nodes, one Deployment of five pods, until nothing is going to happen
//! any more. Throughput is runs a second of this thread's CPU time, set-up included, each run under its own seed.

mod cpu_time;

use std::path::{Path, PathBuf};

use cpu_time::CpuTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wavetank::scenario::{self, Found, Scenario};

const FILE: &str = "
apiVersion: wavetank.dev/v1
kind: Scenario
metadata: {name: rollout}
nodes: [{name: node, count: 3, capacity: {cpu: 8, memory: 32Gi}}]
manifests:
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web}
    spec:
      replicas: 5
      selector: {matchLabels: {app: web}}
      template:
        metadata: {labels: {app: web}}
        spec:
          containers: [{name: web, image: nginx, resources: {requests: {cpu: 100m, memory: 64Mi}}}]
expect:
  - eventually: {resource: deployment/web, rolledOut: true}
";
/// Runs of one iteration.
const RUNS: u64 = 50;

fn load() -> Scenario {
    let read = |_: &Path| Ok(Found::File(FILE.to_owned()));
    match scenario::load(&[PathBuf::from("rollout.yaml")], &[], &read) {
        Ok(scenario) => scenario,
        Err(errors) => panic!("{errors}"),
    }
}

fn small_rollout(c: &mut Criterion<CpuTime>) {
    let scenario = load();
    let mut group = c.benchmark_group("rollout");
    group.throughput(Throughput::Elements(RUNS));
    group.sample_size(20);
    group.bench_function("3 nodes, 5 pods", |b| {
        b.iter(|| {
            for seed in 0..RUNS {
                let result = scenario::run(&scenario, seed, &mut |_| {});
                assert_eq!(result.sim.tally().pods.ready, 5, "the rollout with seed {seed} ends well");
            }
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = small_rollout
}
criterion_main!(benches);
