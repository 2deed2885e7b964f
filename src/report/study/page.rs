//! The page itself: what was run, the comparison, the plots.

use std::io;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::plots::{Plot, bars, curves, moments};
use super::{StudyPage, WorkloadFigures, compare, plots};
use crate::report::chart::{self, figures};
use crate::report::html::{STYLE, THEME};

const STUDY_STYLE: &str = include_str!("study.css");

/// Writes the page of a study.
///
/// # Errors
/// What the writer refuses.
pub fn write_study_page(study: &StudyPage, out: &mut dyn io::Write) -> io::Result<()> {
    out.write_all(chart::clean(&page_of(study).into_string()).as_bytes())
}

fn page_of(study: &StudyPage) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (study.title) " · wavetank" }
                style { (PreEscaped(STYLE)) (PreEscaped(chart::PAGE_STYLE)) (PreEscaped(STUDY_STYLE)) }
            }
            body class="study" {
                main {
                    (head(study))
                    (nav(study))
                    @if study.workloads.len() > 1 { (overview(study)) }
                    @for (number, workload) in study.workloads.iter().enumerate() { (section(number, workload)) }
                    @if study.workloads.is_empty() { p class="none" { "No workload was studied." } }
                }
                script { (PreEscaped(THEME)) }
            }
        }
    }
}

fn head(study: &StudyPage) -> Markup {
    let mut policies: Vec<&str> = Vec::new();
    for name in study.workloads.iter().flat_map(|workload| &workload.policies) {
        if !policies.contains(&name.as_str()) {
            policies.push(name);
        }
    }
    html! {
        header {
            div class="name" {
                h1 { (study.title) }
                @if !study.about.is_empty() { p { (study.about) } }
            }
            button id="theme" type="button" title="Light or dark" aria-label="Light or dark" hidden { "◐" }
        }
        dl class="facts" {
            dt { "Command" } dd { code { (study.command) } }
            dt { "Seeds" } dd { (study.seeds) }
            dt { "Policies" } dd { (policies.join(", ")) }
            dt { "Intervals" } dd { (study.intervals) }
            @for note in &study.notes { dt { "Note" } dd { (note) } }
        }
        p class="doc" {
            "The best mean of a measure is in " b { "bold" } ". " abbr class="tie" { "≈" } " marks what cannot be told apart from it: \
             its paired difference to the best, seed by seed, is not significant. Bands and whiskers are the intervals. Below each plot \
             its figures can be unfolded; the name under it is that of its file."
        }
    }
}

fn nav(study: &StudyPage) -> Markup {
    html! {
        @if study.workloads.len() > 1 {
            nav aria-label="Workloads" {
                a href="#overview" { "All workloads" }
                @for (number, workload) in study.workloads.iter().enumerate() { a href=(format!("#workload-{number}")) { (workload.name) } }
            }
        }
    }
}

fn overview(study: &StudyPage) -> Markup {
    html! {
        section id="overview" {
            h2 { "All workloads" }
            (compare::overview(study))
            div class="panels" { @if let Some(plot) = plots::overview(study) { (figure(&plot)) } }
        }
    }
}

fn section(number: usize, workload: &WorkloadFigures) -> Markup {
    let parts = [
        ("Curves with their bands", curves(workload)),
        ("Measures with their intervals", bars(workload)),
        ("Nodes", moments(workload)),
    ];
    html! {
        section id=(format!("workload-{number}")) {
            h2 { (workload.name) }
            @if !workload.about.is_empty() { p class="doc" { (workload.about) } }
            @if workload.measures.is_empty() { p class="none" { "Nothing was measured." } } @else { (compare::comparison(workload)) }
            @for (title, plots) in &parts {
                @if !plots.is_empty() {
                    h3 { (title) }
                    div class="panels" { @for plot in plots { (figure(plot)) } }
                }
            }
        }
    }
}

fn figure(plot: &Plot) -> Markup {
    html! {
        figure class="panel" {
            figcaption { b { (plot.caption) } }
            (plot.chart.in_page())
            details {
                summary { "Figures " small { (plot.file) ".svg" } }
                (figures(&plot.chart))
            }
        }
    }
}
