//! How long messages take.

use crate::kernel::Span;

/// A latency between two bounds, both included, each value as likely as another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Latency {
    /// The shortest.
    pub low: Span,
    /// The longest.
    pub high: Span,
}

impl Latency {
    /// The latency for a drawn word.
    pub fn at(self, word: u64) -> Span {
        let width = u128::from(self.high.as_nanos().saturating_sub(self.low.as_nanos())) + 1;
        Span::from_nanos(self.low.as_nanos() + ((u128::from(word) * width) >> 64) as u64)
    }
}

/// The latencies of a healthy cluster's network and API server. Defaults are those of a small control plane in one
/// data centre; upstream's objective is 1 s at the 99th percentile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NetSettings {
    /// From a client's sending to the answer of a read being ready.
    pub read: Latency,
    /// From a client's sending to a write being committed.
    pub write: Latency,
    /// From the answer to the client's receiving it.
    pub reply: Latency,
    /// From a replica's watch cache to the watcher.
    pub watch: Span,
    /// How far each replica's watch cache is behind the store.
    pub watch_cache_lag: Span,
    /// How long a client waits for an answer before it takes the connection for lost. Upstream: 30 s to dial; an open
    /// connection is given up 45 s after it has fallen silent.
    pub lost_after: Span,
}

impl NetSettings {
    /// Reads 0.5–2 ms, writes 2–6 ms, replies 0.2–1 ms, watches 1 ms behind a watch cache that is 1 ms behind.
    pub const DEFAULT: NetSettings = NetSettings {
        read: Latency { low: Span::from_micros(500), high: Span::from_micros(2_000) },
        write: Latency { low: Span::from_micros(2_000), high: Span::from_micros(6_000) },
        reply: Latency { low: Span::from_micros(200), high: Span::from_micros(1_000) },
        watch: Span::from_micros(1_000),
        watch_cache_lag: Span::from_micros(1_000),
        lost_after: Span::from_secs(30),
    };
}
