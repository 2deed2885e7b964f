//! Streams of requests: how many were served, refused or lost.

use serde::Serialize;

use super::table::Table;
use crate::api::Name;
use crate::network::Fates;
use crate::sim::Sim;

/// How many endpoints of a stream are listed.
const ENDPOINTS: usize = 20;

/// A stream of requests and what became of them.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrafficReport {
    /// The stream.
    pub name: Name,
    /// Requests that were answered.
    pub served: u64,
    /// Requests that were refused at once.
    pub refused: u64,
    /// Requests that were never answered.
    pub lost: u64,
    /// By endpoint, those that failed most first; at most twenty.
    pub endpoints: Vec<EndpointReport>,
}

/// An endpoint of a stream.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointReport {
    /// The pod; empty where requests reached none.
    pub pod: Name,
    /// Requests that it answered.
    pub served: u64,
    /// Requests that were refused at once.
    pub refused: u64,
    /// Requests that were never answered.
    pub lost: u64,
}

/// The streams of a simulation up to the instant that it has reached.
pub(super) fn traffic(sim: &Sim) -> Vec<TrafficReport> {
    let report = |counts: crate::network::TrafficCounts| {
        let mut endpoints = counts.by_endpoint;
        endpoints.sort_by_key(|(_, fates)| std::cmp::Reverse(fates.refused + fates.lost));
        endpoints.truncate(ENDPOINTS);
        let endpoint = |(pod, Fates { served, refused, lost })| EndpointReport { pod, served, refused, lost };
        let Fates { served, refused, lost } = counts.total;
        TrafficReport {
            name: counts.name,
            served,
            refused,
            lost,
            endpoints: endpoints.into_iter().map(endpoint).collect(),
        }
    };
    sim.network().counts(sim.now()).into_iter().map(report).collect()
}

/// The streams as a table.
pub(super) fn traffic_table(lines: &[TrafficReport]) -> Table {
    let mut table = Table::new(["TRAFFIC", "SERVED", "REFUSED", "LOST"]);
    for line in lines {
        let counts = [line.served, line.refused, line.lost].map(|count| count.to_string());
        let [served, refused, lost] = counts;
        table.add([line.name.to_string(), served, refused, lost]);
    }
    table
}
