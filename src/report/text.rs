//! The summary as people read it: tables as kubectl prints them, one paragraph each.

use std::io::{self, Write};

use super::unserved::{counted, sentence};
use super::{Summary, custom, events, workloads};

/// How many lines about what actions did are shown; those about what failed are all shown.
const ACTION_LINES: usize = 20;
/// How many strikes of faults are shown.
const FAULT_LINES: usize = 20;

/// What the reader's screen can show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Looks {
    /// Letters and digits: a file, a pipe, a screen that wants no colour.
    Plain,
    /// A terminal: signs and colours.
    Terminal,
}

impl Looks {
    pub(super) fn verdict(self, met: bool) -> &'static str {
        match (self, met) {
            (Looks::Plain, true) => "met",
            (Looks::Plain, false) => "failed",
            (Looks::Terminal, true) => "\u{1b}[32m✓\u{1b}[0m",
            (Looks::Terminal, false) => "\u{1b}[31m✗\u{1b}[0m",
        }
    }
}

/// Writes the whole summary.
///
/// # Errors
/// What the writer refuses.
pub fn write_text(summary: &Summary, looks: Looks, out: &mut dyn Write) -> io::Result<()> {
    write_actions(summary, out)?;
    write_faults(summary, out)?;
    write_workloads(summary, out)?;
    write_custom(summary, out)?;
    write_pods(summary, out)?;
    write_nodes(summary, out)?;
    write_events(summary, out)?;
    if !summary.traffic.is_empty() {
        writeln!(out, "{}", super::traffic::traffic_table(&summary.traffic))?;
    }
    if let Some(cost) = &summary.cost {
        writeln!(out, "{}\n{}", cost.sentence(), cost.table())?;
    }
    if let Some(batch) = &summary.batch {
        writeln!(out, "{}\n", batch.sentence())?;
    }
    if let Some(sentence) = sentence(&summary.unserved) {
        writeln!(out, "{sentence}\n")?;
    }
    if let Some(warning) = custom::warning(&summary.unchecked_rules) {
        writeln!(out, "{warning}\n")?;
    }
    write_expectations(summary, looks, out)?;
    write_violations(summary, looks, out)?;
    writeln!(
        out,
        "ended after {} s simulated, {}: {}",
        summary.simulated_seconds,
        counted(summary.events, "event"),
        summary.ended
    )?;
    writeln!(out, "digest {}", summary.digest)?;
    writeln!(out, "repeat with: {}", summary.repeat)
}

fn write_actions(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let mut room = ACTION_LINES;
    let mut left_out = 0;
    for line in &summary.actions {
        if !line.is_error {
            if room == 0 {
                left_out += 1;
                continue;
            }
            room -= 1;
        }
        writeln!(out, "[{:.3}s] {}", line.at_seconds, line.text)?;
    }
    if left_out > 0 {
        writeln!(out, "… and {left_out} more lines")?;
    }
    if !summary.unfinished_actions.is_empty() {
        let numbers: Vec<String> = summary.unfinished_actions.iter().map(u32::to_string).collect();
        writeln!(
            out,
            "still under way at the end: {} ({})",
            counted(numbers.len() as u64, "action"),
            numbers.join(", ")
        )?;
    }
    if !summary.actions.is_empty() || !summary.unfinished_actions.is_empty() {
        writeln!(out)?;
    }
    Ok(())
}

fn write_faults(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    if summary.faults.is_empty() {
        return Ok(());
    }
    for line in summary.faults.iter().take(FAULT_LINES) {
        let until = line.until_seconds.map_or("the end".to_owned(), |until| format!("{until:.3}s"));
        writeln!(out, "[{:.3}s to {until}] {}: {}", line.from_seconds, line.fault, line.hit())?;
    }
    if let Some(left_out) = summary.faults.len().checked_sub(FAULT_LINES).filter(|left_out| *left_out > 0) {
        writeln!(out, "… and {}", counted(left_out as u64, "more strike"))?;
    }
    writeln!(out)
}

fn write_workloads(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let (table, left_out) = workloads::table(&summary.workloads);
    if table.is_empty() {
        return Ok(());
    }
    write!(out, "{table}")?;
    if left_out > 0 {
        writeln!(out, "… and {left_out} more")?;
    }
    writeln!(out)
}

fn write_custom(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    for custom in &summary.custom {
        let (table, left_out) = custom.table();
        write!(out, "{}\n{table}", custom.resource)?;
        if left_out > 0 {
            writeln!(out, "… and {left_out} more")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn write_pods(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let pods = &summary.pods;
    if pods.total == 0 {
        return writeln!(out, "no pods\n");
    }
    let phases: Vec<String> = pods.by_phase.iter().map(|(phase, count)| format!("{count} {phase}")).collect();
    writeln!(out, "{}, {} ready: {}", counted(pods.total, "pod"), pods.ready, phases.join(", "))?;
    if pods.by_status.keys().ne(pods.by_phase.keys()) {
        write!(out, "{}", pods.counts())?;
    }
    writeln!(out)?;
    if pods.not_ready.is_empty() {
        return Ok(());
    }
    write!(out, "{}", pods.not_ready_table())?;
    let left_out = pods.not_ready_total - pods.not_ready.len() as u64;
    if left_out > 0 {
        writeln!(out, "… and {left_out} more that are not ready")?;
    }
    writeln!(out)
}

fn write_nodes(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let nodes = &summary.nodes;
    if nodes.total == 0 {
        return writeln!(out, "no nodes\n");
    }
    if nodes.lines.is_empty() {
        let cordoned = match nodes.unschedulable {
            0 => String::new(),
            count => format!(", {count} cordoned"),
        };
        writeln!(out, "{}, {} ready{cordoned}", counted(nodes.total, "node"), nodes.ready)?;
    }
    writeln!(out, "{}", nodes.table())
}

fn write_events(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    if summary.notable_events.is_empty() {
        return Ok(());
    }
    writeln!(out, "{}", events::table(&summary.notable_events))
}

fn write_expectations(summary: &Summary, looks: Looks, out: &mut dyn Write) -> io::Result<()> {
    let mut failed = summary.failed_actions.iter().filter(|failed| !failed.may_fail).peekable();
    if summary.expectations.is_empty() && failed.peek().is_none() {
        return Ok(());
    }
    let width = match looks {
        Looks::Plain => "failed".len(),
        // Signs with their colour have one width.
        Looks::Terminal => 0,
    };
    for line in &summary.expectations {
        let detail = if line.detail.is_empty() { String::new() } else { format!(": {}", line.detail) };
        writeln!(out, "{:<width$} {}{detail}", looks.verdict(line.met), line.expectation)?;
    }
    for line in failed {
        let (place, error) = (&line.place, line.errors.first().map_or("", |error| error.as_str()));
        writeln!(out, "{:<width$} {place} at {} s: {error}", looks.verdict(false), line.at_seconds)?;
    }
    writeln!(out)
}

fn write_violations(summary: &Summary, looks: Looks, out: &mut dyn Write) -> io::Result<()> {
    for line in &summary.violations {
        let verdict = match looks {
            Looks::Plain => "violated",
            Looks::Terminal => looks.verdict(false),
        };
        let more = match line.count {
            1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        let (at, object, message) = (line.at_seconds, &line.object, &line.message);
        writeln!(out, "{verdict} invariant {} at {at:.3} s, {object}: {message}{more}", line.invariant)?;
    }
    if !summary.violations.is_empty() {
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::report::{
        ActionLine, CostReport, EventLine, ExpectationLine, FailedActionLine, FaultLine, NodesReport, PodLine,
        PodsReport, PoolCost, RequestLine, UnservedKind, ViolationLine, WorkloadLine,
    };

    fn pods() -> PodsReport {
        PodsReport {
            total: 2,
            ready: 1,
            by_phase: BTreeMap::from([("Pending".into(), 1), ("Running".into(), 1)]),
            by_status: BTreeMap::from([("ImagePullBackOff".into(), 1), ("Running".into(), 1)]),
            not_ready_total: 1,
            not_ready: vec![PodLine {
                namespace: "default".into(),
                name: "web-2".into(),
                ready_containers: 0,
                containers: 1,
                status: "ImagePullBackOff".into(),
                restarts: 0,
                age_seconds: 12,
                node: "node-0".into(),
                message: "Back-off pulling image \"x\"".into(),
            }],
        }
    }

    fn expectations() -> Vec<ExpectationLine> {
        vec![
            ExpectationLine {
                expectation: "deployment/web is Available within 60s".into(),
                met: true,
                decided_at_seconds: Some(4.0),
                detail: String::new(),
            },
            ExpectationLine {
                expectation: "all pods are ready".into(),
                met: false,
                decided_at_seconds: None,
                detail: "1 of 2 is".into(),
            },
        ]
    }

    fn cost() -> CostReport {
        let pool = PoolCost {
            pool: "node".into(),
            machines: 4,
            price_per_hour: 0.5,
            machine_hours: 4.0,
            cost: 2.0,
            idle: 0.5,
            idle_percent: 25.0,
        };
        CostReport { currency: None, total: 2.0, idle: 0.5, pools: vec![pool] }
    }

    fn crash() -> FaultLine {
        FaultLine { fault: "nodeCrash", hits: vec!["node a".into()], from_seconds: 90.0, until_seconds: Some(690.0) }
    }

    fn summary() -> Summary {
        Summary {
            faults: vec![crash()],
            digest: "00ff".into(),
            scenario: "hello".into(),
            seed: 7,
            met: false,
            ended: "nothing is going to happen any more".into(),
            simulated_seconds: 12.5,
            events: 1234,
            journal_entries: 99,
            expectations: expectations(),
            failed_actions: vec![FailedActionLine {
                place: "timeline[0].drain".into(),
                at_seconds: 9.0,
                may_fail: false,
                errors: vec!["Error from server (NotFound): nodes \"x\" not found".into()],
            }],
            violations: vec![ViolationLine {
                invariant: "node-not-overcommitted",
                at_seconds: 3.25,
                object: "node/node-0".into(),
                message: "pod default/web-1 was bound to it: 4 pods of 3".into(),
                cause: 17,
                count: 3,
            }],
            workloads: vec![WorkloadLine {
                namespace: "default".into(),
                name: "web".into(),
                kind: "Deployment".into(),
                desired: 2,
                ready: 1,
                up_to_date: 2,
                available: 1,
                age_seconds: 12,
            }],
            pods: pods(),
            nodes: NodesReport::default(),
            notable_events: vec![EventLine {
                kind: "Warning",
                reason: "Failed".into(),
                object: "default/web-2".into(),
                object_kind: "pod".into(),
                more_objects: 0,
                message: "Error: ImagePullBackOff".into(),
                count: 1,
                first_seen_seconds: 3,
                last_seen_seconds: 3,
            }],
            actions: vec![
                ActionLine {
                    action: 0,
                    at_seconds: 0.0215,
                    is_error: false,
                    text: "deployment.apps/web created".into(),
                },
                ActionLine {
                    action: 1,
                    at_seconds: 9.0,
                    is_error: true,
                    text: "Error from server (NotFound): nodes \"x\" not found".into(),
                },
            ],
            unfinished_actions: vec![2],
            traffic: Vec::new(),
            requests: vec![RequestLine {
                client: "kubectl".into(),
                total: 2,
                by_verb: BTreeMap::from([("create", 2)]),
            }],
            cost: Some(cost()),
            batch: None,
            unserved: vec![UnservedKind { kind: "Service".into(), count: 1 }],
            custom: Vec::new(),
            unchecked_rules: Vec::new(),
            repeat: "wavetank run hello.yaml --seed 7".into(),
        }
    }

    fn text(looks: Looks) -> String {
        let mut out = Vec::new();
        write_text(&summary(), looks, &mut out).expect("memory takes everything");
        String::from_utf8(out).expect("a summary is text")
    }

    #[test]
    fn a_summary_reads_like_kubectl() {
        let expected = "\
[0.021s] deployment.apps/web created
[9.000s] Error from server (NotFound): nodes \"x\" not found
still under way at the end: 1 action (2)

[90.000s to 690.000s] nodeCrash: node a

NAMESPACE   NAME   KIND         READY   UP-TO-DATE   AVAILABLE   AGE
default     web    Deployment   1/2     2            1           12s

2 pods, 1 ready: 1 Pending, 1 Running
STATUS             PODS
ImagePullBackOff   1
Running            1

NAMESPACE   NAME    READY   STATUS             RESTARTS   AGE   NODE     MESSAGE
default     web-2   0/1     ImagePullBackOff   0          12s   node-0   Back-off pulling image \"x\"

no nodes

LAST SEEN   TYPE      REASON   OBJECT      MESSAGE
3s          Warning   Failed   pod/web-2   Error: ImagePullBackOff

cost 2.00, of which 0.5000 (25%) sat idle
POOL   MACHINES   PRICE/H   MACHINE-HOURS   COST   IDLE
node   4          0.5       4.00            2.00   0.5000 (25%)

1 Service: stored; no controller serves this kind yet

met    deployment/web is Available within 60s
failed all pods are ready: 1 of 2 is
failed timeline[0].drain at 9 s: Error from server (NotFound): nodes \"x\" not found

violated invariant node-not-overcommitted at 3.250 s, node/node-0: pod default/web-1 was bound to it: 4 pods of 3 (and 2 more)

ended after 12.5 s simulated, 1234 events: nothing is going to happen any more
digest 00ff
repeat with: wavetank run hello.yaml --seed 7
";
        assert_eq!(text(Looks::Plain), expected);
    }

    #[test]
    fn a_terminal_shows_signs() {
        let text = text(Looks::Terminal);
        assert!(text.contains("✓\u{1b}[0m deployment/web is Available"), "{text}");
        assert!(text.contains("✗\u{1b}[0m all pods are ready: 1 of 2 is"), "{text}");
    }

    #[test]
    fn the_json_has_the_digest_on_top() {
        let value = serde_json::to_value(summary()).expect("a summary is JSON");
        assert_eq!(value["digest"], "00ff");
        assert_eq!(value["simulatedSeconds"], 12.5);
        assert_eq!(value["pods"]["byStatus"]["ImagePullBackOff"], 1);
        assert_eq!(value["notableEvents"][0]["type"], "Warning");
        assert_eq!(value["workloads"][0]["upToDate"], 2);
        assert_eq!(value["violations"][0]["atSeconds"], 3.25);
    }
}
