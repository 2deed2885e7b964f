//! What happened when: Kubernetes Events worth a look, actions with what they printed, faults, what became of nodes.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::axis::instant;
use super::{FaultBand, Page};
use crate::kernel::Time;
use crate::report::action_text;
use crate::sim::{Action, Happening, HappeningKind, Tone};

/// How many rows there are at most.
const ROWS: usize = 1_500;
/// How many lines of what an action printed are shown.
const PRINTED: usize = 12;

/// What a row tells of. Where there is no room for all, those that come first here stay.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum RowKind {
    Fault,
    Action,
    Node,
    Warning,
    Normal,
}

impl RowKind {
    fn word(self) -> &'static str {
        match self {
            RowKind::Fault => "fault",
            RowKind::Action => "action",
            RowKind::Node => "node",
            RowKind::Warning => "warning",
            RowKind::Normal => "event",
        }
    }
}

struct Row {
    at: Time,
    until: Time,
    count: u64,
    kind: RowKind,
    namespace: String,
    object: String,
    reason: String,
    text: String,
    /// Lines below the text, and whether each says that something failed.
    lines: Vec<(String, bool)>,
}

pub(super) fn timeline(page: &Page<'_>) -> Markup {
    let (rows, left_out) = rows(page);
    let kinds: BTreeSet<RowKind> = rows.iter().map(|row| row.kind).collect();
    let namespaces: BTreeSet<&str> =
        rows.iter().map(|row| row.namespace.as_str()).filter(|name| !name.is_empty()).collect();
    html! {
        section id="timeline" {
            h2 { "Timeline" }
            p class="doc" {
                "Kubernetes Events but the routine ones (scheduling, pulling, creation, start, stop of each pod), actions \
                 of the timeline with what they printed, faults, and what became of nodes. What repeats itself is one row."
                @if left_out > 0 { " " (left_out) " more are not shown." }
            }
            @if rows.is_empty() {
                p class="none" { "Nothing of note happened." }
            } @else {
                div class="filters" {
                    input id="filter-text" type="search" placeholder="Filter by text" aria-label="Filter by text";
                    select id="filter-namespace" aria-label="Namespace" {
                        option value="" { "all namespaces" }
                        @for name in &namespaces { option value=(name) { (name) } }
                    }
                    @for kind in &kinds {
                        label {
                            input type="checkbox" class="filter-kind" value=(kind.word()) checked;
                            span class=(format!("kind {}", kind.word())) { (kind.word()) }
                        }
                    }
                    output id="filter-count" {}
                }
                (table(&rows))
            }
        }
    }
}

fn table(rows: &[Row]) -> Markup {
    html! {
        div class="scroll tall" {
            table id="events" {
                thead { tr { th { "Time" } th { "Kind" } th { "Object" } th { "Reason" } th { "Message" } } }
                tbody {
                    @for row in rows {
                        tr data-kind=(row.kind.word()) data-namespace=(row.namespace) data-at=(row.at.nanos() / 1_000_000) {
                            td class="time" {
                                (instant(row.at))
                                @if row.count > 1 {
                                    small { "×" (row.count) @if row.until > row.at { " until " (instant(row.until)) } }
                                }
                            }
                            td { span class=(format!("kind {}", row.kind.word())) { (row.kind.word()) } }
                            td class="object" {
                                (row.object)
                                @if !row.namespace.is_empty() { small { (row.namespace) } }
                            }
                            td class="reason" { (row.reason) }
                            td class="message" {
                                (row.text)
                                @for (line, is_error) in &row.lines {
                                    code class=[is_error.then_some("error")] { (line) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The rows in order of time, and how many there is no room for.
fn rows(page: &Page<'_>) -> (Vec<Row>, u64) {
    let happenings = &page.sim.tally().happenings;
    let mut rows: Vec<Row> = page.faults.iter().map(|fault| of_fault(fault, page.sim.now())).collect();
    rows.extend(of_actions(page));
    rows.extend(happenings.iter().map(|happening| of_happening(page, happening)));
    rows.sort_by_key(|row| (row.kind, row.at));
    let left_out = rows.len().saturating_sub(ROWS) as u64 + happenings.left_out();
    rows.truncate(ROWS);
    rows.sort_by_key(|row| (row.at, row.kind));
    (rows, left_out)
}

fn of_fault(fault: &FaultBand, end: Time) -> Row {
    let until = fault.until.min(end);
    let lasted = match fault.until {
        until if until >= end => "it lasted to the end of the run".to_owned(),
        until => format!("until {}, for {}", instant(until), until.since(fault.from)),
    };
    Row {
        at: fault.from,
        until,
        count: 1,
        kind: RowKind::Fault,
        namespace: String::new(),
        object: String::new(),
        reason: fault.name.clone(),
        text: format!("{} ({lasted})", fault.detail),
        lines: Vec::new(),
    }
}

fn of_happening(page: &Page<'_>, happening: &Happening) -> Row {
    Row {
        at: happening.first,
        until: happening.last,
        count: happening.count,
        kind: match happening.kind {
            HappeningKind::Warning => RowKind::Warning,
            HappeningKind::Normal => RowKind::Normal,
            HappeningKind::Node => RowKind::Node,
        },
        namespace: happening.namespace.to_string(),
        object: format!("{}/{}", page.sim.store().info(happening.object_kind).singular, happening.name),
        reason: happening.reason.to_string(),
        text: happening.message.to_string(),
        lines: Vec::new(),
    }
}

fn of_actions(page: &Page<'_>) -> Vec<Row> {
    let mut printed: BTreeMap<u32, Vec<(String, bool)>> = BTreeMap::new();
    for line in page.sim.parts().user.printed() {
        printed.entry(line.number).or_default().push((line.text.to_string(), line.tone == Tone::Error));
    }
    let has_begun = |(_, timed): &(usize, &crate::sim::TimedAction)| timed.at <= page.sim.now();
    let row = |(number, timed): (usize, &crate::sim::TimedAction)| {
        let mut lines = printed.remove(&(number as u32)).unwrap_or_default();
        let more = lines.len().saturating_sub(PRINTED);
        if more > 0 {
            // What failed is said in any case, up to as many lines again.
            let (first, rest) = lines.split_at(PRINTED);
            let failed = rest.iter().filter(|(_, is_error)| *is_error).take(PRINTED);
            lines = first.iter().chain(failed).cloned().collect();
            lines.push((format!("… of {} lines", PRINTED + more), false));
        }
        Row {
            at: timed.at,
            until: timed.at,
            count: 1,
            kind: RowKind::Action,
            namespace: namespace_of(&timed.action),
            object: String::new(),
            reason: "kubectl".to_owned(),
            text: action_text(&timed.action, page.sim.store()),
            lines,
        }
    };
    page.sim.timeline().iter().enumerate().filter(has_begun).map(row).collect()
}

fn namespace_of(action: &Action) -> String {
    match action {
        Action::Delete { resource, .. }
        | Action::Scale { resource, .. }
        | Action::Patch { resource, .. }
        | Action::SetImage { resource, .. }
        | Action::RolloutUndo { resource, .. }
        | Action::RolloutPause { resource, .. }
        | Action::RolloutHistory { resource, .. }
        | Action::RolloutStatus { resource }
        | Action::RolloutRestart { resource } => resource.namespace.to_string(),
        Action::Apply(_) | Action::Create(_) | Action::DefineKind(_) | Action::Cordon { .. } | Action::Drain { .. } => {
            String::new()
        }
    }
}
