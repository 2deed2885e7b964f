//! What was measured, a line each, and the tables of it.

use serde::Serialize;

use super::clock::Spent;
use crate::report::Table;

/// All that was measured.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figures {
    /// The seed of the test cases.
    pub(super) seed: u64,
    /// How often each was done; what is told is the time that used the least CPU.
    pub(super) repeat: u32,
    /// Workloads of our own.
    pub(super) workloads: Vec<WorkloadLine>,
    /// Test cases from files.
    pub(super) test_cases: Vec<TestCaseLine>,
}

/// A stream of pods that were decided, and nothing else.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WorkloadLine {
    pub(super) workload: &'static str,
    pub(super) doc: &'static str,
    pub(super) nodes: u32,
    pub(super) pods: u32,
    /// How many of them found a node.
    pub(super) placed: u32,
    pub(super) cpu_seconds: f64,
    pub(super) wall_seconds: f64,
    /// Decisions a second of CPU time.
    pub(super) pods_per_second: f64,
    /// What the real kube-scheduler v1.34.1 reaches with the same pods and nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kube_scheduler: Option<u32>,
    /// Whether it looked at a tenth of the nodes only.
    pub(super) kube_scheduler_sampled: bool,
    /// How many times that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) times: Option<f64>,
}

/// A test case at one of its sizes.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TestCaseLine {
    pub(super) test_case: String,
    pub(super) workload: String,
    pub(super) nodes: usize,
    /// How many pods were scheduled while it was measured.
    pub(super) pods: u64,
    pub(super) cpu_seconds: f64,
    pub(super) wall_seconds: f64,
    pub(super) simulated_seconds: f64,
    /// Scheduled pods a second of CPU time.
    pub(super) pods_per_second: f64,
    /// Scheduled pods a second below which upstream calls its own run failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) threshold: Option<f64>,
    /// How many times that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) times: Option<f64>,
    pub(super) digest: String,
}

/// How many a second of CPU time.
pub(super) fn rate(count: u64, spent: Spent) -> f64 {
    // What took no time that a clock sees took a nanosecond.
    count as f64 / spent.cpu.as_secs_f64().max(1e-9)
}

/// The table of our own workloads.
pub(super) fn workloads(lines: &[WorkloadLine]) -> Table {
    let headers = ["WORKLOAD", "NODES", "PODS", "PLACED", "CPU", "WALL", "PODS/S", "KUBE-SCHEDULER", "TIMES"];
    let mut table = Table::new(headers);
    for line in lines {
        let sampled = if line.kube_scheduler_sampled { " (sampled)" } else { "" };
        table.add([
            line.workload.to_owned(),
            grouped(f64::from(line.nodes)),
            grouped(f64::from(line.pods)),
            grouped(f64::from(line.placed)),
            seconds(line.cpu_seconds),
            seconds(line.wall_seconds),
            grouped(line.pods_per_second),
            line.kube_scheduler.map_or("-".to_owned(), |real| format!("{real}{sampled}")),
            line.times.map_or("-".to_owned(), grouped),
        ]);
    }
    table
}

/// The table of test cases.
pub(super) fn test_cases(lines: &[TestCaseLine]) -> Table {
    let headers = ["TEST CASE", "WORKLOAD", "NODES", "PODS", "CPU", "WALL", "SIMULATED", "PODS/S", "FLOOR", "TIMES"];
    let mut table = Table::new(headers);
    for line in lines {
        table.add([
            line.test_case.clone(),
            line.workload.clone(),
            grouped(line.nodes as f64),
            grouped(line.pods as f64),
            seconds(line.cpu_seconds),
            seconds(line.wall_seconds),
            seconds(line.simulated_seconds),
            grouped(line.pods_per_second),
            line.threshold.map_or("-".to_owned(), |threshold| threshold.to_string()),
            line.times.map_or("-".to_owned(), grouped),
        ]);
    }
    table
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.3} s")
}

/// A whole number in groups of three digits; one below ten with a place behind the point.
fn grouped(number: f64) -> String {
    if number < 10.0 && number.fract() != 0.0 {
        return format!("{number:.1}");
    }
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(number: f64, expected: &str) {
        assert_eq!(grouped(number), expected);
    }

    #[test]
    fn numbers_are_in_groups_of_three_digits() {
        check(0.0, "0");
        check(0.44, "0.4");
        check(9.0, "9");
        check(9.96, "10.0");
        check(58.4, "58");
        check(999.6, "1,000");
        check(1_234_567.0, "1,234,567");
    }
}
