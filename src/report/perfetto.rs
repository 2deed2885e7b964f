//! `trace.json`: a run as Perfetto and Chrome's `about:tracing` show it, in microseconds of simulated time.
//!
//! A process for the cluster (faults, actions, pods by phase), one for the API server (an instant a request, a track a
//! client; all kubelets are one), one for each node, whose tracks are as many as it had pods at a time: a pod is a slice
//! from its placement to its first container and one from there until none of its containers runs. Pods and requests are
//! read off the journal. The file is bounded: of very many pods those of every n-th node are shown, of very many
//! requests every n-th, and `otherData` says so. Reconciles, timers and deliveries of watches are left out. What ran on a
//! machine that is off ends when the journal says so: as the machine comes back.
//!
//! Source: 'Trace Event Format' (Google, 2016), JSON object format: events X, i, C and M.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;
use serde_json::{Value, json};

use super::requests::client_name;
use super::{FaultBand, action_text};
use crate::api::{Kind, Name, ObjectId, Pod};
use crate::event::{Cause, ClientIndex, PartId, Verb};
use crate::kernel::Time;
use crate::record::{Entry, EntryKind};
use crate::sim::{Action, PartClass, Sim};

/// How many pods are shown at most, about; a pod that ran twice counts twice.
const PODS: usize = 20_000;
/// How many requests are shown at most.
const REQUESTS: usize = 20_000;

/// The numbers of processes; nodes follow.
const CLUSTER: u32 = 1;
const API_SERVER: u32 = 2;
const FIRST_NODE: u32 = 10;

/// An event as the format has it.
#[derive(Serialize)]
struct Event<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    cat: &'a str,
    ph: &'a str,
    ts: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    pid: u32,
    tid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'a str>,
    #[serde(skip_serializing_if = "Value::is_null")]
    args: Value,
}

/// Writes the trace of a run.
///
/// # Errors
/// What the writer refuses.
pub fn write_trace(sim: &Sim, faults: &[FaultBand], out: &mut dyn io::Write) -> io::Result<()> {
    let found = Found::of(sim);
    let other = json!({
        "simulator": "wavetank",
        "digest": sim.journal().digest().to_string(),
        "time": "microseconds of simulated time",
        "leftOut": found.left_out(sim),
    });
    writeln!(out, "{{\"displayTimeUnit\":\"ms\",\"otherData\":{other},\"traceEvents\":[")?;
    let mut events = Events { out, is_first: true };
    cluster(sim, faults, &mut events)?;
    requests(sim, &found, &mut events)?;
    nodes(sim, &found, &mut events)?;
    writeln!(events.out, "\n]}}")
}

/// Writes events with commas between them.
struct Events<'a> {
    out: &'a mut dyn io::Write,
    is_first: bool,
}

impl Events<'_> {
    fn add(&mut self, event: &Event<'_>) -> io::Result<()> {
        if !self.is_first {
            self.out.write_all(b",\n")?;
        }
        self.is_first = false;
        serde_json::to_writer(&mut *self.out, event)?;
        Ok(())
    }

    fn slice(
        &mut self,
        (name, cat): (&str, &str),
        (from, until): (Time, Time),
        (pid, tid): (u32, u32),
        args: Value,
    ) -> io::Result<()> {
        let dur = Some(until.since(from).as_nanos() as f64 / 1e3);
        self.add(&Event { name, cat, ph: "X", ts: micros(from), dur, pid, tid, s: None, args })
    }

    fn instant(&mut self, (name, cat): (&str, &str), at: Time, (pid, tid): (u32, u32), args: Value) -> io::Result<()> {
        self.add(&Event { name, cat, ph: "i", ts: micros(at), dur: None, pid, tid, s: Some("t"), args })
    }

    /// The names of a process and of its tracks, which are numbered from zero.
    fn names(&mut self, process: &str, pid: u32, tracks: &[String]) -> io::Result<()> {
        let named = |name, tid, args| Event { name, cat: "", ph: "M", ts: 0.0, dur: None, pid, tid, s: None, args };
        self.add(&named("process_name", 0, json!({ "name": process })))?;
        self.add(&named("process_sort_index", 0, json!({ "sort_index": pid })))?;
        for (tid, track) in tracks.iter().enumerate() {
            self.add(&named("thread_name", tid as u32, json!({ "name": track })))?;
        }
        Ok(())
    }
}

fn micros(at: Time) -> f64 {
    at.nanos() as f64 / 1e3
}

/// A pod on a node.
struct Stay {
    pod: ObjectId,
    /// When it was placed; when its first container ran, where the placement is not known.
    placed: Time,
    started: Option<Time>,
    stopped: Option<Time>,
}

/// A request that was handled.
struct Handled {
    at: Time,
    part: PartId,
    client: ClientIndex,
    verb: u64,
    object: Option<ObjectId>,
    code: u64,
}

/// What the journal says of pods and requests.
struct Found {
    /// The stays by the number of the node.
    stays: BTreeMap<u32, Vec<Stay>>,
    requests: Vec<Handled>,
    /// One node in so many is shown.
    nodes_step: usize,
    /// One request in so many is shown.
    requests_step: usize,
}

impl Found {
    fn of(sim: &Sim) -> Found {
        let (all_stays, all_requests) = sim.journal().iter().fold((0_usize, 0_usize), |(stays, requests), entry| {
            (stays + usize::from(entry.kind == EntryKind::PodStarts), requests + usize::from(is_end(entry.kind)))
        });
        let (nodes_step, requests_step) = (all_stays.div_ceil(PODS).max(1), all_requests.div_ceil(REQUESTS).max(1));
        let mut found = Found { stays: BTreeMap::new(), requests: Vec::new(), nodes_step, requests_step };
        let mut placed: BTreeMap<ObjectId, Time> = BTreeMap::new();
        let mut open: Option<(Cause, Handled)> = None;
        let mut handled = 0_usize;
        for (number, entry) in sim.journal().iter().enumerate() {
            found.pod(entry, &mut placed);
            if entry.kind == EntryKind::Request {
                let request = Handled {
                    at: entry.time,
                    part: entry.part,
                    client: entry.client,
                    verb: entry.detail,
                    object: entry.object,
                    code: 0,
                };
                open = Some((Cause(number as u32), request));
                continue;
            }
            let Some((cause, request)) = &mut open else { continue };
            if entry.cause != *cause {
                continue;
            }
            if matches!(entry.kind, EntryKind::Added | EntryKind::Modified | EntryKind::Deleted) {
                request.object = request.object.or(entry.object);
            }
            if is_end(entry.kind) {
                request.code = entry.detail;
                found
                    .requests
                    .extend(open.take().map(|(_, request)| request).filter(|_| handled.is_multiple_of(requests_step)));
                handled += 1;
            }
        }
        found.add_waiting(sim, placed);
        found
    }

    fn pod(&mut self, entry: &Entry, placed: &mut BTreeMap<ObjectId, Time>) {
        let Some(pod) = entry.object else { return };
        match (entry.kind, entry.part) {
            (EntryKind::Placed, _) => {
                placed.insert(pod, entry.time);
            }
            (EntryKind::PodStarts, PartId::Kubelet(node)) => {
                let at = placed.remove(&pod).unwrap_or(entry.time);
                if self.shows(node) {
                    let stay = Stay { pod, placed: at, started: Some(entry.time), stopped: None };
                    self.stays.entry(node).or_default().push(stay);
                }
            }
            (EntryKind::PodStops, PartId::Kubelet(node)) => {
                let stays = self.stays.get_mut(&node).map(|stays| stays.iter_mut().rev());
                let open = stays.and_then(|mut stays| stays.find(|stay| stay.pod == pod && stay.stopped.is_none()));
                if let Some(stay) = open {
                    stay.stopped = Some(entry.time);
                }
            }
            (_, _) => {}
        }
    }

    fn shows(&self, node: u32) -> bool {
        (node as usize).is_multiple_of(self.nodes_step)
    }

    /// Pods that were placed and did not start until the end, on the nodes that they have there.
    fn add_waiting(&mut self, sim: &Sim, placed: BTreeMap<ObjectId, Time>) {
        let kubelets = sim.parts().kubelets.iter().enumerate();
        let numbers: BTreeMap<&str, u32> =
            kubelets.map(|(number, kubelet)| (kubelet.name().as_str(), number as u32)).collect();
        for (pod, at) in placed {
            let Some((namespace, name)) = sim.journal().name_of(pod) else { continue };
            let object = sim.store().by_name(Kind::Pod, namespace, name).and_then(crate::api::Object::get::<Pod>);
            let node = object.and_then(|pod| numbers.get(pod.body.node_name.as_str()).copied());
            if let Some(node) = node.filter(|node| self.shows(*node)) {
                self.stays.entry(node).or_default().push(Stay { pod, placed: at, started: None, stopped: None });
            }
        }
    }

    fn left_out(&self, sim: &Sim) -> String {
        let mut words = Vec::new();
        if sim.journal().iter().next().is_none() {
            words.push("pods and requests, since no journal was kept".to_owned());
        }
        if self.nodes_step > 1 {
            words.push(format!("the pods of all nodes but one in {}", self.nodes_step));
        }
        if self.requests_step > 1 {
            words.push(format!("all requests but one in {}", self.requests_step));
        }
        words.push("reconciles, timers, deliveries of watches".to_owned());
        words.join("; ")
    }
}

fn is_end(kind: EntryKind) -> bool {
    matches!(kind, EntryKind::Answered | EntryKind::Refused)
}

/// Faults, actions, pods by phase.
fn cluster(sim: &Sim, faults: &[FaultBand], events: &mut Events<'_>) -> io::Result<()> {
    let lanes = Lanes::of(faults.iter().map(|fault| (fault.from, fault.until)));
    let mut tracks = vec!["actions".to_owned()];
    tracks.extend((0..lanes.count).map(|_| "faults".to_owned()));
    events.names("cluster", CLUSTER, &tracks)?;
    for (fault, lane) in faults.iter().zip(&lanes.of_each) {
        let until = fault.until.max(fault.from);
        let args = json!({ "detail": fault.detail });
        events.slice((&fault.name, "fault"), (fault.from, until), (CLUSTER, 1 + lane), args)?;
    }
    let begun = sim.timeline().iter().filter(|timed| timed.at <= sim.now());
    for timed in begun.filter(|timed| !matches!(timed.action, Action::DefineKind(_))) {
        events.instant((&action_text(&timed.action, sim.store()), "action"), timed.at, (CLUSTER, 0), Value::Null)?;
    }
    for sample in sim.tally().samples(sim.now()) {
        let pods = &sample.pods;
        let args = json!({
            "without a node": pods.unscheduled,
            "pending on a node": pods.pending,
            "running, not ready": pods.running.saturating_sub(pods.ready),
            "ready": pods.ready,
            "succeeded": pods.succeeded,
            "failed": pods.failed,
        });
        let ts = micros(sample.time);
        events.add(&Event { name: "pods", cat: "", ph: "C", ts, dur: None, pid: CLUSTER, tid: 0, s: None, args })?;
    }
    Ok(())
}

fn requests(sim: &Sim, found: &Found, events: &mut Events<'_>) -> io::Result<()> {
    let client = |request: &Handled| (PartClass::of(request.part), request.client);
    let mut tracks: BTreeMap<(PartClass, ClientIndex), u32> = BTreeMap::new();
    found.requests.iter().for_each(|request| _ = tracks.insert(client(request), 0));
    // Several clients may go by one name: those of kubelets do.
    let mut names: Vec<String> = Vec::new();
    for ((class, client), track) in &mut tracks {
        let name = client_name(sim.parts(), *class, *client).to_string();
        let known = names.iter().position(|known| *known == name);
        *track = known.unwrap_or(names.len()) as u32;
        names.extend(known.is_none().then_some(name));
    }
    events.names("API server", API_SERVER, &names)?;
    for request in &found.requests {
        let track = tracks.get(&client(request)).copied().unwrap_or(0);
        let verb = Verb::ALL.get(request.verb as usize).map_or("request", |verb| verb.as_str());
        let text = match request.object.and_then(|id| object_name(sim, id)) {
            Some(object) => format!("{verb} {object}"),
            None => verb.to_owned(),
        };
        let args = json!({ "code": request.code, "from": sim.parts().name(request.part) });
        events.instant((&text, "request"), request.at, (API_SERVER, track), args)?;
    }
    Ok(())
}

fn nodes(sim: &Sim, found: &Found, events: &mut Events<'_>) -> io::Result<()> {
    for (node, stays) in &found.stays {
        let mut stays: Vec<&Stay> = stays.iter().collect();
        stays.sort_by_key(|stay| (stay.placed, stay.pod));
        let lanes = Lanes::of(stays.iter().map(|stay| (stay.placed, stay.stopped.unwrap_or(sim.now()))));
        let pid = FIRST_NODE + node;
        let name = sim.parts().kubelets.get(*node as usize).map_or(Name::default(), |kubelet| kubelet.name().clone());
        let tracks: Vec<String> = (1..=lanes.count).map(|lane| format!("pods {lane}")).collect();
        events.names(&format!("node {name}"), pid, &tracks)?;
        for (stay, lane) in stays.iter().zip(&lanes.of_each) {
            let pod = object_name(sim, stay.pod).unwrap_or_default();
            let end = stay.stopped.unwrap_or(sim.now());
            let running = stay.started.unwrap_or(end);
            if stay.placed < running {
                events.slice(
                    (&pod, "starting"),
                    (stay.placed, running),
                    (pid, *lane),
                    json!({ "state": "starting" }),
                )?;
            }
            if stay.started.is_some() {
                let state = if stay.stopped.is_some() { "running, then terminated" } else { "running" };
                events.slice(
                    (&pod, "running"),
                    (running, end.max(running)),
                    (pid, *lane),
                    json!({ "state": state }),
                )?;
            }
        }
    }
    Ok(())
}

fn object_name(sim: &Sim, id: ObjectId) -> Option<String> {
    let (namespace, name) = sim.journal().name_of(id)?;
    let kind = &sim.store().info(id.kind).kind;
    Some(if namespace.is_empty() { format!("{kind} {name}") } else { format!("{kind} {namespace}/{name}") })
}

/// Which of several tracks things stand on, so that on none two are at the same time.
struct Lanes {
    of_each: Vec<u32>,
    count: u32,
}

impl Lanes {
    /// The things by their beginning and end, the earliest first.
    fn of(things: impl Iterator<Item = (Time, Time)>) -> Lanes {
        let mut ends: Vec<Time> = Vec::new();
        let lane = |(from, until): (Time, Time)| {
            let lane = ends.iter().position(|end| *end <= from).unwrap_or(ends.len());
            if lane == ends.len() {
                ends.push(until);
            }
            ends[lane] = until;
            lane as u32
        };
        let of_each = things.map(lane).collect();
        Lanes { of_each, count: ends.len() as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_at_the_same_time_stand_on_tracks_of_their_own() {
        let things = [(0, 10), (5, 6), (6, 9), (10, 12), (11, 11)].map(|(from, until)| (Time(from), Time(until)));
        let lanes = Lanes::of(things.into_iter());
        assert_eq!((lanes.of_each, lanes.count), (vec![0, 1, 1, 0, 1], 2));
    }
}
