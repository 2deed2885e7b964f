//! Decisions about a snapshot in kubectl's looks: one line a pod, and for a pod that is explained what every node said.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::answer::Decided;
use crate::report::{Table, counted};
use crate::scheduler::{Explanation, NodeIndex, Rejected};

/// The most lines of a table of nodes.
const NODES_MAX: usize = 20;

/// One line a pod.
#[derive(Default)]
pub(super) struct Lines {
    lines: Vec<[String; 4]>,
}

impl Lines {
    pub(super) fn add(&mut self, decided: &Decided<'_>) {
        let name = |node: NodeIndex| decided.cluster.nodes.name(node).to_string();
        let (node, message) = match (decided.node(), decided.decision.nomination()) {
            (Some(node), None) => (name(node), String::new()),
            (Some(node), Some(nomination)) => {
                let victims: Vec<String> = nomination.victims.iter().map(|victim| victim.meta.key()).collect();
                (name(node), format!("preempts {}", victims.join(", ")))
            }
            (None, _) => ("<none>".to_owned(), why_not(decided)),
        };
        let meta = &decided.pod.meta;
        self.lines.push([meta.namespace.to_string(), meta.name.to_string(), node, message]);
    }
}

/// Why a pod has no node.
fn why_not(decided: &Decided<'_>) -> String {
    match (&decided.gate, &decided.decision.failure) {
        (Some((_, status)), _) => status.message(),
        (None, Some(failure)) => failure.message.clone(),
        (None, None) => String::new(),
    }
}

/// The table of all pods, and how many have a node.
pub(super) fn write_summary(lines: &Lines, placed: usize, unplaced: usize, out: &mut dyn Write) -> io::Result<()> {
    if placed + unplaced == 0 {
        return writeln!(out, "no pod is pending");
    }
    let mut table = Table::new(["NAMESPACE", "NAME", "NODE", "MESSAGE"]);
    lines.lines.iter().for_each(|line| table.add(line.clone()));
    let pods = counted((placed + unplaced) as u64, "pending pod");
    write!(out, "{table}\n{pods}: {placed} placed, {unplaced} not\n")
}

/// A pod explained: why, what the nodes scored, and why the others cannot take it.
pub(super) fn write_pod(decided: &Decided<'_>, explanation: &Explanation, out: &mut dyn Write) -> io::Result<()> {
    let key = decided.pod.meta.key();
    let sentences = match (explanation, decided.node()) {
        (Explanation::Placed(why), _) => {
            writeln!(out, "{key} goes to {}", why.node)?;
            why.sentences()
        }
        (Explanation::Unplaced(why), Some(node)) => {
            let nomination = decided.decision.nomination();
            let victims = nomination.iter().flat_map(|nomination| &nomination.victims).map(|victim| victim.meta.key());
            let victims = victims.collect::<Vec<_>>().join(", ");
            writeln!(out, "{key} goes to {} once it has preempted {victims}", decided.cluster.nodes.name(node))?;
            [why_not(decided)].into_iter().chain(why.sentences()).collect()
        }
        (Explanation::Unplaced(why), None) => {
            writeln!(out, "{key} fits on no node")?;
            [why_not(decided)].into_iter().chain(why.sentences()).collect()
        }
    };
    sentences.iter().filter(|sentence| !sentence.is_empty()).try_for_each(|sentence| writeln!(out, "  {sentence}"))?;
    write_scores(decided, out)?;
    write_rejections(decided, out)?;
    writeln!(out)
}

/// The nodes that can take the pod, best first.
fn write_scores(decided: &Decided<'_>, out: &mut dyn Write) -> io::Result<()> {
    let (decision, nodes) = (&decided.decision, &decided.cluster.nodes);
    if decision.feasible.is_empty() {
        return Ok(());
    }
    let total = |place: usize| decision.totals.get(place).copied().unwrap_or(0);
    let mut places: Vec<usize> = (0..decision.feasible.len()).collect();
    places.sort_by_key(|place| {
        let node = decision.feasible[*place];
        (-total(*place), Some(node) != decided.chosen, nodes.name(node))
    });
    let plugins = decision.scores.iter().map(|given| decided.profile.name(given.plugin));
    let mut table = Table::of_columns(["NODE", "TOTAL"].into_iter().chain(plugins).map(str::to_owned).collect());
    for place in places.iter().take(NODES_MAX) {
        let scores = decision.scores.iter().map(|given| given.scores[*place].to_string());
        let name = nodes.name(decision.feasible[*place]).to_string();
        table.add_cells([name, total(*place).to_string()].into_iter().chain(scores).collect());
    }
    write!(out, "\n{table}")?;
    match places.len().saturating_sub(NODES_MAX) {
        0 => Ok(()),
        more => writeln!(out, "and {} that can take it; -o json has all", counted(more as u64, "more node")),
    }
}

/// The nodes that cannot take the pod, in the order of the plugins.
fn write_rejections(decided: &Decided<'_>, out: &mut dyn Write) -> io::Result<()> {
    let (decision, nodes) = (&decided.decision, &decided.cluster.nodes);
    let mut rejected: Vec<&Rejected> = decision.rejected.iter().collect();
    if rejected.is_empty() {
        return Ok(());
    }
    rejected.sort_by_key(|rejected| (std::cmp::Reverse(rejected.plugin), nodes.name(rejected.node)));
    let mut table = Table::new(["NODE", "REJECTED-BY", "WHY"]);
    for Rejected { node, plugin, status } in rejected.iter().take(NODES_MAX) {
        let cells = [nodes.name(*node).to_string(), decided.profile.name(*plugin).to_owned(), status.message()];
        table.add(cells);
    }
    write!(out, "\n{table}")?;
    let rest = rejected.get(NODES_MAX..).unwrap_or_default();
    if rest.is_empty() {
        return Ok(());
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    rest.iter().for_each(|rejected| *counts.entry(rejected.status.message()).or_default() += 1);
    let reasons: Vec<String> = counts.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    let more = counted(rest.len() as u64, "more node");
    writeln!(out, "and {more} that cannot take it ({}); -o json has all", reasons.join(", "))
}
