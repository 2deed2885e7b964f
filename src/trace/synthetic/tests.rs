//! Synthetic traces: what a seed fixes, and whether rates and means are those that were asked for. Seeds are fixed, so
//! that a mean either is within four standard errors or is not.

use proptest::prelude::*;

use super::*;
use crate::api::located::{from_located, parse};
use crate::kernel::Time;

const HOUR_S: f64 = 3600.0;

fn read(text: &str) -> Result<SyntheticFile, String> {
    let documents = parse("study.yaml", text).map_err(|errors| errors.to_string())?;
    let file: SyntheticFile = from_located("study.yaml", &documents[0]).map_err(|errors| errors.to_string())?;
    match file.issues() {
        issues if issues.is_empty() => Ok(file),
        issues => Err(documents[0].errors("study.yaml", &issues).to_string()),
    }
}

/// A trace of so many tasks, by what is said of them beside their number.
fn made(count: u32, tasks: &str, seed: u64) -> Trace {
    let file = read(&format!("tasks: {{count: {count}, {tasks}}}")).expect("the test's file can be read");
    generate(&file, None, seed)
}

const SMALL: &str = "sizes: [{cpu: 500m, memory: 1Gi}]";

#[track_caller]
fn check_near(values: &[f64], expected: f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (n - 1.0);
    let error = (variance / n).sqrt();
    assert!(
        (mean - expected).abs() <= 4.0 * error,
        "{mean} is not within four standard errors ({error}) of {expected}"
    );
}

fn seconds(trace: &Trace) -> Vec<f64> {
    trace.tasks.iter().map(|task| task.arrives.nanos() as f64 / 1e9).collect()
}

fn lifetimes(trace: &Trace) -> Vec<f64> {
    let of = |task: &Task| task.leaves.expect("it leaves").since(task.arrives).as_secs_f64();
    trace.tasks.iter().map(of).collect()
}

fn logs(values: &[f64]) -> Vec<f64> {
    values.iter().map(|value| libm::log(*value)).collect()
}

fn differences(values: &[f64]) -> Vec<f64> {
    values.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn poisson_arrivals_have_their_rate_and_exponential_gaps() {
    let gaps = differences(&seconds(&made(5000, &format!("arrivals: {{poisson: {{perHour: 600}}}}, {SMALL}"), 1)));
    check_near(&gaps, HOUR_S / 600.0);
    let above: Vec<f64> = gaps.iter().map(|gap| f64::from(u8::from(*gap > 6.0))).collect();
    check_near(&above, libm::exp(-1.0));
}

#[test]
fn uniform_arrivals_come_at_equal_distances() {
    let arrivals = seconds(&made(100, &format!("arrivals: {{uniform: {{perHour: 1200}}}}, {SMALL}"), 1));
    assert_eq!((arrivals[0], arrivals[99]), (3.0, 300.0));
}

#[test]
fn bursts_come_together_with_quiet_between() {
    let trace = made(5000, &format!("arrivals: {{bursts: {{perHour: 6, size: 20..60}}}}, {SMALL}"), 1);
    let arrivals = seconds(&trace);
    let mut starts = arrivals.clone();
    starts.dedup();
    check_near(&differences(&starts), HOUR_S / 6.0);
    let size = |start: &f64| arrivals.iter().filter(|arrival| *arrival == start).count() as f64;
    // The last one is cut short.
    let sizes: Vec<f64> = starts[..starts.len() - 1].iter().map(size).collect();
    check_near(&sizes, 40.0);
    assert!(sizes.iter().all(|size| (20.0..=60.0).contains(size)));

    let apart = made(3, &format!("arrivals: {{bursts: {{perHour: 1, size: 3, apart: 2s}}}}, {SMALL}"), 1);
    assert_eq!(differences(&seconds(&apart)).iter().map(|gap| gap.round()).collect::<Vec<_>>(), [2.0, 2.0]);
}

#[test]
fn diurnal_arrivals_swing_around_their_mean() {
    let tasks = format!("arrivals: {{diurnal: {{perHour: 100, swing: 0.8, period: 24h}}}}, {SMALL}");
    // Of eight days and a third, the eight whole ones count.
    let arrivals: Vec<f64> =
        seconds(&made(20_000, &tasks, 1)).into_iter().filter(|at| *at < 8.0 * 24.0 * HOUR_S).collect();
    let expected = 8.0 * 24.0 * 100.0;
    assert!((arrivals.len() as f64 - expected).abs() < 4.0 * libm::sqrt(expected), "{} came", arrivals.len());
    let in_first_half: Vec<f64> =
        arrivals.iter().map(|at| f64::from(u8::from(at % (24.0 * HOUR_S) < 12.0 * HOUR_S))).collect();
    check_near(&in_first_half, 0.5 + 0.8 / std::f64::consts::PI);
}

#[test]
fn life_times_have_their_distribution() {
    let of = |text: &str| lifetimes(&made(4000, &format!("lifetimes: {{{text}}}, {SMALL}"), 7));
    check_near(&of("exponential: {mean: 30m}"), 1800.0);
    let log_normal = logs(&of("logNormal: {median: 30m, sigma: 1.2}"));
    check_near(&log_normal, libm::log(1800.0));
    let squares: Vec<f64> =
        log_normal.iter().map(|log| (log - libm::log(1800.0)) * (log - libm::log(1800.0))).collect();
    check_near(&squares, 1.44);
    assert!(of("logNormal: {median: 30m, sigma: 3, max: 2h}").iter().all(|life| *life <= 7200.0));
    let pareto = of("pareto: {min: 1m, shape: 1.5, max: 1h}");
    assert!(pareto.iter().all(|life| (60.0..=3600.0).contains(life)));
    // The mean of a Pareto distribution between 1 and 60 minutes, in seconds.
    let (low, high, shape) = (60.0_f64, 3600.0_f64, 1.5);
    let whole = 1.0 - libm::pow(low / high, shape);
    let mean = libm::pow(low, shape) / whole * shape / (shape - 1.0)
        * (libm::pow(low, 1.0 - shape) - libm::pow(high, 1.0 - shape));
    check_near(&pareto, mean);
    assert!(of("fixed: 90s").iter().all(|life| *life == 90.0));
    assert!(made(10, SMALL, 7).tasks.iter().all(|task| task.leaves.is_none() && task.arrives == Time::ZERO));
}

#[test]
fn sizes_are_chosen_by_weight_and_drawn() {
    let sizes = "sizes: [{weight: 3, cpu: 1, memory: 1Gi, priority: 5}, \
        {cpu: {uniform: {min: 2, max: 4}}, memory: {logNormal: {median: 2Gi, sigma: 0.5, max: 64Gi}}, gpus: 1, \
        gpuMilli: 500, models: [T4]}]";
    let trace = made(6000, sizes, 3);
    let (small, large): (Vec<&Task>, Vec<&Task>) = trace.tasks.iter().partition(|task| task.cards == 0);
    let is_small: Vec<f64> = trace.tasks.iter().map(|task| f64::from(1 - task.cards)).collect();
    check_near(&is_small, 0.75);
    assert!(small.iter().all(|task| task.asks[0] == 1000 && task.milli_per_card == 0 && task.priority == 5));
    assert!(large.iter().all(|task| (2000..=4000).contains(&task.asks[0]) && task.milli_per_card == 500));
    assert!(large.iter().all(|task| task.models == ["T4"] && task.asks[1] <= 64 << 30));
    check_near(&large.iter().map(|task| task.asks[0] as f64).collect::<Vec<_>>(), 3000.0);
    let memory: Vec<f64> = large.iter().map(|task| task.asks[1] as f64).collect();
    check_near(&logs(&memory), libm::log((2_i64 << 30) as f64));
}

#[test]
fn groups_are_submissions_of_several_equal_tasks() {
    let tasks = "arrivals: {poisson: {perHour: 60}}, sizes: [{cpu: {uniform: {min: 1, max: 9}}, memory: 1Gi}], \
        lifetimes: {exponential: {mean: 1h}}, groups: {share: 0.25, size: 2..8}";
    let trace = made(8000, tasks, 11);
    let submissions: Vec<&[Task]> = trace.tasks.chunk_by(|a, b| a.arrives == b.arrives).collect();
    let (last, whole) = submissions.split_last().expect("tasks came");
    assert!(!last.is_empty());
    check_near(&whole.iter().map(|tasks| f64::from(u8::from(tasks.len() > 1))).collect::<Vec<_>>(), 0.25);
    let groups: Vec<&&[Task]> = whole.iter().filter(|tasks| tasks.len() > 1).collect();
    check_near(&groups.iter().map(|tasks| tasks.len() as f64).collect::<Vec<_>>(), 5.0);
    for group in groups {
        assert!(group.iter().all(|task| task.gang == group[0].gang && task.asks == group[0].asks));
        assert!(group.iter().all(|task| task.leaves == group[0].leaves && !task.gang.is_empty()));
    }
    assert!(whole.iter().filter(|tasks| tasks.len() == 1).all(|tasks| tasks[0].gang.is_empty()));
}

#[test]
fn sizes_of_a_trace_are_its_tasks_drawn_again() {
    let file = read("tasks: {count: 2000, sizes: trace}").expect("it can be read");
    assert!(file.needs_trace());
    let task = |cpu: i64, cards: u8| Task { asks: amounts(cpu, 1), cards, milli_per_card: 250, ..Task::default() };
    let observed = Trace { resources: vec!["cpu".into()], machines: vec![], tasks: vec![task(1, 0), task(9, 1)] };
    let trace = generate(&file, Some(&observed), 1);
    assert_eq!(trace.resources, observed.resources);
    assert!(trace.tasks.iter().all(|task| [(1, 0), (9, 1)].contains(&(task.asks[0], task.cards))));
    check_near(&trace.tasks.iter().map(|task| f64::from(task.cards)).collect::<Vec<_>>(), 0.5);
}

#[test]
fn machines_come_in_pools() {
    let text = "{machines: [{name: big, count: 3, cpu: 32, memory: 128Gi, gpus: 8, model: T4, zones: [a, b], \
        type: m.big, pricePerHour: 3.5}], tasks: {count: 1, sizes: [{cpu: 1, memory: 1}]}}";
    let trace = generate(&read(text).expect("it can be read"), None, 1);
    let machine = &trace.machines[2];
    assert_eq!((machine.name.as_str(), machine.zone.as_str(), machine.node_type.as_str()), ("big-2", "a", "m.big"));
    assert_eq!((machine.capacity[..2].to_vec(), machine.cards), (vec![32_000, 128 << 30], 8));
    assert_eq!((machine.model.as_str(), machine.price_per_hour), ("T4", 3.5));
}

#[track_caller]
fn check_refused(text: &str, message: &str) {
    let found = read(text).expect_err("it is wrong");
    assert!(found.contains(message), "{found}\ndoes not say\n{message}");
}

#[test]
fn nonsense_is_told_with_its_place() {
    let tasks = |more: &str| format!("tasks:\n  count: 5\n  {more}\n");
    let sized = |more: &str| tasks(&format!("sizes: [{{cpu: 1, memory: 1Gi, {more}}}]"));
    check_refused(&tasks("sizes: []"), "study.yaml:3:10: tasks.sizes: there is no shape");
    check_refused(&tasks("sizes: other"), "tasks.sizes: expected a list of shapes, or the word trace, found \"other\"");
    check_refused(&tasks("sizes: [{cpu: 0, memory: 1}]"), "tasks.sizes[0].cpu: '0' is not above zero");
    check_refused(&tasks("sizes: [{cpu: {normal: 1}, memory: 1}]"), "tasks.sizes[0].cpu");
    check_refused(
        &tasks("sizes: [{cpu: {uniform: {min: 2, max: 1}}, memory: 1}]"),
        "tasks.sizes[0].cpu.uniform.max: the largest is smaller than the smallest\n  help: min or more",
    );
    check_refused(&sized("gpuMilli: 500"), "tasks.sizes[0].gpuMilli: a part of a GPU, but no GPU");
    check_refused(&sized("gpus: 2, gpuMilli: 500"), "a part of several GPUs\n  help: gpus: 1: only one GPU is shared");
    check_refused(&sized("gpu: 1"), "unknown field \"tasks.sizes[0].gpu\"");
    check_refused(&sized("weight: 0"), "tasks.sizes[0].weight: 0 is not above zero");
    let with = |more: &str| tasks(&format!("sizes: [{{cpu: 1, memory: 1}}]\n  {more}"));
    check_refused(&with("lifetimes: {fixed: 0s}"), "tasks.lifetimes.fixed: '0s' is no time at all");
    check_refused(&with("lifetimes: {pareto: {min: 2m, shape: 1, max: 1m}}"), "tasks.lifetimes.pareto.max");
    check_refused(&with("arrivals: {poison: {perHour: 1}}"), "tasks.arrivals: unknown value \"poison\"");
    check_refused(&with("arrivals: {poisson: {perHour: -1}}"), "tasks.arrivals.poisson.perHour: -1 is not above zero");
    check_refused(&with("groups: {share: 2, size: 2}"), "tasks.groups.share: 2 is not from 0 to 1");
    check_refused(&with("groups: {share: 1, size: 8..2}"), "tasks.groups.size: '8..2' ends before it begins");
}

#[cfg(feature = "cli")]
#[test]
fn the_schema_takes_what_the_reader_takes() {
    let schema = schemars::schema_for!(SyntheticFile).to_value();
    let validator = jsonschema::validator_for(&schema).expect("it is a schema");
    let good = serde_json::json!({
        "machines": [{"name": "a", "count": 2, "cpu": 4, "memory": "8Gi"}],
        "tasks": {
            "count": 5,
            "arrivals": {"diurnal": {"perHour": 60, "swing": 0.5}},
            "sizes": [{"cpu": {"pareto": {"min": "100m", "shape": 1.5, "max": 8}}, "memory": "1Gi"}],
            "lifetimes": {"fixed": "10m"},
            "groups": {"share": 0.5, "size": "2..8"},
        },
    });
    let errors: Vec<String> = validator.iter_errors(&good).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    for (pointer, wrong) in [
        ("/tasks/count", serde_json::json!(0)),
        ("/tasks/arrivals", serde_json::json!({"poisson": {"perhour": 5}})),
        ("/tasks/sizes", serde_json::json!("tracee")),
        ("/tasks/lifetimes/fixed", serde_json::json!(10)),
        ("/tasks/groups/share", serde_json::json!(1.5)),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).expect("it is there") = wrong;
        assert!(!validator.is_valid(&bad), "{pointer}");
    }
}

fn arrivals() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "poisson: {perHour: 600}",
        "uniform: {perHour: 0.5}",
        "bursts: {perHour: 60, size: 1..5, apart: 1s}",
        "diurnal: {perHour: 10, swing: 1}",
    ])
}

fn lives() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "exponential: {mean: 1ns}",
        "logNormal: {median: 1m, sigma: 4}",
        "pareto: {min: 1s, shape: 0.3, max: 300d}",
        "fixed: 1s",
    ])
}

fn amount_texts() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "1n",
        "{uniform: {min: 1m, max: 100}}",
        "{logNormal: {median: 1, sigma: 9}}",
        "{pareto: {min: 1u, shape: 0.1, max: 1Ei}}",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_longer_trace_begins_with_the_shorter_one(
        arrivals in arrivals(), lives in lives(), cpu in amount_texts(), memory in amount_texts(),
        seed: u64, short in 1_u32..1500,
    ) {
        let tasks = format!(
            "arrivals: {{{arrivals}}}, lifetimes: {{{lives}}}, groups: {{share: 0.3, size: 2..9}}, \
             sizes: [{{cpu: {cpu}, memory: {memory}}}, {{cpu: 1, memory: 1, gpus: 2}}]"
        );
        let long = made(2000, &tasks, seed);
        let short = made(short, &tasks, seed);
        prop_assert_eq!(&long, &made(2000, &tasks, seed));
        prop_assert_eq!(&long.tasks[..short.tasks.len()], &short.tasks[..]);
        for pair in long.tasks.windows(2) {
            prop_assert!(pair[0].arrives <= pair[1].arrives);
        }
        for task in &long.tasks {
            prop_assert!(task.asks[0] > 0 && task.asks[1] > 0);
            prop_assert!(task.leaves.is_some_and(|leaves| leaves > task.arrives));
        }
    }
}
