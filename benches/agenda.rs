//! The hold model: the agenda at a constant number of pending events, each pop followed by a post
//! an exponentially distributed time (mean one second) later. Gaps are drawn beforehand.
//!
//! Throughput is events (one pop and one post each) a second of this thread's CPU time.

mod cpu_time;

use cpu_time::CpuTime;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use wavetank::kernel::{Agenda, Chance, Purpose, Span, Time};

const GAP: Purpose = Purpose::new("hold-model-gap");
/// A prime above a run's events: gaps are read in sequence, and their period meets no other.
const GAPS: usize = 1_000_003;
/// Events, or draws, of one iteration.
const EVENTS: u64 = 1_000_000;

/// An agenda with so many events pending that has turned over a few times.
fn warm(pending: u64, gaps: &[Span]) -> Agenda<u64> {
    let mut agenda = Agenda::new();
    for n in 0..pending {
        agenda.post(Time::ZERO + gaps[n as usize % GAPS], n);
    }
    hold(&mut agenda, 4 * pending, gaps);
    agenda
}

/// Pops and posts so many events.
fn hold(agenda: &mut Agenda<u64>, events: u64, gaps: &[Span]) {
    let mut gaps = gaps.iter().cycle();
    for _ in 0..events {
        let (now, event) = agenda.pop().expect("the hold model never runs empty");
        let gap = *gaps.next().expect("there are gaps");
        agenda.post(now + gap, black_box(event));
    }
}

fn hold_model(c: &mut Criterion<CpuTime>) {
    let chance = Chance { seed: 1 };
    let gaps: Vec<Span> = (0..GAPS as u64).map(|n| chance.draw(GAP, 0, n).exponential(Span::from_secs(1))).collect();
    let mut group = c.benchmark_group("agenda/hold");
    group.throughput(Throughput::Elements(EVENTS));
    group.sample_size(20);
    for pending in [1_000, 100_000, 1_000_000] {
        let mut agenda = warm(pending, &gaps);
        group.bench_function(BenchmarkId::from_parameter(pending), |b| {
            b.iter(|| hold(&mut agenda, EVENTS, &gaps));
        });
    }
    group.finish();
}

fn draws(c: &mut Criterion<CpuTime>) {
    let chance = Chance { seed: 1 };
    let mut group = c.benchmark_group("chance");
    group.throughput(Throughput::Elements(EVENTS));
    group.sample_size(20);
    group.bench_function("draw", |b| {
        b.iter(|| {
            let draws = (0..EVENTS).map(|n| chance.draw(GAP, black_box(7), n));
            draws.fold(0, |sum, draw| sum ^ draw.bits())
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = hold_model, draws
}
criterion_main!(benches);
