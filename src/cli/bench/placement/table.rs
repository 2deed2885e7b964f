//! What a study prints: for each workload a line a policy, the best in its column marked.

use super::load::Loaded;
use crate::bench::placement::{Arrivals, Figures, GroupLimits, Record, results};
use crate::bench::stats::{Summary, mean_ranks};
use crate::report::Table;

/// A column: its header, whether high values are good, and the values of each policy, by seed.
struct Column {
    header: String,
    higher: Option<bool>,
    values: Vec<Vec<f64>>,
    /// What nobody can do better than.
    bound: Option<f64>,
}

/// The tables of all workloads.
pub(super) fn text(loaded: &Loaded<'_>, records: &[Record], limits: &[GroupLimits], is_markdown: bool) -> String {
    let study = &loaded.study;
    let mut text = String::new();
    for (group, limits) in results::lines(study, records).chunks(study.policies.len()).zip(limits) {
        let name = results::workload_name(study, group[0].workload, group[0].conditions);
        if !text.is_empty() {
            text.push('\n');
        }
        text += &if is_markdown { format!("**{name}**\n\n") } else { format!("{name}\n") };
        let columns = columns(loaded, group, limits);
        let headers = std::iter::once("POLICY".to_owned()).chain(columns.iter().map(|column| column.header.clone()));
        let rank = columns.first().and_then(|first| Some(mean_ranks(&first.values, first.higher?)));
        let mut table = Table::of_columns(headers.chain(rank.as_ref().map(|_| "RANK".to_owned())).collect());
        for (place, line) in group.iter().enumerate() {
            let cells = columns.iter().map(|column| cell(loaded, column, place, is_markdown));
            let rank = rank.as_ref().map(|ranks| format!("{:.2}", ranks[place]));
            let policy = study.policies[line.policy].name().to_owned();
            table.add_cells(std::iter::once(policy).chain(cells).chain(rank).collect());
        }
        if columns.iter().any(|column| column.bound.is_some()) {
            let bound = |column: &Column| column.bound.map_or(String::new(), |bound| format!("{bound:.2}"));
            let rank = rank.iter().map(|_| String::new());
            table.add_cells(
                std::iter::once("(bound)".to_owned()).chain(columns.iter().map(bound)).chain(rank).collect(),
            );
        }
        text += &if is_markdown { table.markdown() } else { table.to_string() };
    }
    text
}

fn columns(loaded: &Loaded<'_>, group: &[results::Line<'_>], limits: &GroupLimits) -> Vec<Column> {
    let conditions = &loaded.study.conditions[group[0].conditions];
    let mut columns = Vec::new();
    let has_cards = loaded.study.workloads[group[0].workload].source.has_cards();
    let (measure, what) = if has_cards { (0, "GPU") } else { (3, "CPU") };
    if let Arrivals::Inflated(times) = conditions.arrivals {
        let end = (times * 100.0).round() as u64;
        let mut at = |point: u64, measure: usize, header: String, higher: bool| {
            let values: Vec<Vec<f64>> =
                group.iter().map(|line| results::at_point(line.records, point, measure)).collect();
            if values.iter().all(|values| !values.is_empty()) {
                let bound = if higher { limits.at_point(point) } else { None };
                columns.push(Column { header, higher: Some(higher), values, bound });
            }
        };
        for point in [100, end] {
            if point == 100 || end != 100 {
                at(point, measure, format!("{what} % AT {point} %"), true);
            }
        }
        if has_cards {
            at(100, 1, "FRAGMENTATION % AT 100 %".to_owned(), false);
        }
    }
    let shown: &[(&str, &str)] = match conditions.arrivals {
        Arrivals::Inflated(_) => &[("nodes_used", "NODES USED"), ("rejected", "REJECTED")],
        Arrivals::AsRecorded if has_cards => &[("mean_alloc_gpu_pct", "MEAN GPU %"), ("mean_nodes_used", "MEAN NODES")],
        Arrivals::AsRecorded => &[("mean_alloc_cpu_pct", "MEAN CPU %"), ("mean_nodes_used", "MEAN NODES")],
    };
    let waits: &[(&str, &str)] = match conditions.arrivals {
        Arrivals::Inflated(_) => &[],
        Arrivals::AsRecorded => &[
            ("rejected", "REJECTED"),
            ("waiting", "STILL WAITING"),
            ("wait_p95_seconds", "WAIT P95 S"),
            ("migrations", "MIGRATIONS"),
        ],
    };
    for (name, header) in shown.iter().chain(waits) {
        let Some(figure) = Figures::NAMES.iter().position(|(known, _)| known == name) else { continue };
        let values = group.iter().map(|line| results::figure_values(line.records, figure)).collect();
        let bound = limits.figure(name, conditions, has_cards);
        columns.push(Column { header: (*header).to_owned(), higher: results::better(name), values, bound });
    }
    columns
}

/// `95.29 ±0.07`, and `*` where no other mean is better; bold in Markdown.
fn cell(loaded: &Loaded<'_>, column: &Column, place: usize, is_markdown: bool) -> String {
    let values = &column.values[place];
    let mean = Summary::of(values).mean;
    let interval = loaded.method.interval(values, loaded.level);
    let text = match values.len() {
        1 => format!("{mean:.2}"),
        _ => format!("{mean:.2} ±{:.2}", (interval.high - interval.low) / 2.0),
    };
    let is_best = column.higher.is_some_and(|higher| {
        column.values.len() > 1 && Summary::of(&column.values[results::best_of(&column.values, higher)]).mean == mean
    });
    match (is_best, is_markdown) {
        (true, true) => format!("**{text}**"),
        (true, false) => format!("{text} *"),
        (false, _) => text,
    }
}
