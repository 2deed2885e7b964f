//! Decides the pending pods of a snapshot and says where they go: a table, or JSON as it comes.

use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;

use super::record::DecisionRecord;
use super::tables::{self, Lines};
use super::{Arguments, Choice, Format, Profiles, files};
use crate::api::{Obj, Pod};
use crate::cli::Failure;
use crate::cli::output::{Output, to_stderr};
use crate::report::counted;
use crate::scheduler::cards::CardAsk;
use crate::scheduler::{
    Cluster, Decision, Explanation, Incremental, NodeIndex, Outcome, Profile, Scope, Snapshot, Status, decide,
    pre_enqueue,
};

/// What is printed of one pod as JSON.
#[derive(Serialize)]
struct PodAnswer<'a> {
    #[serde(flatten)]
    record: DecisionRecord<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<&'a Explanation>,
}

/// What was decided about one pod, while the cluster is still as it was.
pub(super) struct Decided<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) profile: &'a Profile,
    pub(super) pod: &'a Arc<Obj<Pod>>,
    /// What keeps the pod out of the queue.
    pub(super) gate: Option<(u8, Status)>,
    pub(super) decision: Decision,
    pub(super) chosen: Option<NodeIndex>,
    pub(super) explanation: Option<Arc<Explanation>>,
}

/// Does it.
pub(super) fn run(arguments: &Arguments, choice: Choice) -> Result<ExitCode, Failure> {
    let profiles = Profiles::of_file(arguments.config.as_deref())?;
    let mut snapshot = files::read(&arguments.files)?;
    profiles.prepare(&mut snapshot);
    let pending = ours(&mut snapshot, &profiles);
    check_names(arguments, &pending)?;
    let mut printer = Printer::new(arguments.output);
    let mut explained = Explained::default();
    let mut engine = Incremental::default();
    let mut unplaced = 0;
    for pod in &pending {
        let profile = profiles.of(&pod.body).expect("pods without a profile have been left out");
        let is_shown = arguments.pods.is_empty() || arguments.pods.iter().any(|name| is_named(pod, name));
        let explain = is_shown && arguments.explain;
        let mut decided = Decided::of(&snapshot.cluster, &profiles, pod, choice, (!explain).then_some(&mut engine));
        if explain {
            decided.explanation = Some(explained.of(&decided));
        }
        unplaced += usize::from(decided.node().is_none());
        if is_shown {
            printer.add(&decided)?;
        }
        let Decided { decision, chosen, explanation, .. } = decided;
        if snapshot.carry_out(profile, pod, &decision, chosen).is_none() {
            explained.keep(pod, explanation);
        } else {
            explained.forget();
        }
    }
    printer.finish(pending.len() - unplaced, unplaced)?;
    Ok(ExitCode::from(u8::from(unplaced > 0)))
}

/// The pods that the profiles are responsible for, without those that are on their way out.
fn ours(snapshot: &mut Snapshot, profiles: &Profiles) -> Vec<Arc<Obj<Pod>>> {
    let mut pending = std::mem::take(&mut snapshot.pending);
    let all = pending.len();
    pending.retain(|pod| !pod.meta.is_terminating());
    if pending.len() < all {
        let gone = counted((all - pending.len()) as u64, "pending pod");
        to_stderr(&format!("note: {gone} left out: being deleted"));
    }
    pending.retain(|pod| {
        let is_ours = profiles.of(&pod.body).is_some();
        if !is_ours {
            let scheduler = &pod.body.spec.scheduler_name;
            to_stderr(&format!("note: pod {} left out: it waits for the scheduler {scheduler}", pod.meta.key()));
        }
        is_ours
    });
    pending
}

fn is_named(pod: &Obj<Pod>, name: &str) -> bool {
    match name.split_once('/') {
        Some((namespace, name)) => pod.meta.namespace == namespace && pod.meta.name == name,
        None => pod.meta.name == name,
    }
}

fn check_names(arguments: &Arguments, pending: &[Arc<Obj<Pod>>]) -> Result<(), Failure> {
    match arguments.pods.iter().find(|name| !pending.iter().any(|pod| is_named(pod, name))) {
        Some(name) => Err(Failure::Refused(format!("no pending pod is named {name:?}"))),
        None => Ok(()),
    }
}

impl<'a> Decided<'a> {
    /// Decides about a pod: with everything that led to it, or by the engine, which remembers less.
    pub(super) fn of(
        cluster: &'a Cluster,
        profiles: &'a Profiles,
        pod: &'a Arc<Obj<Pod>>,
        choice: Choice,
        engine: Option<&mut Incremental>,
    ) -> Decided<'a> {
        let (number, profile) = profiles.numbered(&pod.body).expect("pods without a profile have been left out");
        let gate = pre_enqueue(profile, pod);
        let (decision, chosen) = (Decision::default(), None);
        let mut decided = Decided { cluster, profile, pod, gate, decision, chosen, explanation: None };
        if decided.gate.is_some() {
            return decided;
        }
        let Some(engine) = engine else {
            decided.decision = decide(cluster, profile, pod, Scope::Everything);
            decided.chosen = choice.of(cluster, pod, &decided.decision);
            return decided;
        };
        match engine.decide(cluster, (number, profile), pod, Scope::Everything, choice.rule(pod)) {
            Outcome::Placed { node, .. } => decided.chosen = Some(node),
            Outcome::Unplaced(decision) => decided.decision = *decision,
        }
        decided
    }

    /// Where the pod goes, now or once the victims of a preemption are gone.
    pub(super) fn node(&self) -> Option<NodeIndex> {
        self.chosen.or(self.decision.nomination().map(|nomination| nomination.node))
    }

    pub(super) fn record(&self) -> DecisionRecord<'_> {
        match &self.gate {
            Some(rejection) => DecisionRecord::gated(self.profile, self.pod, rejection),
            None => DecisionRecord::of(self.cluster, self.profile, self.pod, &self.decision, self.chosen),
        }
    }
}

/// Explanations of pods that were not placed, as long as the cluster stays as it is: equal pods have the same.
#[derive(Default)]
struct Explained {
    known: Vec<(Arc<Obj<Pod>>, Arc<Explanation>)>,
}

impl Explained {
    fn of(&self, decided: &Decided<'_>) -> Arc<Explanation> {
        let Decided { cluster, profile, pod, decision, chosen, .. } = decided;
        let same = |other: &Obj<Pod>| {
            other.meta.namespace == pod.meta.namespace
                && other.meta.labels == pod.meta.labels
                && other.meta.controller() == pod.meta.controller()
                && other.body.spec == pod.body.spec
                && CardAsk::of(&other.meta.annotations) == CardAsk::of(&pod.meta.annotations)
        };
        match self.known.iter().find(|(other, _)| same(other)) {
            Some((_, explanation)) => explanation.clone(),
            None => Arc::new(Explanation::of(cluster, profile, pod, decision, *chosen)),
        }
    }

    fn keep(&mut self, pod: &Arc<Obj<Pod>>, explanation: Option<Arc<Explanation>>) {
        self.known.extend(explanation.map(|explanation| (pod.clone(), explanation)));
    }

    fn forget(&mut self) {
        self.known.clear();
    }
}

/// Prints pods as they are decided.
struct Printer {
    output: Output,
    format: Format,
    lines: Lines,
    printed: usize,
}

impl Printer {
    fn new(format: Format) -> Printer {
        Printer { output: Output::stdout(), format, lines: Lines::default(), printed: 0 }
    }

    fn add(&mut self, decided: &Decided<'_>) -> Result<(), Failure> {
        self.printed += 1;
        match self.format {
            Format::Table => {
                self.lines.add(decided);
                match &decided.explanation {
                    None => Ok(()),
                    Some(explanation) => self.output.write(|out| tables::write_pod(decided, explanation, out)),
                }
            }
            Format::Json => {
                let record = decided.record();
                let explanation = decided.explanation.as_deref();
                let record = if explanation.is_some() { record } else { record.without_nodes() };
                let before = if self.printed == 1 { "{\"decisions\":[\n" } else { ",\n" };
                self.output.write(|out| {
                    out.write_all(before.as_bytes())?;
                    Ok(serde_json::to_writer(&mut *out, &PodAnswer { record, explanation })?)
                })
            }
        }
    }

    fn finish(mut self, placed: usize, unplaced: usize) -> Result<(), Failure> {
        let (lines, printed) = (&self.lines, self.printed);
        self.output.write(|out| match self.format {
            Format::Table => tables::write_summary(lines, placed, unplaced, out),
            Format::Json => {
                let before = if printed == 0 { "{\"decisions\":[" } else { "\n" };
                writeln!(out, "{before}],\"placed\":{placed},\"unplaced\":{unplaced}}}")
            }
        })
    }
}
