//! `report.html`: one page that says whether it fits, whether it converges, what breaks, why, how soon anyone could have
//! seen it, and what it costs.
//!
//! The page holds all that it needs: no other file, nothing from a network. It follows the reader's choice of light and
//! dark and has a button for the other; it reads from 400 pixels of width up. Without scripts it loses the pointer's
//! values and the filters, nothing else. Its size is bounded, whatever the size of the run: curves have about a thousand
//! steps, heat maps some hundred rows, tables some hundred lines, the timeline some thousand rows. The same run gives the
//! same bytes.

mod axis;
mod figure;
mod head;
mod marks;
mod svg;
mod tables;
mod timeline;

use std::io;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use self::figure::Frame;
use self::marks::{Mark, MarkKind};
use super::cost::Machines;
use super::plots::{self, Panel, PlotEntry, PlotInput};
use super::{Summary, action_text};
use crate::kernel::Time;
use crate::sim::{Action, Sim, StrikeRecord};

/// The style sheet of all pages.
pub(super) const STYLE: &str = include_str!("style.css");
/// The button for light and dark.
pub(super) const THEME: &str = include_str!("theme.js");
const SCRIPT: &str = include_str!("page.js");

/// Something that was wrong with the world from one instant to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FaultBand {
    /// What it is called, short.
    pub name: String,
    /// What it is, in a sentence.
    pub detail: String,
    /// When it struck.
    pub from: Time,
    /// When it healed; the end of the run where it did not.
    pub until: Time,
}

/// How many of those that a fault hit are named.
const HITS: usize = 5;

/// The faults of a run, in order of time. What has not ended reaches to the end of the run.
pub fn fault_bands(sim: &Sim) -> Vec<FaultBand> {
    let band = |strike: &StrikeRecord| {
        let named = strike.hits.iter().take(HITS).map(String::as_str).collect::<Vec<_>>().join(", ");
        let detail = match strike.hits.len() {
            0 => "it hit nobody".to_owned(),
            1..=HITS => named,
            all => format!("{named} and {} more", all - HITS),
        };
        let name = match strike.hits.as_slice() {
            [one] => format!("{}: {one}", strike.name),
            [] | [..] => strike.name.to_owned(),
        };
        FaultBand { name, detail, from: strike.from, until: strike.until.unwrap_or(Time::MAX).min(sim.now()) }
    };
    let mut bands: Vec<FaultBand> = sim.strikes().iter().map(band).collect();
    bands.sort_by_key(|band| (band.from, band.until));
    bands
}

/// What the page is made of.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The run, summed up.
    pub summary: &'a Summary,
    /// The simulation as it ended.
    pub sim: &'a Sim,
    /// The machines by pool.
    pub machines: &'a [Machines],
    /// The faults, in order of time.
    pub faults: &'a [FaultBand],
}

/// Writes the page.
///
/// # Errors
/// What the writer refuses.
pub fn write_page(page: &Page<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    out.write_all(page_of(page).into_string().as_bytes())
}

fn page_of(page: &Page<'_>) -> Markup {
    let end = page.sim.now();
    let frame = Frame::new(end, &marks(page));
    let input = PlotInput { sim: page.sim, machines: page.machines };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.summary.scenario) " · wavetank" }
                style { (PreEscaped(STYLE)) }
            }
            body data-end=(end.nanos() / 1_000_000) {
                main {
                    (head::head(page))
                    (nav(page))
                    @for entry in plots::ALL { (plot(entry, &frame, &(entry.draw)(&input))) }
                    (tables::workloads(page))
                    (tables::pods(page))
                    (tables::nodes(page))
                    (tables::cost(page))
                    (timeline::timeline(page))
                    (tables::requests(page))
                }
                script { (PreEscaped(THEME)) (PreEscaped(SCRIPT)) }
            }
        }
    }
}

fn nav(page: &Page<'_>) -> Markup {
    let tables = [("workloads", "Workloads"), ("pods", "Pods that are not ready"), ("nodes", "Nodes")];
    html! {
        nav {
            @for entry in plots::ALL { a href=(format!("#{}", entry.name)) { (entry.title) } }
            @for (anchor, title) in tables { a href=(format!("#{anchor}")) { (title) } }
            @if page.summary.cost.is_some() { a href="#cost" { "Cost" } }
            a href="#timeline" { "Timeline" }
            a href="#requests" { "Requests" }
        }
    }
}

fn plot(entry: &PlotEntry, frame: &Frame, panels: &[Panel]) -> Markup {
    html! {
        section id=(entry.name) {
            h2 { (entry.title) }
            p class="doc" { (entry.doc) }
            @if panels.is_empty() { p class="none" { "There is nothing to show." } } @else {
                div class=(if panels.len() > 4 { "panels many" } else { "panels" }) { @for panel in panels { (frame.figure(panel)) } }
            }
        }
    }
}

/// The faults, and the actions that were begun after the start.
fn marks(page: &Page<'_>) -> Vec<Mark> {
    let end = page.sim.now();
    let of_fault = |fault: &FaultBand| Mark {
        name: fault.name.clone(),
        detail: format!(
            "{} ({}), {} to {}",
            fault.name,
            fault.detail,
            axis::instant(fault.from),
            axis::instant(fault.until)
        ),
        from: fault.from.min(end),
        until: fault.until.min(end),
        kind: MarkKind::Fault,
    };
    let begun = page.sim.timeline().iter().filter(|timed| timed.at > Time::ZERO && timed.at <= end);
    let shown = begun.filter(|timed| !matches!(timed.action, Action::DefineKind(_)));
    let of_action = |timed: &crate::sim::TimedAction| Mark {
        name: action_text(&timed.action, page.sim.store()),
        detail: format!("{} at {}", action_text(&timed.action, page.sim.store()), axis::instant(timed.at)),
        from: timed.at,
        until: timed.at,
        kind: MarkKind::Action,
    };
    let mut marks: Vec<Mark> = page.faults.iter().map(of_fault).chain(shown.map(of_action)).collect();
    marks.sort_by_key(|mark| (mark.from, mark.until));
    marks
}
