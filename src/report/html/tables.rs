//! The tables of the page: workloads, nodes, pods that are not ready, requests by client, cost.

use std::collections::BTreeSet;
use std::sync::Arc;

use maud::{Markup, html};

use super::Page;
use super::axis::number;
use crate::api::resources::Resources;
use crate::api::{Kind, Node, Obj, Object};
use crate::kernel::Time;
use crate::report::cost::by_pool;
use crate::report::nodes::{cpu, memory, node_status};
use crate::report::pods::pods_not_ready;
use crate::report::{WorkloadLine, human_duration};
use crate::sim::NodeUse;

/// How many workloads and pods are shown.
const SHOWN: usize = 200;
/// How many nodes are shown.
const NODES: usize = 100;

pub(super) fn workloads(page: &Page<'_>) -> Markup {
    let all = &page.summary.workloads;
    // Those that are not settled first; a stable sort keeps the order by name.
    let mut lines: Vec<&WorkloadLine> = all.iter().collect();
    lines.sort_by_key(|line| line.is_settled());
    html! {
        section id="workloads" {
            h2 { "Workloads" }
            @if all.is_empty() { p class="none" { "There are none." } } @else {
                div class="scroll tall" {
                    table {
                        thead { tr { th { "Namespace" } th { "Name" } th { "Kind" } th { "Ready" } th { "Up to date" } th { "Available" } th { "Age" } } }
                        tbody {
                            @for line in lines.iter().take(SHOWN) {
                                tr class=[(!line.is_settled()).then_some("bad")] {
                                    td class="name" { (line.namespace) } td class="name" { (line.name) } td { (line.kind) }
                                    td class="number" { (line.ready) "/" (line.desired) }
                                    td class="number" { (line.up_to_date) }
                                    td class="number" { (line.available) }
                                    td class="number" { (human_duration(line.age_seconds)) }
                                }
                            }
                        }
                    }
                }
                (more(all.len(), SHOWN))
            }
        }
    }
}

pub(super) fn pods(page: &Page<'_>) -> Markup {
    let now = page.sim.clock().timestamp(page.sim.now());
    let (lines, total) = pods_not_ready(page.sim.store(), now, SHOWN);
    html! {
        section id="pods" {
            h2 { "Pods that are not ready" }
            @if lines.is_empty() { p class="none" { "All pods are ready, or have ended well." } } @else {
                div class="scroll tall" {
                    table {
                        thead { tr { th { "Namespace" } th { "Name, and why" } th { "Ready" } th { "Status" } th { "Restarts" } th { "Age" } th { "Node" } } }
                        tbody {
                            @for line in &lines {
                                tr {
                                    td class="name" { (line.namespace) }
                                    td class="why" { b { (line.name) } small { (line.message) } }
                                    td class="number" { (line.ready_containers) "/" (line.containers) }
                                    td { (line.status) }
                                    td class="number" { (line.restarts) }
                                    td class="number" { (human_duration(line.age_seconds)) }
                                    td class="name" { (if line.node.is_empty() { "none" } else { line.node.as_str() }) }
                                }
                            }
                        }
                    }
                }
                (more(total, SHOWN))
            }
        }
    }
}

/// A node with its pool and its object.
type NodeRow<'a> = (&'a str, &'a NodeUse, Option<Arc<Obj<Node>>>);

pub(super) fn nodes(page: &Page<'_>) -> Markup {
    let store = page.sim.store();
    let node = |of: &NodeUse| store.by_name(Kind::Node, "", &of.name).and_then(Object::get::<Node>).cloned();
    let rows = by_pool(&page.sim.tally().usage, page.machines);
    let mut lines: Vec<NodeRow<'_>> = rows.into_iter().map(|(pool, _, used)| (pool, used, node(used))).collect();
    let is_well =
        |line: &NodeRow<'_>| line.2.as_ref().is_some_and(|node| node.body.is_ready() && !node.body.is_unschedulable());
    // Those that are not well first; a stable sort keeps the order of pools.
    lines.sort_by_key(&is_well);
    html! {
        section id="nodes" {
            h2 { "Nodes" }
            p class="doc" { "Requests at the end of the run. Idle: what nobody asked for of the dominant resource, over the whole run." }
            @if lines.is_empty() { p class="none" { "There are none." } } @else {
                div class="scroll tall" {
                    table {
                        thead { tr { th { "Name" } th { "Pool" } th { "Status" } th { "Pods" } th { "CPU requested" } th { "Memory requested" } th { "Other requests" } th { "Idle" } } }
                        tbody {
                            @for line in lines.iter().take(NODES) {
                                @let (pool, row, node) = line;
                                @let (asked, offered) = (&row.requested, &row.allocatable);
                                tr class=[(!is_well(line)).then_some("bad")] {
                                    td class="name" { (row.name) } td class="name" { (pool) }
                                    td { (node.as_ref().map_or("gone".into(), |node| node_status(&node.body))) }
                                    td class="number" { (asked.pods) "/" (offered.pods) }
                                    td class="amount" { (bar(asked.milli_cpu, offered.milli_cpu)) (cpu(asked.milli_cpu)) " of " (cpu(offered.milli_cpu)) }
                                    td class="amount" { (bar(asked.memory, offered.memory)) (memory(asked.memory)) " of " (memory(offered.memory)) }
                                    td { (others(asked, offered)) }
                                    td class="number" { (idle(row, page.sim.now())) }
                                }
                            }
                        }
                    }
                }
                (more(lines.len(), NODES))
            }
        }
    }
}

fn idle(row: &NodeUse, now: Time) -> String {
    let (taken, whole) = (row.taken_until(now).as_secs_f64(), now.since(Time::ZERO).as_secs_f64());
    if whole > 0.0 { format!("{:.0}%", (1.0 - taken / whole).max(0.0) * 100.0) } else { String::new() }
}

/// Extended resources, hugepages and the like, where any is offered or asked for.
fn others(asked: &Resources, offered: &Resources) -> String {
    let names: BTreeSet<_> =
        asked.scalar.iter().filter(|(_, n)| **n != 0).chain(&offered.scalar).map(|(name, _)| name).collect();
    let amount = |list: &Resources, name| list.scalar.get(name).copied().unwrap_or(0);
    let texts = names.iter().map(|name| format!("{name} {} of {}", amount(asked, *name), amount(offered, *name)));
    texts.collect::<Vec<String>>().join(", ")
}

fn bar(asked: i64, offered: i64) -> Markup {
    let percent = if offered > 0 { asked as f64 * 100.0 / offered as f64 } else { 0.0 };
    html! {
        span class=(if percent > 100.0 { "bar over" } else { "bar" }) title=(format!("{percent:.0}%")) {
            i style=(format!("width:{:.1}%", percent.clamp(0.0, 100.0))) {}
        }
    }
}

pub(super) fn requests(page: &Page<'_>) -> Markup {
    let lines = &page.summary.requests;
    let verbs: BTreeSet<&str> = lines.iter().flat_map(|line| line.by_verb.keys().copied()).collect();
    html! {
        section id="requests" {
            h2 { "Requests by client" }
            @if lines.is_empty() { p class="none" { "There were none." } } @else {
                div class="scroll" {
                    table {
                        thead { tr { th { "Client" } th { "Total" } @for verb in &verbs { th { (verb) } } } }
                        tbody {
                            @for line in lines {
                                tr {
                                    td { (line.client) }
                                    td class="number" { b { (line.total) } }
                                    @for verb in &verbs { td class="number" { (line.by_verb.get(verb).map_or(String::new(), u64::to_string)) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn cost(page: &Page<'_>) -> Markup {
    let Some(cost) = &page.summary.cost else { return html! {} };
    html! {
        section id="cost" {
            h2 { "Cost" }
            p class="doc" {
                "Machines cost from the start of the run to its end. Idle is the part of a machine that nobody asked for: one \
                 less the share of its dominant resource, summed up over time at each change of requests."
            }
            p { "The run " (cost.sentence()) "." }
            div class="scroll" {
                table {
                    thead { tr { th { "Pool" } th { "Machines" } th { "Price an hour" } th { "Machine-hours" } th { "Cost" } th { "Idle" } th { "" } } }
                    tbody {
                        @for pool in &cost.pools {
                            tr {
                                td { (pool.pool) }
                                td class="number" { (pool.machines) }
                                td class="number" { (pool.price_per_hour) }
                                td class="number" { (number(pool.machine_hours)) }
                                td class="number" { (cost.amount(pool.cost)) }
                                td class="number" { (cost.amount(pool.idle)) }
                                td class="amount" { (bar(libm::round(pool.idle_percent) as i64, 100)) (format!("{:.0}% idle", pool.idle_percent)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn more(all: usize, shown: usize) -> Markup {
    html! { @if all > shown { p class="none" { "… and " (all - shown) " more" } } }
}
