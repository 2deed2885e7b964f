//! `scenarios/scale-5k.yaml` whole, once, then a day at rest: CPU time of this thread, events and peak memory.
//!
//! Not a criterion bench: one run takes most of a minute. Linux only, since it reads `/proc/self`.

use std::io::Write;
use std::path::{Path, PathBuf};

use wavetank::kernel::Span;
use wavetank::scenario::{Found, load, run};

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells a thread's CPU time");
    let nanos: u64 = text.split(' ').next().and_then(|field| field.parse().ok()).expect("nanoseconds come first");
    nanos as f64 / 1e9
}

fn peak_mib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux tells a process' status");
    let line = text.lines().find(|line| line.starts_with("VmHWM:")).expect("the peak is among it");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|field| field.parse().ok()).expect("a number of kB");
    kib / 1024
}

fn main() {
    let read = |path: &Path| std::fs::read_to_string(path).map(Found::File).map_err(|error| error.to_string());
    let file = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/scale-5k.yaml"));
    let scenario = load(&[file], &[], &read).unwrap_or_else(|errors| panic!("{errors}"));
    let mut out = std::io::stdout();
    let mut say = |text: String| writeln!(out, "{text}").expect("stdout takes text");

    let begin = cpu_seconds();
    let mut result = run(&scenario, scenario.seed, &mut |_| {});
    let (took, events) = (cpu_seconds() - begin, result.sim.events_handled());
    say(format!(
        "scale-5k: {took:.1} CPU s, {events} events, {:.2} µs each, peak {} MiB",
        took * 1e6 / events as f64,
        peak_mib()
    ));

    let begin = cpu_seconds();
    result.sim.run_for(Span::from_hours(24));
    let rest = result.sim.events_handled() - events;
    say(format!("24 h at rest: {:.2} CPU s, {rest} events", cpu_seconds() - begin));

    let begin = cpu_seconds();
    let fork = result.sim.fork().expect("no guest lives here");
    say(format!("fork: {:.1} ms", (cpu_seconds() - begin) * 1e3));
    assert_eq!(fork.digest(), result.sim.digest());
}
