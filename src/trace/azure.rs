//! The Azure Packing Trace of 2020: virtual machines of types that are shares of a machine.
//!
//! Follows `AzureTracesForPacking2020.md` of the Azure Public Dataset, published with Hadary et al., 'Protean: VM
//! Allocation Service at Scale' (OSDI 2020). The trace is a SQLite file; this reads its two tables as CSV with a header,
//! as `sqlite3 -header -csv FILE 'select * from vm'` writes them. One kind of machine is chosen, by its `machineId`, and
//! there are as many of it as are asked for, since the trace does not tell; [`UNIT`] of each resource is one machine.
//! Times are in days. A VM that was running before the trace comes at its start; one without an end stays. Priority 0,
//! the high one, becomes 1, and 1, the low one, becomes 0, since in Kubernetes the larger number counts more.
//! Left out: tenants; VMs of types that do not run on the kind of machine, and those that ended before the start, with
//! a note.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use super::rows::{Column, Presence, Row, read};
use super::{Amounts, FormatEntry, Machine, RESOURCES, Reading, Task, Trace, UNIT, units};
use crate::api::Name;
use crate::api::located::{InputError, InputErrors};
use crate::kernel::Time;

/// How it is listed.
pub const ENTRY: FormatEntry = FormatEntry {
    name: "azure",
    doc: "The Azure Packing Trace of 2020: virtual machines that take shares of one kind of machine",
    files: &["the table vm (CSV)", "the table vmType (CSV)"],
    source: "Hadary et al., Protean: VM Allocation Service at Scale, OSDI 2020; AzureTracesForPacking2020.md",
    leaves_out: "tenants; machines other than the one chosen, and VM types that do not run on it",
};

const VM_COLUMNS: &[Column] = &[
    ("vmId", Presence::Required),
    ("tenantId", Presence::Optional),
    ("vmTypeId", Presence::Required),
    ("priority", Presence::Required),
    ("starttime", Presence::Required),
    ("endtime", Presence::Required),
];

const TYPE_COLUMNS: &[Column] = &[
    ("id", Presence::Optional),
    ("vmTypeId", Presence::Required),
    ("machineId", Presence::Required),
    ("core", Presence::Required),
    ("memory", Presence::Required),
    ("hdd", Presence::Required),
    ("ssd", Presence::Required),
    ("nic", Presence::Required),
];

/// The resources of a type, in the order of a trace's.
const RESOURCE_COLUMNS: [&str; 5] = ["core", "memory", "hdd", "ssd", "nic"];
const DAY_S: f64 = 86_400.0;
/// More days than the trace has, or can have.
const DAYS_MAX: f64 = 36_600.0;

/// Reads the table of virtual machines and that of their types, for so many machines of the chosen kind.
///
/// # Errors
/// The first lines of a file that mean nothing, each with what would be right; a kind of machine that is not there.
pub fn azure(
    (vms, vm_file): (impl Read, &Path),
    (types, type_file): (impl Read, &Path),
    machine_id: &str,
    machines: u32,
) -> Result<Reading, InputErrors> {
    let shapes = shapes(types, type_file, machine_id)?;
    let vms = read(vms, vm_file, VM_COLUMNS, vm)?;
    let (mut tasks, mut other_machines, mut ended) = (Vec::new(), 0, 0);
    for (task, vm_type, has_ended) in vms {
        match shapes.get(&vm_type) {
            None => other_machines += 1,
            Some(_) if has_ended => ended += 1,
            Some(asks) => tasks.push(Task { asks: *asks, ..task }),
        }
    }
    let told = [
        (other_machines, format!("VMs of types that do not run on machine {machine_id}")),
        (ended, "VMs that ended before the start".to_owned()),
    ];
    let notes = told.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("left out: {what} ({count})"));
    let machine = |number| Machine {
        name: Name::from(format!("machine-{number}")),
        capacity: std::array::from_fn(|index| if index < RESOURCE_COLUMNS.len() { UNIT } else { 0 }),
        node_type: machine_id.into(),
        ..Machine::default()
    };
    let resources = ["cpu", "memory", "hdd", "ssd", "nic"].map(Name::from).to_vec();
    let trace = Trace { resources, machines: (0..machines).map(machine).collect(), tasks };
    Ok(Reading { trace, notes: notes.collect() })
}

/// What each type asks of the chosen machine.
fn shapes(types: impl Read, file: &Path, machine_id: &str) -> Result<BTreeMap<Name, Amounts>, InputErrors> {
    let types = read(types, file, TYPE_COLUMNS, vm_type)?;
    let mut machines: Vec<&str> = types.iter().map(|(_, machine, _)| machine.as_str()).collect();
    machines.sort_unstable();
    machines.dedup();
    if !machines.contains(&machine_id) {
        let error = InputError {
            file: file.display().to_string(),
            line: 1,
            column: 1,
            path: "machineId".to_owned(),
            message: format!("there is no machine {machine_id:?}"),
            help: Some(format!("one of {}", machines.join(", "))),
        };
        return Err(error.into());
    }
    let chosen = types.iter().filter(|(_, machine, _)| machine == machine_id);
    Ok(chosen.map(|(vm_type, _, asks)| (vm_type.clone(), *asks)).collect())
}

fn vm_type(row: &Row<'_>) -> Result<(Name, Name, Amounts), InputError> {
    let mut asks = [0; RESOURCES];
    for (index, column) in RESOURCE_COLUMNS.iter().enumerate() {
        // Not every type asks for a disk of each kind.
        asks[index] = units(row.number(column, 0.0..=1.0)?.unwrap_or(0.0));
    }
    if asks[0] == 0 {
        return Err(row.error("core", "the type asks for no CPU", "its share of the machine, above 0 and at most 1"));
    }
    Ok((row.filled("vmTypeId")?.into(), row.filled("machineId")?.into(), asks))
}

/// A task that asks for nothing yet, its type, and whether it ended before the start.
fn vm(row: &Row<'_>) -> Result<(Task, Name, bool), InputError> {
    let Some(start) = row.number("starttime", -DAYS_MAX..=DAYS_MAX)? else {
        return Err(row.error("starttime", "nothing stands here", "days since the start, below 0 for before it"));
    };
    let end = row.number("endtime", -DAYS_MAX..=DAYS_MAX)?;
    if end.is_some_and(|end| end < start) {
        return Err(row.error("endtime", "it ends before it starts", "starttime or later, or nothing"));
    }
    let task = Task {
        name: row.filled("vmId")?.into(),
        arrives: instant(start),
        leaves: end.map(instant),
        priority: 1 - row.whole("priority", 0..=1)? as i32,
        ..Task::default()
    };
    Ok((task, row.filled("vmTypeId")?.into(), end.is_some_and(|end| end <= 0.0)))
}

/// Days since the start, to the microsecond; the start where it was before.
fn instant(days: f64) -> Time {
    Time(libm::round(days.max(0.0) * DAY_S * 1e6) as u64 * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPES: &str = "id,vmTypeId,machineId,core,memory,hdd,ssd,nic\n\
        0,10,1,0.5,0.25,,0.1,0.05\n1,10,2,0.25,0.125,,0.1,0.05\n2,11,2,1,1,0.5,0,1\n";
    const HEADER: &str = "vmId,tenantId,vmTypeId,priority,starttime,endtime\n";

    fn of(vms: &str, types: &str, machine: &str) -> Result<Reading, String> {
        let vms = format!("{HEADER}{vms}");
        azure((vms.as_bytes(), Path::new("vm.csv")), (types.as_bytes(), Path::new("vmType.csv")), machine, 2)
            .map_err(|errors| errors.to_string())
    }

    #[test]
    fn virtual_machines_take_their_share_of_the_chosen_machine() {
        let found = of("a,1,10,0,-3.5,1\nb,1,10,1,0.5,\nc,2,11,1,1,NULL\nd,2,10,0,-2,-1\n", TYPES, "1");
        let Reading { trace, notes } = found.expect("it can be read");
        let whole = [UNIT, UNIT, UNIT, UNIT, UNIT, 0];
        assert_eq!(trace.machines.iter().map(|machine| machine.capacity).collect::<Vec<_>>(), [whole, whole]);
        let asks = [500_000, 250_000, 0, 100_000, 50_000, 0];
        let day = Time(86_400_000_000_000);
        let first = Task { name: "a".into(), asks, leaves: Some(day), priority: 1, ..Task::default() };
        let second = Task { name: "b".into(), asks, arrives: Time(day.0 / 2), ..Task::default() };
        assert_eq!(trace.tasks, [first, second]);
        assert_eq!(
            notes,
            [
                "left out: VMs of types that do not run on machine 1 (1)",
                "left out: VMs that ended before the start (1)"
            ]
        );
    }

    #[track_caller]
    fn check_refused(vms: &str, types: &str, machine: &str, message: &str) {
        assert_eq!(of(vms, types, machine), Err(message.to_owned()));
    }

    #[test]
    fn nonsense_is_told_with_what_would_be_right() {
        check_refused("", TYPES, "7", "vmType.csv:1:1: machineId: there is no machine \"7\"\n  help: one of 1, 2");
        check_refused(
            "a,1,10,0,2,1\n",
            TYPES,
            "1",
            "vm.csv:2:12: endtime: it ends before it starts\n  help: starttime or later, or nothing",
        );
        check_refused(
            "a,1,10,2,0,1\n",
            TYPES,
            "1",
            "vm.csv:2:8: priority: \"2\" is not possible here\n  help: a whole number from 0 to 1",
        );
        check_refused(
            "",
            &TYPES.replace("0.5,0.25", "1.5,0.25"),
            "1",
            "vmType.csv:2:8: core: \"1.5\" is not possible here\n  help: a number from 0 to 1",
        );
    }
}
