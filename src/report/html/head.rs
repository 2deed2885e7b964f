//! The head of the page: the verdict, what was expected and what was seen, the figures that sum the run up.

use maud::{Markup, html};

use super::Page;
use super::axis::instant;
use crate::api::Name;
use crate::kernel::{Span, Time};
use crate::report::{ExpectationLine, FailedActionLine, ViolationLine, WorkloadLine, counted};
use crate::sim::{Happening, HappeningKind};

pub(super) fn head(page: &Page<'_>) -> Markup {
    let summary = page.summary;
    html! {
        header {
            div class="name" {
                h1 { (summary.scenario) }
                p { "seed " (summary.seed) " · simulated " (instant(page.sim.now())) " · " (summary.ended) }
            }
            button id="theme" type="button" title="Light or dark" aria-label="Light or dark" hidden { "◐" }
        }
        (verdict(page))
        (tiles(page))
        (expectations(page))
        dl class="facts" {
            dt { "Repeat" } dd { code class="copy" { (summary.repeat) } }
            dt { "Digest" } dd { code { (summary.digest) } }
            dt { "Events" } dd { (summary.events) " handled, " (summary.journal_entries) " entries of the journal" }
        }
    }
}

/// Something that had to hold, and what became of it: an expectation, an action that failed, an invariant that broke.
struct Judged {
    is_met: bool,
    what: String,
    at: String,
    seen: String,
}

/// All that the verdict is made of. An action that failed and may is told, as one that did what it should.
fn judged(page: &Page<'_>) -> Vec<Judged> {
    let summary = page.summary;
    let of_expectation = |line: &ExpectationLine| Judged {
        is_met: line.met,
        what: line.expectation.clone(),
        at: line.decided_at_seconds.map_or_else(|| "never".to_owned(), rounded),
        seen: if line.detail.is_empty() && line.met { "as expected".to_owned() } else { line.detail.clone() },
    };
    let of_action = |line: &FailedActionLine| Judged {
        is_met: line.may_fail,
        what: format!("{} {}", line.place, if line.may_fail { "may fail" } else { "succeeds" }),
        at: rounded(line.at_seconds),
        seen: line.errors.iter().map(Name::as_str).collect::<Vec<_>>().join(" "),
    };
    let of_violation = |line: &ViolationLine| Judged {
        is_met: false,
        what: format!("invariant {}", line.invariant),
        at: rounded(line.at_seconds),
        seen: format!(
            "{}: {} (×{}; the first by entry {} of the journal)",
            line.object, line.message, line.count, line.cause
        ),
    };
    let expectations = summary.expectations.iter().map(of_expectation);
    let actions = summary.failed_actions.iter().map(of_action);
    expectations.chain(actions).chain(summary.violations.iter().map(of_violation)).collect()
}

fn verdict(page: &Page<'_>) -> Markup {
    let summary = page.summary;
    let (all, failed) = (summary.expectations.len(), summary.expectations.iter().filter(|line| !line.met).count());
    let actions = summary.failed_actions.iter().filter(|line| !line.may_fail).count();
    let mut words = match (all, failed) {
        (0, _) => vec!["Nothing was expected".to_owned()],
        (1, 0) => vec!["The expectation was met".to_owned()],
        (_, 0) => vec![format!("All {all} expectations were met")],
        (_, _) => vec![format!("{failed} of {} not met", counted(all as u64, "expectation"))],
    };
    if actions > 0 {
        words.push(format!("{} failed", counted(actions as u64, "action")));
    }
    if !summary.violations.is_empty() {
        words.push(format!("{} violated", counted(summary.violations.len() as u64, "invariant")));
    }
    let (class, sign) = match (summary.met, all) {
        (true, 0) => ("plain", "–"),
        (true, _) => ("met", "✓"),
        (false, _) => ("failed", "✗"),
    };
    html! {
        div class=(format!("verdict {class}")) {
            span class="sign" aria-hidden="true" { (sign) }
            div { strong { (words.join(", ")) } (first_sign(page)) }
        }
    }
}

/// When anyone could first have seen that something is wrong, and how long that was before the first failure.
fn first_sign(page: &Page<'_>) -> Markup {
    let of_unsettled = if page.summary.met { None } else { first_of_unsettled(page) };
    let Some(first) = of_unsettled.or(page.sim.tally().happenings.first_warning()) else {
        return html! { p { "No Warning was raised at any time." } };
    };
    let name = format!("{}/{}", page.sim.store().info(first.object_kind).singular, first.name);
    let failures = page.summary.expectations.iter().filter(|line| !line.met).filter_map(|line| line.decided_at_seconds);
    let lead = failures.min_by(f64::total_cmp).map(|at| at - first.first.since(Time::ZERO).as_secs_f64());
    html! {
        p {
            @if of_unsettled.is_some() { "First sign of what is unsettled: " } @else { "First Warning: " }
            b { (first.reason) } " on " (name) " at " b { (instant(first.first)) }
            @if let Some(lead) = lead.filter(|lead| *lead > 0.0) {
                ", " (rounded(lead)) " before the first expectation had failed"
            }
            ". " span class="quiet" { (first.message) }
        }
    }
}

/// The first Warning about a workload that is not settled at the end, or about one of its pods, by their names.
fn first_of_unsettled<'a>(page: &Page<'a>) -> Option<&'a Happening> {
    let unsettled: Vec<&WorkloadLine> = page.summary.workloads.iter().filter(|line| !line.is_settled()).collect();
    let concerns = |happening: &&Happening| {
        let is_of = |line: &&WorkloadLine| {
            let rest = happening.name.strip_prefix(line.name.as_str());
            line.namespace == happening.namespace && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        happening.kind == HappeningKind::Warning && unsettled.iter().any(is_of)
    };
    page.sim.tally().happenings.iter().filter(concerns).min_by_key(|happening| happening.first)
}

fn rounded(seconds: f64) -> String {
    instant(Time::ZERO + Span::from_secs(1).scale(seconds))
}

fn tiles(page: &Page<'_>) -> Markup {
    let summary = page.summary;
    let settled = summary.workloads.iter().filter(|line| line.is_settled()).count();
    let running = summary.pods.by_phase.iter().filter(|(phase, _)| *phase != "Succeeded").map(|(_, n)| n).sum::<u64>();
    let unplaced = page.sim.tally().pods.unscheduled;
    let warnings = page.sim.tally().happenings.iter().filter(|one| one.kind == HappeningKind::Warning);
    let warnings: u64 = warnings.map(|one| one.count).sum();
    html! {
        div class="tiles" {
            (tile("pods ready", &format!("{}/{running}", summary.pods.ready), summary.pods.ready == running))
            (tile("unscheduled pods", &unplaced.to_string(), unplaced == 0))
            (tile("workloads settled", &format!("{settled}/{}", summary.workloads.len()), settled == summary.workloads.len()))
            (tile("nodes ready", &format!("{}/{}", summary.nodes.ready, summary.nodes.total), summary.nodes.ready == summary.nodes.total))
            (tile("warnings", &warnings.to_string(), warnings == 0))
            @if let Some(cost) = &summary.cost {
                @let percent = if cost.total > 0.0 { cost.idle * 100.0 / cost.total } else { 0.0 };
                (tile("cost", &cost.amount(cost.total), true))
                (tile("of it idle", &format!("{percent:.0}%"), true))
            }
        }
    }
}

fn tile(name: &str, value: &str, is_good: bool) -> Markup {
    html! { div class=(if is_good { "tile" } else { "tile bad" }) { b { (value) } span { (name) } } }
}

fn expectations(page: &Page<'_>) -> Markup {
    let lines = judged(page);
    html! {
        @if !lines.is_empty() {
            div class="scroll tall" {
                table id="expectations" {
                    thead { tr { th { "" } th { "Expected" } th { "Decided" } th { "Seen" } } }
                    tbody {
                        @for line in &lines {
                            tr class=(if line.is_met { "met" } else { "failed" }) {
                                td class="sign" title=(if line.is_met { "met" } else { "not met" }) {
                                    (if line.is_met { "✓" } else { "✗" })
                                }
                                td { (line.what) }
                                td class="time" { (line.at) }
                                td { (line.seen) }
                            }
                        }
                    }
                }
            }
        }
    }
}
