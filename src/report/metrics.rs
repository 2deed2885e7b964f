//! `metrics.csv`: the samples of pods, objects and requests over time.

use std::io;

use crate::sim::Sample;

const HEADER: &str = "time_s,pods_unscheduled,pods_pending,pods_running,pods_ready,pods_succeeded,pods_failed,\
                      pods_terminating,objects,requests";

/// Writes a header and a line a sample. `time_s` is in seconds since the start; `pods_ready` counts in `pods_running`
/// too, `pods_terminating` in the phase as well; `requests` grows.
///
/// # Errors
/// What the writer refuses.
pub fn write_metrics(samples: &[Sample], out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "{HEADER}")?;
    for sample in samples {
        let (time, pods) = (sample.time.nanos(), &sample.pods);
        writeln!(
            out,
            "{}.{:09},{},{},{},{},{},{},{},{},{}",
            time / 1_000_000_000,
            time % 1_000_000_000,
            pods.unscheduled,
            pods.pending,
            pods.running,
            pods.ready,
            pods.succeeded,
            pods.failed,
            pods.terminating,
            sample.objects,
            sample.requests,
        )?;
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
