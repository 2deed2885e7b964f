//! The Jobs of a run: how many ended how, their makespan, and the work that was for nothing.

use serde::Serialize;

use super::unserved::counted;
use crate::sim::Batch;

/// What became of the Jobs.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchReport {
    /// How many Jobs there were.
    pub jobs: u64,
    /// How many are or were complete.
    pub complete: u64,
    /// How many have failed.
    pub failed: u64,
    /// From the first Job's creation to the end of the last that has ended, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub makespan_seconds: Option<f64>,
    /// The time from binding to end of pods that succeeded, summed up, in seconds.
    pub useful_pod_seconds: f64,
    /// The same of pods that failed, were evicted, deleted or lost.
    pub wasted_pod_seconds: f64,
    /// How many these were.
    pub wasted_pods: u64,
}

/// The report; none where there were no Jobs.
pub fn batch_report(batch: &Batch) -> Option<BatchReport> {
    let makespan = batch.first.zip(batch.last_end).map(|(first, last)| last.since(first).as_secs_f64());
    let report = BatchReport {
        jobs: batch.jobs,
        complete: batch.complete,
        failed: batch.failed,
        makespan_seconds: makespan,
        useful_pod_seconds: batch.useful.as_secs_f64(),
        wasted_pod_seconds: batch.wasted.as_secs_f64(),
        wasted_pods: batch.wasted_pods,
    };
    (batch.jobs > 0).then_some(report)
}

impl BatchReport {
    /// `3 Jobs: 2 complete, 1 failed; makespan 312.4 s; work: 1200.0 pod-seconds useful, 85.0 wasted by 3 pods`.
    pub(super) fn sentence(&self) -> String {
        let makespan = self.makespan_seconds.map(|seconds| format!("; makespan {seconds:.1} s")).unwrap_or_default();
        format!(
            "{}: {} complete, {} failed{makespan}; work: {:.1} pod-seconds useful, {:.1} wasted by {}",
            counted(self.jobs, "Job"),
            self.complete,
            self.failed,
            self.useful_pod_seconds,
            self.wasted_pod_seconds,
            counted(self.wasted_pods, "pod")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Span, Time};

    #[test]
    fn jobs_are_summed_up_in_a_sentence_where_there_are_any() {
        assert_eq!(batch_report(&Batch::default()), None);
        let at = |seconds| Some(Time::ZERO + Span::from_secs(seconds));
        let mut batch = Batch::default();
        (batch.jobs, batch.complete, batch.failed) = (3, 2, 1);
        (batch.first, batch.last_end) = (at(10), at(70));
        batch.useful = Span::from_secs(40);
        (batch.wasted, batch.wasted_pods) = (Span::from_millis(2_500), 1);
        let text = batch_report(&batch).map(|report| report.sentence());
        let expected =
            "3 Jobs: 2 complete, 1 failed; makespan 60.0 s; work: 40.0 pod-seconds useful, 2.5 wasted by 1 pod";
        assert_eq!(text.as_deref(), Some(expected));
        (batch.jobs, batch.last_end) = (1, None);
        assert!(
            batch_report(&batch)
                .is_some_and(|report| report.sentence().starts_with("1 Job: 2 complete, 1 failed; work"))
        );
    }
}
