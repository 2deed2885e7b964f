//! What a decision about one pod costs, for the workloads of `wavetank bench scheduler`; the figure is pods a second.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use wavetank::bench::scheduling::{ALL, Stream};

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scheduling");
    group.sample_size(10);
    for workload in ALL {
        group.throughput(Throughput::Elements(u64::from(workload.pods)));
        group.bench_function(workload.name, |bencher| {
            bencher.iter_batched_ref(
                || Stream::new(workload),
                |stream| (0..workload.pods).for_each(|_| stream.step()),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
