//! How much of each node is asked for.

use std::sync::Arc;

use super::{Body, Curve, Curves, HeatRow, Panel, PlotEntry, PlotInput, Tone, Unit};
use crate::kernel::Time;
use crate::report::cost::by_pool;
use crate::sim::Load;

/// The plot.
pub(super) const ENTRY: PlotEntry = PlotEntry {
    name: "node-utilisation",
    title: "Utilisation by node",
    doc: "What the pods bound to a node request, in percent of what the node has allocatable. A node is a row of \
          colours, by pool; few nodes have a curve each beside it, of very many some are shown, at even distances.",
    draw,
};

/// Up to how many nodes have a curve each.
const CURVES: usize = 7;
/// How many rows a heat map has at most.
const ROWS: usize = 120;

type Columns = Vec<(Time, Arc<[Load]>)>;
type Part = (&'static str, fn(&Load) -> u8);

const PARTS: [Part; 2] =
    [("CPU requested, % of allocatable", |load| load.cpu), ("Memory requested, % of allocatable", |load| load.memory)];

/// A node: its pool, its name, its place in the columns.
struct Row<'a> {
    pool: &'a str,
    name: &'a str,
    place: usize,
}

fn draw(input: &PlotInput<'_>) -> Vec<Panel> {
    let columns = input.sim.tally().usage.loads();
    let nodes = by_pool(&input.sim.tally().usage, input.machines);
    let rows: Vec<Row> =
        nodes.iter().map(|(pool, place, node)| Row { pool, name: &node.name, place: *place }).collect();
    if columns.is_empty() || rows.is_empty() {
        return Vec::new();
    }
    let panel = |part: &Part, (body, note)| Panel { title: part.0.to_owned(), note, unit: Unit::Percent, body };
    let few = rows.len() <= CURVES;
    let lines = |part: &Part| panel(part, (Body::Lines(curves(&columns, &rows, part.1)), String::new()));
    let heats = |part: &Part| panel(part, heat(&columns, &rows, part.1));
    PARTS.iter().filter(|_| few).map(lines).chain(PARTS.iter().map(heats)).collect()
}

/// The load of a node in a column; `None`: there is no such Node then.
fn load(column: &[Load], place: usize, of: fn(&Load) -> u8) -> Option<u8> {
    column.get(place).filter(|load| **load != Load::NONE).map(of)
}

fn curves(columns: &Columns, rows: &[Row<'_>], of: fn(&Load) -> u8) -> Curves {
    let curve = |(row, tone): (&Row<'_>, Tone)| Curve {
        name: row.name.to_owned(),
        tone,
        values: columns.iter().map(|(_, column)| f64::from(load(column, row.place, of).unwrap_or(0))).collect(),
    };
    let times = columns.iter().map(|(at, _)| *at).collect();
    Curves { times, curves: rows.iter().zip(Tone::IN_TURN).map(curve).collect() }
}

fn heat(columns: &Columns, rows: &[Row<'_>], of: fn(&Load) -> u8) -> (Body, String) {
    let step = rows.len().div_ceil(ROWS);
    let shown = rows.iter().step_by(step).map(|row| {
        let mut runs: Vec<(Time, Option<u8>)> = Vec::new();
        for (at, column) in columns {
            let load = load(column, row.place, of);
            if runs.last().is_none_or(|(_, last)| *last != load) {
                runs.push((*at, load));
            }
        }
        HeatRow { name: row.name.to_owned(), group: row.pool.to_owned(), runs }
    });
    let shown: Vec<HeatRow> = shown.collect();
    let note = match step {
        1 => format!("{} nodes", rows.len()),
        _ => format!("{} of {} nodes: one in {step}", shown.len(), rows.len()),
    };
    (Body::Heat(shown), note)
}
