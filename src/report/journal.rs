//! `journal.jsonl`: one JSON object a line for each entry of the journal, in order.

use std::io;

use serde::Serialize;

use crate::api::{Name, ObjectId};
use crate::client::Part;
use crate::event::PartId;
use crate::record::Entry;
use crate::sim::Sim;

/// An entry as a line shows it. Its number is the number of its line, from zero.
#[derive(Serialize)]
struct Line<'a> {
    /// Nanoseconds since the start.
    t: u64,
    kind: &'static str,
    part: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<ObjectLine<'a>>,
    detail: u64,
    /// The number of the entry that made this one happen.
    cause: u32,
}

#[derive(Serialize)]
struct ObjectLine<'a> {
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
}

/// Writes every entry that the journal has kept: `t` (nanoseconds), `kind`, `part`, `client` (where it is not the
/// part's first), `object`, `detail` as the kind says, `cause` (the number of the line, from zero, that made it happen).
///
/// # Errors
/// What the writer refuses.
pub fn write_journal(sim: &Sim, out: &mut dyn io::Write) -> io::Result<()> {
    let mut names = PartNames::default();
    for entry in sim.journal().iter() {
        let object = entry.object.and_then(|id| object_line(sim, id));
        let (part, clients) = names.of(sim, entry.part);
        let client = clients.get(usize::from(entry.client.0)).filter(|_| entry.client.0 > 0);
        let line = line(entry, part, client.map(Name::as_str), object);
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn line<'a>(entry: &Entry, part: &'a str, client: Option<&'a str>, object: Option<ObjectLine<'a>>) -> Line<'a> {
    Line {
        t: entry.time.nanos(),
        kind: entry.kind.as_str(),
        part,
        client,
        object,
        detail: entry.detail,
        cause: entry.cause.0,
    }
}

fn object_line(sim: &Sim, id: ObjectId) -> Option<ObjectLine<'_>> {
    let (namespace, name) = sim.journal().name_of(id)?;
    Some(ObjectLine { kind: &sim.store().info(id.kind).kind, namespace, name })
}

/// The names of parts and their clients, each asked for once.
#[derive(Default)]
struct PartNames(std::collections::BTreeMap<PartId, (Name, Vec<Name>)>);

impl PartNames {
    fn of(&mut self, sim: &Sim, part: PartId) -> (&str, &[Name]) {
        let parts = sim.parts();
        let (name, clients) = self.0.entry(part).or_insert_with(|| {
            let clients = match part {
                PartId::User => parts.user.client_names(),
                PartId::ControllerManager(index) => parts.managers[usize::from(index)].client_names(),
                PartId::Scheduler(index) => parts.schedulers[usize::from(index)].client_names(),
                PartId::Kubelet(index) => parts.kubelets[index as usize].client_names(),
                PartId::Guest(_) | PartId::World => Vec::new(),
            };
            (parts.name(part), clients)
        });
        (name, clients)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Kind;
    use crate::event::{Cause, ClientIndex};
    use crate::kernel::Time;
    use crate::record::EntryKind;

    #[test]
    fn an_entry_is_a_line_of_json() {
        let entry = Entry {
            time: Time(1_500_000),
            kind: EntryKind::Added,
            client: ClientIndex(1),
            part: PartId::ControllerManager(0),
            object: Some(ObjectId { kind: Kind::Pod, slot: 3 }),
            detail: 17,
            cause: Cause(4),
        };
        let object = ObjectLine { kind: "Pod", namespace: "default", name: "web-1" };
        let line = line(&entry, "kube-controller-manager", Some("replicaset-controller"), Some(object));
        assert_eq!(
            serde_json::to_string(&line).expect("a line can be written"),
            r#"{"t":1500000,"kind":"added","part":"kube-controller-manager","client":"replicaset-controller","object":{"kind":"Pod","namespace":"default","name":"web-1"},"detail":17,"cause":4}"#
        );
    }
}
