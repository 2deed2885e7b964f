//! The line that moves while simulations run, on a terminal alone.

use std::io::{IsTerminal, stderr};
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

use crate::sim::Sim;

/// The line, if there is a terminal to draw it on.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn start() -> Progress {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Progress { bar }
    }

    /// Shows how far a simulation is.
    pub(super) fn show(&self, sim: &Sim) {
        let Some(bar) = &self.bar else { return };
        let pods = &sim.tally().pods;
        let events = sim.events_handled();
        let wall_millis = bar.elapsed().as_millis().max(1) as u64;
        bar.set_message(line(
            sim.now().seconds(),
            events,
            events.saturating_mul(1000) / wall_millis,
            &[
                ("unscheduled", pods.unscheduled),
                ("pending", pods.pending),
                ("running", pods.running),
                ("ready", pods.ready),
                ("succeeded", pods.succeeded),
                ("failed", pods.failed),
                ("terminating", pods.terminating),
            ],
        ));
        bar.tick();
    }

    /// Takes the line away.
    pub(super) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A line that says anything, if there is a terminal to draw it on.
pub(super) struct TextProgress {
    bar: Option<ProgressBar>,
}

impl TextProgress {
    pub(super) fn start() -> TextProgress {
        TextProgress { bar: Progress::start().bar }
    }

    /// Shows a text, which is made only if somebody sees it.
    pub(super) fn show(&self, text: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            bar.set_message(text());
            bar.tick();
        }
    }

    /// Takes the line away.
    pub(super) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The line of a sweep, if there is a terminal to draw it on: any thread may move it.
pub(super) struct SweepProgress {
    bar: Option<ProgressBar>,
    failed: AtomicU64,
}

impl SweepProgress {
    pub(super) fn start(runs: u64) -> SweepProgress {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(runs);
            if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} runs, {msg}{eta} left") {
                bar.set_style(style);
            }
            bar
        });
        SweepProgress { bar, failed: AtomicU64::new(0) }
    }

    /// A run has ended.
    pub(super) fn ended(&self, met: bool) {
        let Some(bar) = &self.bar else { return };
        if !met {
            let failed = self.failed.fetch_add(1, Ordering::Relaxed) + 1;
            bar.set_message(format!("{failed} failed, "));
        }
        bar.inc(1);
    }

    /// Takes the line away.
    pub(super) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn line(seconds: u64, events: u64, events_per_second: u64, pods: &[(&str, u64)]) -> String {
    let pods: Vec<String> =
        pods.iter().filter(|(_, count)| *count > 0).map(|(state, count)| format!("{count} {state}")).collect();
    let pods = if pods.is_empty() { "none".to_owned() } else { pods.join(", ") };
    format!("{seconds} s simulated, {events} events ({events_per_second}/s), pods: {pods}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_and_how_fast() {
        let pods = [("pending", 0), ("running", 3), ("ready", 2)];
        assert_eq!(line(12, 8192, 400, &pods), "12 s simulated, 8192 events (400/s), pods: 3 running, 2 ready");
        assert_eq!(line(0, 1, 1, &[]), "0 s simulated, 1 events (1/s), pods: none");
    }
}
