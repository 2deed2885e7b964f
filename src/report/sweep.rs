//! The summary of a sweep: one line a run, and one digest over all.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use super::unserved::counted;
use super::{Looks, Table};
use crate::api::Name;

/// An axis of the grid.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AxisLine {
    /// The path, as the scenario has it.
    pub path: String,
    /// Its values.
    pub values: Vec<Value>,
}

/// One run.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SweepLine {
    /// The value of each axis, in the order of the axes.
    pub values: Vec<Value>,
    /// The seed.
    pub seed: u64,
    /// Whether all expectations were met, no action failed that may not, and all invariants held.
    pub met: bool,
    /// The expectations and actions that failed and the invariants that did not hold, in words.
    pub failed: Vec<String>,
    /// When the last `eventually` came true, in seconds since the start; nothing where one did not, or there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub converged_at_seconds: Option<f64>,
    /// How many pods there were at the end.
    pub pods: u64,
    /// How many of them were ready.
    pub ready_pods: u64,
    /// How much simulated time passed.
    pub simulated_seconds: f64,
    /// How many events of the simulation were handled.
    pub events: u64,
    /// The digest of the history.
    pub digest: String,
}

/// The first run that failed.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FirstFailed {
    /// The value of each axis, in the order of the axes.
    pub values: Vec<Value>,
    /// The seed.
    pub seed: u64,
    /// The one command that repeats it.
    pub repeat: String,
}

/// A sweep, summed up. The same files and seeds give the same summary, whatever the number of threads.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SweepSummary {
    /// The digest of the digests of all runs in their order, as 32 hexadecimal digits.
    pub digest: String,
    /// The scenario's name.
    pub scenario: Name,
    /// Whether every run was met.
    pub met: bool,
    /// How many runs there were.
    pub runs: u64,
    /// How many of them failed.
    pub failed: u64,
    /// The axes.
    pub axes: Vec<AxisLine>,
    /// The first run that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_failed: Option<FirstFailed>,
    /// The runs: by axes, the last fastest, then by seed.
    pub results: Vec<SweepLine>,
    /// The command that repeats the sweep.
    pub repeat: String,
}

/// Writes the table and what it comes to.
///
/// # Errors
/// What the writer refuses.
pub fn write_sweep(summary: &SweepSummary, looks: Looks, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{}", table(summary))?;
    writeln!(out)?;
    let runs = counted(summary.runs, "run");
    let signs = |met| looks.verdict(met);
    match (&summary.first_failed, summary.failed) {
        (Some(first), failed) => {
            writeln!(out, "{} {failed} of {runs}", signs(false))?;
            let values = first.values.iter().zip(&summary.axes);
            let values: String = values.map(|(value, axis)| format!("{} {}, ", axis.path, shown(value))).collect();
            writeln!(out, "first that failed: {values}seed {}", first.seed)?;
            writeln!(out, "repeat it with: {}", first.repeat)?;
        }
        (None, _) => writeln!(out, "{} in all {runs}", signs(true))?,
    }
    writeln!(out, "digest {}", summary.digest)?;
    writeln!(out, "repeat all with: {}", summary.repeat)
}

fn table(summary: &SweepSummary) -> Table {
    let any_failed = summary.failed > 0;
    let axes = summary.axes.iter().map(|axis| axis.path.clone());
    let fixed = ["SEED", "MET", "CONVERGED", "READY", "DIGEST"].map(str::to_owned);
    let mut table = Table::of_columns(axes.chain(fixed).chain(any_failed.then(|| "FAILED".to_owned())).collect());
    for line in &summary.results {
        let cells = [
            line.seed.to_string(),
            if line.met { "yes" } else { "no" }.to_owned(),
            line.converged_at_seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.3}s")),
            format!("{}/{}", line.ready_pods, line.pods),
            line.digest.clone(),
        ];
        let failed = any_failed.then(|| line.failed.join("; "));
        table.add_cells(line.values.iter().map(shown).chain(cells).chain(failed).collect());
    }
    table
}

/// A value as a cell has it: texts without quotes.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line(nodes: u64, seed: u64, failed: &[&str]) -> SweepLine {
        SweepLine {
            values: vec![json!(nodes), json!("first")],
            seed,
            met: failed.is_empty(),
            failed: failed.iter().map(|text| (*text).to_owned()).collect(),
            converged_at_seconds: failed.is_empty().then_some(1.25),
            pods: 3,
            ready_pods: 3 - failed.len() as u64,
            simulated_seconds: 60.0,
            events: 100,
            digest: "00ff".into(),
        }
    }

    #[track_caller]
    fn check(results: Vec<SweepLine>, expected: &str) {
        let failed: Vec<&SweepLine> = results.iter().filter(|line| !line.met).collect();
        let first_failed = failed.first().map(|line| FirstFailed {
            values: line.values.clone(),
            seed: line.seed,
            repeat: "wavetank run s.yaml --seed 2".into(),
        });
        let axis = |path: &str, values: Vec<Value>| AxisLine { path: path.into(), values };
        let summary = SweepSummary {
            digest: "0123".into(),
            scenario: "s".into(),
            met: failed.is_empty(),
            runs: results.len() as u64,
            failed: failed.len() as u64,
            axes: vec![axis("nodes.0.count", vec![json!(3)]), axis("tie", vec![json!("first")])],
            first_failed,
            results,
            repeat: "wavetank run s.yaml --seeds 1..2".into(),
        };
        let mut out = Vec::new();
        write_sweep(&summary, Looks::Plain, &mut out).expect("memory takes everything");
        assert_eq!(String::from_utf8(out).expect("a summary is text"), expected);
    }

    #[test]
    fn a_sweep_is_one_table() {
        check(
            vec![line(3, 1, &[]), line(3, 2, &["all pods Ready within 60s"])],
            "\
nodes.0.count   tie     SEED   MET   CONVERGED   READY   DIGEST   FAILED
3               first   1      yes   1.250s      3/3     00ff
3               first   2      no    -           2/3     00ff     all pods Ready within 60s

failed 1 of 2 runs
first that failed: nodes.0.count 3, tie first, seed 2
repeat it with: wavetank run s.yaml --seed 2
digest 0123
repeat all with: wavetank run s.yaml --seeds 1..2
",
        );
        check(
            vec![line(3, 1, &[])],
            "\
nodes.0.count   tie     SEED   MET   CONVERGED   READY   DIGEST
3               first   1      yes   1.250s      3/3     00ff

met in all 1 run
digest 0123
repeat all with: wavetank run s.yaml --seeds 1..2
",
        );
    }
}
