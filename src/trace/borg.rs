//! Google's Borg traces of 2019 ('cluster-usage traces v3'): machines, and the tasks of jobs with their fates.
//!
//! Follows `clusterdata_trace_format_v3.proto`: the tables `machine_events` and `instance_events`, as lines of JSON or as
//! CSV whose nested columns are written `capacity.cpus` or `capacity_cpus`; in any order of lines. Times are in
//! microseconds; 0 is before the trace, 2^63−1 after it. CPU and memory are shares of the largest machine, of which
//! [`UNIT`](super::UNIT) makes one whole. Priorities are Borg's (tiers: Tirmazi et al., 'Borg: the Next Generation',
//! EuroSys 2020): up to 99 free, 110–115 best-effort batch, 116–119 mid, 120–359 production, 360 and more monitoring.
//!
//! An instance of a job becomes one task. It comes when it was first submitted, asks for what it asked for first, and
//! runs as long as its last run was: from when it was last scheduled, or where it never was, from when it came.
//! Evictions and failures after which it was submitted again are not its end. A machine has what it had when it was
//! first seen, and is there from the start to the end.
//! Left out: alloc sets (tasks that run in one count like all others, on their own); `collection_events`, which say
//! nothing here that `instance_events` do not; removals and updates of machines, machines without a capacity, tasks
//! without a request; constraints, usage, scheduling classes.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use super::rows::{Column, Presence, Row, read_either};
use super::{Amounts, FormatEntry, Machine, RESOURCES, Reading, Task, Trace, units};
use crate::api::Name;
use crate::api::located::{InputError, InputErrors, suggestion};
use crate::kernel::Time;

/// How it is listed.
pub const ENTRY: FormatEntry = FormatEntry {
    name: "borg",
    doc: "Google's Borg traces of 2019: machines, and the tasks of jobs with their fates",
    files: &["machine_events (CSV or lines of JSON)", "instance_events (CSV or lines of JSON)"],
    source: "Google cluster-usage traces v3, clusterdata_trace_format_v3.proto",
    leaves_out: "alloc sets, collection_events, removals and updates of machines, constraints, usage",
};

const MACHINE_COLUMNS: &[Column] = &[
    ("time", Presence::Required),
    ("machine_id", Presence::Required),
    ("type", Presence::Required),
    ("switch_id", Presence::Optional),
    ("capacity_cpus", Presence::Required),
    ("capacity_memory", Presence::Required),
    ("platform_id", Presence::Optional),
    ("missing_data_reason", Presence::Optional),
];

const INSTANCE_COLUMNS: &[Column] = &[
    ("time", Presence::Required),
    ("type", Presence::Required),
    ("collection_id", Presence::Required),
    ("scheduling_class", Presence::Optional),
    ("missing_type", Presence::Optional),
    ("collection_type", Presence::Required),
    ("priority", Presence::Required),
    ("alloc_collection_id", Presence::Optional),
    ("instance_index", Presence::Required),
    ("machine_id", Presence::Optional),
    ("alloc_instance_index", Presence::Optional),
    ("resource_request_cpus", Presence::Required),
    ("resource_request_memory", Presence::Required),
    ("constraint", Presence::Optional),
];

/// In the order of their numbers.
const MACHINE_EVENTS: &[&str] = &["EVENT_TYPE_UNKNOWN", "ADD", "REMOVE", "UPDATE"];
/// In the order of their numbers.
const INSTANCE_EVENTS: &[&str] = &[
    "SUBMIT",
    "QUEUE",
    "ENABLE",
    "SCHEDULE",
    "EVICT",
    "FAIL",
    "FINISH",
    "KILL",
    "LOST",
    "UPDATE_PENDING",
    "UPDATE_RUNNING",
];
const SCHEDULE: usize = 3;
const EVICT: usize = 4;
const LOST: usize = 8;
/// In the order of their numbers.
const COLLECTION_TYPES: &[&str] = &["JOB", "ALLOC_SET"];
const ALLOC_SET: usize = 1;

/// The largest request, in largest machines: what a slip of the unit would exceed.
const REQUEST_MAX: f64 = 1000.0;

/// Reads a cell's machines and tasks.
///
/// # Errors
/// The first lines of a file that mean nothing, each with what would be right.
pub fn borg(
    (machine_events, machine_file): (impl Read, &Path),
    (instance_events, instance_file): (impl Read, &Path),
) -> Result<Reading, InputErrors> {
    let events = read_either(machine_events, machine_file, MACHINE_COLUMNS, machine_event)?;
    let (machines, no_capacity) = machines(events);
    let events = read_either(instance_events, instance_file, INSTANCE_COLUMNS, instance_event)?;
    let (of_alloc_sets, of_jobs): (Vec<InstanceEvent>, Vec<InstanceEvent>) =
        events.into_iter().partition(|event| event.is_of_alloc_set);
    let (tasks, no_request) = tasks(of_jobs);
    let told = [
        (of_alloc_sets.len(), "events of alloc sets"),
        (no_capacity, "machines without a capacity"),
        (no_request, "tasks without a request"),
    ];
    let notes = told.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("left out: {what} ({count})"));
    let resources = vec!["cpu".into(), "memory".into()];
    Ok(Reading { trace: Trace { resources, machines, tasks }, notes: notes.collect() })
}

struct MachineEvent {
    time: Instant,
    machine: i64,
    capacity: Option<Amounts>,
    platform: Name,
}

struct InstanceEvent {
    time: Instant,
    kind: usize,
    is_of_alloc_set: bool,
    instance: (i64, i64),
    priority: i32,
    request: Option<Amounts>,
}

/// When something was; those after the trace are the last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Instant {
    At(Time),
    After,
}

fn machine_event(row: &Row<'_>) -> Result<MachineEvent, InputError> {
    word(row, "type", MACHINE_EVENTS)?;
    Ok(MachineEvent {
        time: instant(row)?,
        machine: row.whole("machine_id", i64::MIN..=i64::MAX)?,
        capacity: amounts(row, ["capacity_cpus", "capacity_memory"], 1.0)?,
        platform: row.text("platform_id").into(),
    })
}

fn instance_event(row: &Row<'_>) -> Result<InstanceEvent, InputError> {
    Ok(InstanceEvent {
        time: instant(row)?,
        kind: word(row, "type", INSTANCE_EVENTS)?,
        is_of_alloc_set: word(row, "collection_type", COLLECTION_TYPES)? == ALLOC_SET,
        instance: (row.whole("collection_id", 0..=i64::MAX)?, row.whole("instance_index", 0..=i64::MAX)?),
        priority: row.whole("priority", 0..=1_000_000)? as i32,
        request: amounts(row, ["resource_request_cpus", "resource_request_memory"], REQUEST_MAX)?,
    })
}

/// A word of a list, by itself or by its number.
fn word(row: &Row<'_>, name: &str, words: &[&str]) -> Result<usize, InputError> {
    let text = row.text(name);
    let by_number = text.parse::<usize>().ok().filter(|number| *number < words.len());
    by_number.or_else(|| words.iter().position(|word| *word == text)).ok_or_else(|| {
        let help = suggestion(text, words).unwrap_or_else(|| "a number or name of the published schema".to_owned());
        row.error(name, format!("unknown value {text:?}"), help)
    })
}

fn instant(row: &Row<'_>) -> Result<Instant, InputError> {
    match row.whole("time", 0..=i64::MAX)? {
        i64::MAX => Ok(Instant::After),
        micros => match (micros as u64).checked_mul(1000) {
            Some(nanos) => Ok(Instant::At(Time(nanos))),
            None => Err(row.error("time", "longer than 584 years", "microseconds since the start of the trace")),
        },
    }
}

/// CPU and memory; nothing where one of them is not told.
fn amounts(row: &Row<'_>, names: [&str; 2], most: f64) -> Result<Option<Amounts>, InputError> {
    let [cpu, memory] = [row.number(names[0], 0.0..=most)?, row.number(names[1], 0.0..=most)?];
    let (Some(cpu), Some(memory)) = (cpu, memory) else { return Ok(None) };
    let mut amounts = [0; RESOURCES];
    amounts[0] = units(cpu);
    amounts[1] = units(memory);
    Ok(Some(amounts))
}

/// Those with a capacity, by number, and how many have none.
fn machines(mut events: Vec<MachineEvent>) -> (Vec<Machine>, usize) {
    events.sort_by_key(|event| event.time);
    let mut first: BTreeMap<i64, (Option<Amounts>, Name)> = BTreeMap::new();
    for event in events {
        let (capacity, _) = first.entry(event.machine).or_insert((None, event.platform));
        *capacity = capacity.or(event.capacity);
    }
    let all = first.len();
    let known = first.into_iter().filter_map(|(machine, (capacity, platform))| {
        let name = Name::from(machine.to_string());
        Some(Machine { name, capacity: capacity?, node_type: platform, ..Machine::default() })
    });
    let machines: Vec<Machine> = known.collect();
    let without = all - machines.len();
    (machines, without)
}

/// Those with a request, in the order in which they come, and how many have none.
fn tasks(events: Vec<InstanceEvent>) -> (Vec<Task>, usize) {
    let mut by_instance: BTreeMap<(i64, i64), Vec<InstanceEvent>> = BTreeMap::new();
    for event in events {
        by_instance.entry(event.instance).or_default().push(event);
    }
    let all = by_instance.len();
    let mut tasks: Vec<Task> =
        by_instance.into_iter().filter_map(|(instance, events)| task(instance, events)).collect();
    let without = all - tasks.len();
    tasks.sort_by_key(|task| task.arrives);
    (tasks, without)
}

/// The life of an instance as one task. Events of one time keep the order of the file.
fn task((collection, index): (i64, i64), mut events: Vec<InstanceEvent>) -> Option<Task> {
    events.sort_by_key(|event| event.time);
    let asks = events.iter().find_map(|event| event.request)?;
    let (first, last) = (events.first()?, events.last()?);
    let Instant::At(arrives) = first.time else { return None };
    let mut runs = events.iter().filter(|event| event.kind == SCHEDULE).filter_map(|event| match event.time {
        Instant::At(time) => Some(time),
        Instant::After => None,
    });
    let started = runs.next_back().unwrap_or(arrives);
    let leaves = match last.time {
        Instant::At(ended) if (EVICT..=LOST).contains(&last.kind) => Some(arrives.saturating_add(ended.since(started))),
        Instant::At(_) | Instant::After => None,
    };
    let name = Name::from(format!("{collection}-{index}"));
    Some(Task { name, asks, arrives, leaves, priority: first.priority, ..Task::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::UNIT;

    const MACHINES: &str = "time,machine_id,type,capacity.cpus,capacity.memory\n\
        0,7,ADD,0.5,0.25\n900000000,7,3,1,1\n0,8,1,,\n0,3,1,1,0.5\n";
    const HEADER: &str = "time,type,collection_id,collection_type,priority,instance_index,\
        resource_request_cpus,resource_request_memory\n";

    fn of(machines: &str, instances: &str) -> Result<Reading, String> {
        let instances = format!("{HEADER}{instances}");
        borg((machines.as_bytes(), Path::new("m.csv")), (instances.as_bytes(), Path::new("i.csv")))
            .map_err(|errors| errors.to_string())
    }

    /// When the task comes and leaves, in seconds.
    #[track_caller]
    fn check(instances: &str, expected: &[(u64, Option<u64>)]) {
        let tasks = of(MACHINES, instances).expect("it can be read").trace.tasks;
        let times: Vec<(u64, Option<u64>)> =
            tasks.iter().map(|task| (task.arrives.seconds(), task.leaves.map(Time::seconds))).collect();
        assert_eq!(times, expected, "{instances}");
    }

    #[test]
    fn machines_have_what_they_had_first() {
        let Reading { trace, notes } = of(MACHINES, "").expect("it can be read");
        let found: Vec<(&str, i64, i64)> =
            trace.machines.iter().map(|m| (m.name.as_str(), m.capacity[0], m.capacity[1])).collect();
        assert_eq!(found, [("3", 1_000_000, 500_000), ("7", 500_000, 250_000)]);
        assert_eq!(notes, ["left out: machines without a capacity (1)"]);
    }

    #[test]
    fn a_task_runs_as_long_as_its_last_run() {
        let ask = "0.1,0.2";
        let finished =
            format!("600000000,SUBMIT,1,JOB,200,0,{ask}\n700000000,3,1,0,200,0,{ask}\n900000000,6,1,0,200,0,\n");
        check(&finished.replace("0,\n", "0,,\n"), &[(600, Some(800))]);
        let evicted = format!(
            "600000000,0,1,0,200,0,{ask}\n610000000,3,1,0,200,0,{ask}\n700000000,4,1,0,200,0,{ask}\n\
             700000000,0,1,0,200,0,{ask}\n800000000,3,1,0,200,0,{ask}\n850000000,FINISH,1,0,200,0,{ask}\n"
        );
        check(&evicted, &[(600, Some(650))]);
        let mut lines: Vec<&str> = evicted.lines().collect();
        lines.swap(0, 5);
        check(&lines.join("\n"), &[(600, Some(650))]);
        let never_ran = format!("600000000,0,1,0,200,0,{ask}\n650000000,KILL,1,0,200,0,{ask}\n");
        check(&never_ran, &[(600, Some(650))]);
        let goes_on = format!("0,0,1,0,200,0,{ask}\n0,3,1,0,200,0,{ask}\n9223372036854775807,6,1,0,200,0,{ask}\n");
        check(&goes_on, &[(0, None)]);
        check(&format!("650000000,0,1,0,200,0,{ask}\n600000000,0,2,0,200,0,{ask}\n"), &[(600, None), (650, None)]);
    }

    #[test]
    fn alloc_sets_and_tasks_without_a_request_are_left_out() {
        let found = of(MACHINES, "0,0,1,ALLOC_SET,200,0,0.1,0.1\n0,0,2,0,200,0,,\n0,0,3,0,99,4,0.0000001,0.5\n");
        let Reading { trace, notes } = found.expect("it can be read");
        assert_eq!(trace.tasks.len(), 1);
        assert_eq!((trace.tasks[0].name.as_str(), trace.tasks[0].priority), ("3-4", 99));
        assert_eq!(trace.tasks[0].asks, [1, UNIT / 2, 0, 0, 0, 0]);
        assert_eq!(notes[0], "left out: events of alloc sets (1)");
        assert_eq!(notes[2], "left out: tasks without a request (1)");
    }

    #[track_caller]
    fn check_refused(machines: &str, instances: &str, message: &str) {
        assert_eq!(of(machines, instances), Err(message.to_owned()));
    }

    #[test]
    fn nonsense_is_told_with_what_would_be_right() {
        check_refused(
            &MACHINES.replace("0.5,0.25", "5,0.25"),
            "",
            "m.csv:2:9: capacity_cpus: \"5\" is not possible here\n  help: a number from 0 to 1",
        );
        check_refused(
            MACHINES,
            "0,FINISHED,1,0,200,0,0.1,0.1\n",
            "i.csv:2:3: type: unknown value \"FINISHED\"\n  help: did you mean \"FINISH\"?",
        );
        check_refused(
            MACHINES,
            "-5,0,1,0,200,0,0.1,0.1\n",
            "i.csv:2:1: time: \"-5\" is not possible here\n  help: a whole number from 0 to 9223372036854775807",
        );
    }
}
