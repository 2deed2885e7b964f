//! `metrics.csv`: the samples of pods, objects and requests over time.

use std::io;

use crate::sim::Sample;

/// A column beside `time_s`: its name and its value in a sample.
pub type MetricColumn = (&'static str, fn(&Sample) -> u64);

/// The columns beside `time_s`, which is in seconds since the start. `pods_ready` counts in `pods_running` too,
/// `pods_terminating` in the phase as well; `requests` grows.
pub const METRIC_COLUMNS: [MetricColumn; 9] = [
    ("pods_unscheduled", |sample| sample.pods.unscheduled),
    ("pods_pending", |sample| sample.pods.pending),
    ("pods_running", |sample| sample.pods.running),
    ("pods_ready", |sample| sample.pods.ready),
    ("pods_succeeded", |sample| sample.pods.succeeded),
    ("pods_failed", |sample| sample.pods.failed),
    ("pods_terminating", |sample| sample.pods.terminating),
    ("objects", |sample| sample.objects),
    ("requests", |sample| sample.requests),
];

/// Writes a header and a line a sample: `time_s` and [`METRIC_COLUMNS`].
///
/// # Errors
/// What the writer refuses.
pub fn write_metrics(samples: &[Sample], out: &mut dyn io::Write) -> io::Result<()> {
    write!(out, "time_s")?;
    METRIC_COLUMNS.iter().try_for_each(|(name, _)| write!(out, ",{name}"))?;
    writeln!(out)?;
    for sample in samples {
        let time = sample.time.nanos();
        write!(out, "{}.{:09}", time / 1_000_000_000, time % 1_000_000_000)?;
        METRIC_COLUMNS.iter().try_for_each(|(_, value)| write!(out, ",{}", value(sample)))?;
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Time;
    use crate::sim::PodCounts;

    #[test]
    fn a_sample_is_a_line() {
        let pods = PodCounts { unscheduled: 1, pending: 2, running: 3, ready: 2, ..PodCounts::default() };
        let samples = [Sample { time: Time(12_000_000_005), pods, objects: 20, requests: 100 }];
        let mut out = Vec::new();
        write_metrics(&samples, &mut out).expect("memory takes everything");
        assert_eq!(
            String::from_utf8(out).expect("CSV is text"),
            "time_s,pods_unscheduled,pods_pending,pods_running,pods_ready,pods_succeeded,pods_failed,pods_terminating,objects,requests\n\
             12.000000005,1,2,3,2,0,0,0,20,100\n"
        );
    }
}
