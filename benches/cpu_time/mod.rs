//! CPU time of this thread as criterion's measurement, so that a shared machine does not count.
//!
//! The kernel counts by the tick: an iteration must last several milliseconds. Linux only: it is read from
//! `/proc/thread-self/schedstat`.

use criterion::measurement::{Measurement, ValueFormatter, WallTime};

/// Nanoseconds that this thread has run.
pub(crate) struct CpuTime;

impl CpuTime {
    pub(crate) fn now() -> u64 {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat")
            .expect("CPU time is read from Linux's /proc/thread-self/schedstat");
        let nanos = text.split(' ').next().and_then(|field| field.parse().ok());
        nanos.expect("schedstat starts with the nanoseconds that the thread has run")
    }
}

impl Measurement for CpuTime {
    type Intermediate = u64;
    type Value = u64;

    fn start(&self) -> u64 {
        CpuTime::now()
    }

    fn end(&self, start: u64) -> u64 {
        CpuTime::now() - start
    }

    fn add(&self, a: &u64, b: &u64) -> u64 {
        a + b
    }

    fn zero(&self) -> u64 {
        0
    }

    fn to_f64(&self, value: &u64) -> f64 {
        *value as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}
