//! `wavetank bench capacity`: how many nodes of which types hold what manifests ask for.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::api::manifest::{Manifest, read_manifests, resolve};
use crate::bench::bounds::Objective;
use crate::bench::capacity::{Answer, Checked, Headroom, Mix, NodeType, Question, Workloads, answer};
use crate::cli::output::{self, Output};
use crate::cli::{Failure, dumps, read};
use crate::report::{Table, counted};
use crate::scenario::node_types;

/// The hours of a month, as clouds count them.
const HOURS_A_MONTH: f64 = 730.0;

/// Work out how many nodes of which types hold these manifests, beside what no fleet does with less than
#[derive(Args)]
#[command(after_help = "\
Counted are Deployments, StatefulSets, ReplicaSets, ReplicationControllers, Jobs, Pods, and DaemonSets on every node that \
they may use. Of each mix kube-scheduler's own code has placed every pod, by priority and then in the order of the files, \
and has found places for the pods of whatever is lost, all others staying where they are, without preemption. CHECKED says \
how many losses were tried; there are no others unless it says so. AT LEAST is a lower bound: no fleet of the types in \
the line holds everything with less. It knows nothing of affinity and spread beyond a node. GAP is how far above it the mix is.

Exit codes: 0 there is a mix, 1 there is none, 2 bad input.")]
pub(in crate::cli) struct Arguments {
    /// A file of manifests, or a folder of them, plain or gzip; `-` reads standard input
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// A list of node types as scenarios have them under nodeTypes: name, capacity, allocatable, labels, taints,
    /// pricePerHour
    #[arg(long, value_name = "FILE")]
    node_types: PathBuf,

    /// How many nodes may fail at once
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "lose_zone", value_parser = clap::value_parser!(u32).range(..=8))]
    failures: u32,

    /// Over how many zones the nodes are dealt
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=100))]
    zones: u32,

    /// Any one zone may fail
    #[arg(long, requires = "zones")]
    lose_zone: bool,

    /// What is to be small
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Small::Cost)]
    objective: Small,

    /// What to print
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    output: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Small {
    /// What the nodes cost
    Cost,
    /// How many nodes there are
    Nodes,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table in kubectl's looks
    Table,
    /// A table as Markdown has it
    Markdown,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

/// Does it. The exit code says whether there is a mix.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let types = node_types(&arguments.node_types, &read::read)?;
    let workloads = Workloads::of(&manifests(&arguments.files)?)?;
    let headroom = match arguments.failures {
        _ if arguments.lose_zone => Headroom::Zone,
        0 => Headroom::None,
        number => Headroom::Nodes(number),
    };
    let objective = match arguments.objective {
        Small::Cost => Objective::Cost,
        Small::Nodes => Objective::Nodes,
    };
    let question = Question { objective, headroom, zones: arguments.zones };
    let found = answer(&workloads, &types, question).map_err(Failure::Refused)?;
    let has_mix = !found.mixes.is_empty();
    let told = Told::of(&found, &workloads, &types, question);
    let mut stdout = Output::stdout();
    match arguments.output {
        Format::Table => stdout.write(|out| out.write_all(told.text(Table::to_string).as_bytes()))?,
        Format::Markdown => stdout.write(|out| out.write_all(told.text(Table::markdown).as_bytes()))?,
        Format::Json => stdout.print(&told, output::Format::Json, |_, _, _| Ok(()))?,
        Format::Yaml => stdout.print(&told, output::Format::Yaml, |_, _, _| Ok(()))?,
    }
    Ok(ExitCode::from(u8::from(!has_mix)))
}

fn manifests(files: &[PathBuf]) -> Result<Vec<Manifest>, Failure> {
    let mut manifests = Vec::new();
    for path in files {
        for path in dumps::inside(path)? {
            let (shown, text) = dumps::text(&path)?;
            manifests.extend(read_manifests(&shown, &text)?);
        }
    }
    resolve(&mut manifests, &mut Vec::new())?;
    Ok(manifests)
}

/// All that is told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    pods: u64,
    workloads: usize,
    objective: &'static str,
    headroom: String,
    /// No fleet of any of the types does with less: nodes, or an hour's price.
    at_least: f64,
    mixes: Vec<MixLine>,
    refused: Vec<RefusedLine>,
    notes: Vec<String>,
}

/// A mix.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MixLine {
    nodes_by_type: BTreeMap<String, u32>,
    nodes: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    price_per_hour: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price_per_month: Option<f64>,
    /// Of what is to be small, in nodes or an hour's price.
    at_least: f64,
    gap_percent: f64,
    /// The types that it may be of.
    of_types: Vec<String>,
    losses_tried: usize,
    all_losses_tried: bool,
}

/// Types of which there is no mix.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RefusedLine {
    of_types: Vec<String>,
    why: String,
}

impl Told {
    fn of(found: &Answer, workloads: &Workloads, types: &[NodeType], question: Question) -> Told {
        let named = |set: &[usize]| set.iter().map(|kind| types[*kind].name.to_string()).collect::<Vec<_>>();
        let in_units = |bound: i64| match question.objective {
            Objective::Nodes => bound as f64,
            Objective::Cost => bound as f64 / 1e6,
        };
        let line = |mix: &Mix| {
            let price = mix.micro_dollars.map(|price| price as f64 / 1e6);
            let used = types.iter().zip(&mix.counts).filter(|(_, count)| **count > 0);
            MixLine {
                nodes_by_type: used.map(|(kind, count)| (kind.name.to_string(), *count)).collect(),
                nodes: mix.nodes,
                price_per_hour: price,
                price_per_month: price.map(|price| price * HOURS_A_MONTH),
                at_least: in_units(mix.bound),
                gap_percent: mix.gap_percent(question.objective),
                of_types: named(&mix.types),
                losses_tried: mix.checked.losses,
                all_losses_tried: mix.checked.all,
            }
        };
        let refused = found.refused.iter();
        Told {
            pods: found.pods,
            workloads: workloads.list.len(),
            objective: match question.objective {
                Objective::Nodes => "nodes",
                Objective::Cost => "cost",
            },
            headroom: match question.headroom {
                Headroom::None => "none".to_owned(),
                Headroom::Nodes(number) => format!("any {} may fail at once", counted(u64::from(number), "node")),
                Headroom::Zone => format!("any one of {} zones may fail", question.zones),
            },
            at_least: in_units(found.bound),
            mixes: found.mixes.iter().map(line).collect(),
            refused: refused.map(|no| RefusedLine { of_types: named(&no.types), why: no.why.clone() }).collect(),
            notes: workloads.notes.clone(),
        }
    }

    fn text(&self, table: impl Fn(&Table) -> String) -> String {
        let (pods, workloads) = (counted(self.pods, "pod"), counted(self.workloads as u64, "workload"));
        let mut text = format!("{pods} of {workloads}; headroom: {}\n", self.headroom);
        if !self.mixes.is_empty() {
            let _ = writeln!(text, "no fleet of these types does with less than {}", self.amount(self.at_least));
        }
        if !self.mixes.is_empty() {
            let headers = ["NODES", "MIX", "AN HOUR", "A MONTH", "AT LEAST", "GAP", "CHECKED"];
            let mut lines = Table::new(headers);
            self.mixes.iter().for_each(|mix| lines.add(self.cells(mix)));
            let _ = write!(text, "\n{}", table(&lines));
        }
        if !self.refused.is_empty() || !self.notes.is_empty() {
            text.push('\n');
        }
        for RefusedLine { of_types, why } in &self.refused {
            let _ = writeln!(text, "no mix of {}: {why}", of_types.join(", "));
        }
        self.notes.iter().for_each(|note| {
            let _ = writeln!(text, "note: {note}");
        });
        text
    }

    /// Of what is to be small.
    fn amount(&self, amount: f64) -> String {
        if self.objective == "nodes" { counted(amount as u64, "node") } else { format!("{amount:.4} an hour") }
    }

    fn cells(&self, mix: &MixLine) -> [String; 7] {
        let of_type = |(name, count): (&String, &u32)| format!("{count} {name}");
        let checked = Checked { losses: mix.losses_tried, all: mix.all_losses_tried };
        [
            mix.nodes.to_string(),
            mix.nodes_by_type.iter().map(of_type).collect::<Vec<_>>().join(", "),
            mix.price_per_hour.map_or("-".to_owned(), |price| format!("{price:.4}")),
            mix.price_per_month.map_or("-".to_owned(), |price| format!("{price:.2}")),
            self.amount(mix.at_least),
            format!("{:.1}%", mix.gap_percent),
            match checked {
                Checked { losses: 0, .. } => "all pods placed".to_owned(),
                Checked { losses, all: true } => counted(losses as u64, "loss"),
                Checked { losses, all: false } => format!("{losses} losses, of the fullest nodes"),
            },
        ]
    }
}
