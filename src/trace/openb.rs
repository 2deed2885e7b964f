//! The lists of Alibaba's cluster-trace-gpu-v2023 ('openb'): nodes with GPUs, and pods that share them.
//!
//! Follows the files as published with Weng et al., 'Beware of Fragmentation: Scheduling GPU-Sharing Workloads with
//! Fragmentation Gradient Descent' (USENIX ATC 2023): `sn,cpu_milli,memory_mib,gpu,model` and
//! `name,cpu_milli,memory_mib,num_gpu,gpu_milli`, the latter with or without
//! `gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time`. A pod runs from when it was scheduled until it
//! was deleted; one that never was scheduled counts from its creation.
//! Left out: quality of service and phase. Pods that failed or stayed pending count as all others do.

use std::path::Path;

use super::rows::{Column, Presence, Row, read};
use super::{Amounts, MAX_CARDS, Machine, RESOURCES, Task};
use crate::api::Name;
use crate::api::located::{InputError, InputErrors};
use crate::kernel::Time;

const NODE_COLUMNS: &[Column] = &[
    ("sn", Presence::Required),
    ("cpu_milli", Presence::Required),
    ("memory_mib", Presence::Required),
    ("gpu", Presence::Required),
    ("model", Presence::Required),
];

const POD_COLUMNS: &[Column] = &[
    ("name", Presence::Required),
    ("cpu_milli", Presence::Required),
    ("memory_mib", Presence::Required),
    ("num_gpu", Presence::Required),
    ("gpu_milli", Presence::Required),
    ("gpu_spec", Presence::Optional),
    ("qos", Presence::Optional),
    ("pod_phase", Presence::Optional),
    ("creation_time", Presence::Optional),
    ("deletion_time", Presence::Optional),
    ("scheduled_time", Presence::Optional),
];

/// More CPU or memory than any machine has: what a slip of the unit would give.
const CPU_MILLI_MAX: i64 = 100_000_000;
const MEMORY_MIB_MAX: i64 = 1 << 30;
const MIB: i64 = 1 << 20;

/// The machines of a list of nodes.
///
/// # Errors
/// The first lines that mean nothing, each with what would be right.
pub fn nodes(text: &str, file: &Path) -> Result<Vec<Machine>, InputErrors> {
    read(text.as_bytes(), file, NODE_COLUMNS, node)
}

/// The tasks of a list of pods.
///
/// # Errors
/// The first lines that mean nothing, each with what would be right.
pub fn pods(text: &str, file: &Path) -> Result<Vec<Task>, InputErrors> {
    read(text.as_bytes(), file, POD_COLUMNS, pod)
}

fn node(row: &Row<'_>) -> Result<Machine, InputError> {
    let cards = row.whole("gpu", 0..=i64::from(MAX_CARDS))? as u8;
    let model = row.text("model");
    if cards > 0 && model.is_empty() {
        return Err(row.error("model", "a node with GPUs has no model", "the model of its GPUs, as T4 or V100M32"));
    }
    if cards == 0 && !model.is_empty() {
        return Err(row.error("model", "a node without GPUs has a model", "leave it empty, or say how many in gpu"));
    }
    Ok(Machine {
        name: row.filled("sn")?.into(),
        capacity: amounts(row, 1)?,
        cards,
        model: model.into(),
        ..Machine::default()
    })
}

fn pod(row: &Row<'_>) -> Result<Task, InputError> {
    let cards = row.whole("num_gpu", 0..=i64::from(MAX_CARDS))? as u8;
    let (arrives, leaves) = times(row)?;
    Ok(Task {
        name: row.filled("name")?.into(),
        asks: amounts(row, 0)?,
        cards,
        milli_per_card: milli_per_card(row, cards)?,
        models: models(row)?,
        arrives,
        leaves,
        ..Task::default()
    })
}

/// CPU and memory in the units of traces.
fn amounts(row: &Row<'_>, least: i64) -> Result<Amounts, InputError> {
    let mut amounts = [0; RESOURCES];
    amounts[0] = row.whole("cpu_milli", least..=CPU_MILLI_MAX)?;
    amounts[1] = row.whole("memory_mib", least..=MEMORY_MIB_MAX)? * MIB;
    Ok(amounts)
}

/// The part of each card: all of it where several are asked for.
fn milli_per_card(row: &Row<'_>, cards: u8) -> Result<u16, InputError> {
    let milli = row.whole("gpu_milli", 0..=1000)? as u16;
    let wrong = |message: &str, help: &str| Err(row.error("gpu_milli", message, help));
    match (cards, milli) {
        (0, 1..) => wrong("a part of a GPU where num_gpu is 0", "0, or 1 in num_gpu"),
        (1.., 0) => wrong("nothing of a GPU where num_gpu is not 0", "1000 for whole GPUs, or 0 in num_gpu"),
        (2.., ..1000) => wrong("a part of several GPUs", "1000 where num_gpu is above 1: only one GPU is shared"),
        _ => Ok(milli),
    }
}

/// The models that it takes, each once, in their order.
fn models(row: &Row<'_>) -> Result<Vec<Name>, InputError> {
    let text = row.text("gpu_spec");
    let mut models: Vec<Name> = Vec::new();
    for model in text.split('|').filter(|_| !text.is_empty()) {
        if model.is_empty() {
            return Err(row.error("gpu_spec", format!("{text:?} has an empty model"), "models, as V100M16|V100M32"));
        }
        if !models.iter().any(|earlier| earlier == model) {
            models.push(model.into());
        }
    }
    Ok(models)
}

/// When it came, and when it would have left had it started at once.
fn times(row: &Row<'_>) -> Result<(Time, Option<Time>), InputError> {
    let created = row.seconds("creation_time")?;
    let arrives = created.unwrap_or_default();
    let scheduled = row.seconds("scheduled_time")?.unwrap_or(arrives);
    if scheduled < arrives {
        return Err(row.error("scheduled_time", "scheduled before it was created", "creation_time or later"));
    }
    let Some(deleted) = row.seconds("deletion_time")? else { return Ok((arrives, None)) };
    if created.is_none() {
        return Err(row.error("deletion_time", "deleted, but never created", "a creation_time beside it"));
    }
    if deleted < scheduled {
        return Err(row.error("deletion_time", "deleted before it ran", "scheduled_time or later"));
    }
    Ok((arrives, Some(arrives + deleted.since(scheduled))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time\n";

    fn pods_of(text: &str) -> Result<Vec<Task>, InputErrors> {
        pods(text, Path::new("pods.csv"))
    }

    #[track_caller]
    fn check(line: &str, message: &str) {
        let errors = pods_of(&format!("{HEADER}{line}\n")).expect_err(line).to_string();
        assert_eq!(errors, format!("pods.csv:2:{message}"));
    }

    #[test]
    fn nodes_become_machines() {
        let text = "sn,cpu_milli,memory_mib,gpu,model\nn0,32000,262144,0,\nn1,96000,393216,8,V100M32\n";
        let machines = nodes(text, Path::new("nodes.csv")).expect("two nodes");
        assert_eq!(machines[0].capacity, [32_000, 262_144 << 20, 0, 0, 0, 0]);
        assert_eq!((machines[0].cards, machines[0].model.as_str()), (0, ""));
        assert_eq!((machines[1].cards, machines[1].model.as_str()), (8, "V100M32"));
    }

    #[test]
    fn pods_become_tasks() {
        let text = format!("{HEADER}p0,6000,12288,1,460,V100M16|V100M32|V100M32,LS,Running,100,1000,150\n");
        let expected = Task {
            name: "p0".into(),
            asks: [6000, 12_288 << 20, 0, 0, 0, 0],
            cards: 1,
            milli_per_card: 460,
            models: vec!["V100M16".into(), "V100M32".into()],
            arrives: Time(100_000_000_000),
            leaves: Some(Time(950_000_000_000)),
            ..Task::default()
        };
        assert_eq!(pods_of(&text), Ok(vec![expected]));
    }

    #[test]
    fn lists_without_times_come_at_the_start_and_stay() {
        let tasks = pods_of("name,cpu_milli,memory_mib,num_gpu,gpu_milli\np0,1,0,8,1000\n").expect("one pod");
        assert_eq!((tasks[0].arrives, tasks[0].leaves, tasks[0].cards), (Time::ZERO, None, 8));
    }

    #[test]
    fn nonsense_is_told_with_what_would_be_right() {
        check(
            "p,-1,1,0,0,,,,,,",
            "3: cpu_milli: \"-1\" is not possible here\n  help: a whole number from 0 to 100000000",
        );
        check(
            "p,1,1,1,1001,,,,,,",
            "9: gpu_milli: \"1001\" is not possible here\n  help: a whole number from 0 to 1000",
        );
        check(
            "p,1,1,2,500,,,,,,",
            "9: gpu_milli: a part of several GPUs\n  help: 1000 where num_gpu is above 1: only one GPU is shared",
        );
        check("p,1,1,0,500,,,,,,", "9: gpu_milli: a part of a GPU where num_gpu is 0\n  help: 0, or 1 in num_gpu");
        check(
            "p,1,1,1,0,,,,,,",
            "9: gpu_milli: nothing of a GPU where num_gpu is not 0\n  help: 1000 for whole GPUs, or 0 in num_gpu",
        );
        check("p,1,1,1,500,T4|,,,,,", "13: gpu_spec: \"T4|\" has an empty model\n  help: models, as V100M16|V100M32");
        check("p,1,1,0,0,,,,9,8,9", "16: deletion_time: deleted before it ran\n  help: scheduled_time or later");
        check(",1,1,0,0,,,,,,", "1: name: nothing stands here\n  help: every line has one");
    }
}
