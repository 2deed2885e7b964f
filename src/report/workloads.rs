//! The workloads as kubectl shows Deployments, whatever their kind.

use serde::Serialize;

use super::table::Table;
use crate::api::{Deployment, Kind, Name, Object, ReplicaSet, Timestamp};
use crate::kernel::Time;
use crate::report::human_duration;
use crate::store::Store;

/// How many workloads a table shows.
const SHOWN: usize = 60;

/// A workload: a Deployment, or a ReplicaSet that belongs to none.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadLine {
    /// `metadata.namespace`.
    pub namespace: Name,
    /// `metadata.name`.
    pub name: Name,
    /// The kind.
    pub kind: Name,
    /// `spec.replicas`.
    pub desired: i32,
    /// `status.readyReplicas`.
    pub ready: i32,
    /// `status.updatedReplicas`; of a ReplicaSet `status.replicas`.
    pub up_to_date: i32,
    /// `status.availableReplicas`.
    pub available: i32,
    /// Whole seconds since creation.
    pub age_seconds: i64,
}

/// The workloads of a store at an instant, by namespace, name and kind.
pub fn workloads(store: &Store, at: Time, now: Timestamp) -> Vec<WorkloadLine> {
    let objects = [Kind::Deployment, Kind::ReplicaSet].into_iter().flat_map(|kind| store.objects(kind, at));
    let mut lines: Vec<WorkloadLine> = objects.filter_map(|object| line(&object, now)).collect();
    lines.sort_by(|a, b| (&a.namespace, &a.name, &a.kind).cmp(&(&b.namespace, &b.name, &b.kind)));
    lines
}

fn line(object: &Object, now: Timestamp) -> Option<WorkloadLine> {
    let meta = object.meta();
    let (desired, ready, up_to_date, available) = if let Some(deployment) = object.get::<Deployment>() {
        let status = &deployment.body.status;
        (deployment.body.replicas, status.ready_replicas, status.updated_replicas, status.available_replicas)
    } else {
        let set = object.get::<ReplicaSet>().filter(|_| meta.controller().is_none())?;
        let status = &set.body.status;
        (set.body.replicas, status.ready_replicas, status.replicas, status.available_replicas)
    };
    Some(WorkloadLine {
        namespace: meta.namespace.clone(),
        name: meta.name.clone(),
        kind: meta.id.kind.info().map_or_else(Name::new, |info| (&*info.kind).into()),
        desired,
        ready,
        up_to_date,
        available,
        age_seconds: now.seconds_since(meta.created),
    })
}

impl WorkloadLine {
    pub(super) fn is_settled(&self) -> bool {
        self.ready == self.desired && self.up_to_date == self.desired && self.available == self.desired
    }
}

/// The table, and how many settled workloads it leaves out. Those that are not settled are never the first to go.
pub(super) fn table(lines: &[WorkloadLine]) -> (Table, usize) {
    let unsettled = lines.iter().filter(|line| !line.is_settled()).count();
    let mut room_for_settled = SHOWN.saturating_sub(unsettled);
    let mut room_for_unsettled = SHOWN;
    let mut table = Table::new(["NAMESPACE", "NAME", "KIND", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]);
    for line in lines {
        let room = if line.is_settled() { &mut room_for_settled } else { &mut room_for_unsettled };
        let Some(rest) = room.checked_sub(1) else { continue };
        *room = rest;
        table.add([
            line.namespace.to_string(),
            line.name.to_string(),
            line.kind.to_string(),
            format!("{}/{}", line.ready, line.desired),
            line.up_to_date.to_string(),
            line.available.to_string(),
            human_duration(line.age_seconds),
        ]);
    }
    let left_out = lines.len() - table.len();
    (table, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(name: &str, ready: i32) -> WorkloadLine {
        WorkloadLine {
            namespace: "default".into(),
            name: name.into(),
            kind: "Deployment".into(),
            desired: 3,
            ready,
            up_to_date: 3,
            available: ready,
            age_seconds: 200,
        }
    }

    #[test]
    fn workloads_read_as_kubectl_shows_deployments() {
        let (table, left_out) = table(&[workload("cart", 3), workload("web", 1)]);
        assert_eq!(left_out, 0);
        assert_eq!(
            table.to_string(),
            "NAMESPACE   NAME   KIND         READY   UP-TO-DATE   AVAILABLE   AGE\n\
             default     cart   Deployment   3/3     3            3           3m20s\n\
             default     web    Deployment   1/3     3            1           3m20s\n"
        );
    }

    #[test]
    fn what_is_not_settled_is_shown_however_many_there_are_before_it() {
        let mut lines: Vec<WorkloadLine> = (0..SHOWN).map(|n| workload(&format!("a{n}"), 3)).collect();
        lines.push(workload("z-broken", 0));
        let (table, left_out) = table(&lines);
        assert_eq!((table.len(), left_out), (SHOWN, 1));
        assert!(table.to_string().contains("z-broken"));
    }
}
