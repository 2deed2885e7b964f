//! Who asked the API server for how much.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::api::Name;
use crate::client::Part;
use crate::event::{ClientIndex, PartId};
use crate::sim::{PartClass, Parts, Sim};

/// The requests of one client; all kubelets together are one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestLine {
    /// The client's name: `kubectl`, `deployment-controller`, `kubelet`, ….
    pub client: Name,
    /// How many.
    pub total: u64,
    /// How many of each verb, as audit logs write verbs.
    pub by_verb: BTreeMap<&'static str, u64>,
}

/// The requests of a simulation so far, by client, in the order of parts and their clients.
pub fn requests_by_client(sim: &Sim) -> Vec<RequestLine> {
    let mut lines: Vec<RequestLine> = Vec::new();
    for (class, client, verb, _, count) in sim.tally().requests() {
        let name = client_name(sim.parts(), class, client);
        let place = lines.iter().position(|line| line.client == name).unwrap_or_else(|| {
            lines.push(RequestLine { client: name, total: 0, by_verb: BTreeMap::new() });
            lines.len() - 1
        });
        lines[place].total += count;
        *lines[place].by_verb.entry(verb.as_str()).or_default() += count;
    }
    lines
}

/// What a client is called; kubelets go by their common name.
pub(super) fn client_name(parts: &Parts, class: PartClass, client: ClientIndex) -> Name {
    let (names, fallback) = match class {
        PartClass::User => (parts.user.client_names(), "kubectl"),
        PartClass::ControllerManager(index) => {
            let manager = parts.managers.get(usize::from(index));
            (manager.map(Part::client_names).unwrap_or_default(), "kube-controller-manager")
        }
        PartClass::Scheduler(index) => {
            let scheduler = parts.schedulers.get(usize::from(index));
            (scheduler.map(Part::client_names).unwrap_or_default(), "kube-scheduler")
        }
        PartClass::Kubelets => return "kubelet".into(),
        PartClass::Guest(index) => return parts.name(PartId::Guest(index)),
        PartClass::World => return parts.name(PartId::World),
    };
    names.get(usize::from(client.0)).cloned().unwrap_or_else(|| fallback.into())
}
