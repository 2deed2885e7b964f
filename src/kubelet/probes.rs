//! What probes make of a program: when a container counts as started, ready, unready, sick. Computed from the declared
//! behaviour, so that a probe whose result stays costs nothing. Upstream: `pkg/kubelet/prober/worker.go`.
//!
//! A probe first runs when the kubelet has noticed the container, then once a period; it does not count before its
//! initial delay is over. Until the startup probe has succeeded the others do not run; the readiness probe then runs at
//! once. A container that is left by one kubelet process to the next keeps what had been found, and its failures are
//! counted anew. Left out: the time that a probe itself takes (`timeoutSeconds`), the random wait of the first probe
//! after a start of the process.

use k8s_openapi::api::core::v1;

use super::program::{Finding, Program};
use crate::kernel::{Span, Time};

/// The probes of a container, and since when they run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probes<'a> {
    /// `startupProbe`.
    pub(super) startup: Option<&'a v1::Probe>,
    /// `readinessProbe`.
    pub(super) readiness: Option<&'a v1::Probe>,
    /// `livenessProbe`.
    pub(super) liveness: Option<&'a v1::Probe>,
    /// When they first run.
    pub(super) first: Time,
    /// Whether an earlier process had found the container started.
    pub(super) was_started: bool,
    /// Whether an earlier process had found the container ready.
    pub(super) was_ready: bool,
}

/// Which probe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ProbeKind {
    /// `startupProbe`.
    Startup,
    /// `readinessProbe`.
    Readiness,
    /// `livenessProbe`.
    Liveness,
}

/// What the probes have found by some instant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Health {
    /// The startup probe has succeeded, or there is none.
    pub(super) started: bool,
    /// The readiness probe says so, or there is none and the container has started.
    pub(super) ready: bool,
    /// The probe for which the container has to be killed, and what it found.
    pub(super) failed: Option<(ProbeKind, Finding)>,
    /// What the readiness probe found when it changed last.
    pub(super) finding: Finding,
    /// When the next of these changes; `Time::MAX`: never.
    pub(super) next: Time,
}

/// A result that a probe has settled on.
type Turn = (Time, Finding);

impl Probes<'_> {
    /// Whether there is any.
    pub(super) fn any(&self) -> bool {
        self.startup.is_some() || self.readiness.is_some() || self.liveness.is_some()
    }

    /// What has been found by an instant, and when that changes.
    pub(super) fn health(&self, program: &Program<'_>, now: Time) -> Health {
        let mut health = Health { started: true, ready: true, failed: None, finding: Finding::Well, next: Time::MAX };
        let mut next = |at: Time| health.next = if at > now { health.next.min(at) } else { health.next };
        let mut started_at = self.first;
        if let Some(probe) = self.startup.filter(|_| !self.was_started) {
            let mut turns = Vec::new();
            let findings = program.findings(false);
            settle(probe, program.since, self.first, self.first, &findings, None, &mut turns);
            let (at, finding) = turns.first().copied().unwrap_or((Time::MAX, Finding::Refused));
            next(at);
            if at > now || finding != Finding::Well {
                let failed = (at <= now).then_some((ProbeKind::Startup, finding));
                return Health { started: false, ready: false, failed, ..health };
            }
            started_at = at;
        }
        if let Some(probe) = self.liveness {
            let mut turns = Vec::new();
            let findings = program.findings(false);
            settle(probe, program.since, self.first, started_at, &findings, Some(true), &mut turns);
            if let Some((at, finding)) = turns.first() {
                next(*at);
                health.failed = (*at <= now).then_some((ProbeKind::Liveness, *finding));
            }
        }
        if let Some(probe) = self.readiness {
            let mut turns = Vec::new();
            let findings = program.findings(true);
            settle(probe, program.since, started_at, started_at, &findings, Some(self.was_ready), &mut turns);
            health.ready = self.was_ready;
            for (at, finding) in turns {
                if at > now {
                    health.next = health.next.min(at);
                    break;
                }
                (health.ready, health.finding) = (finding == Finding::Well, finding);
            }
        }
        health
    }
}

/// All turns of one probe that runs at `grid` and each period after it, from `from` on. `state` is what it starts from.
fn settle(
    probe: &v1::Probe,
    since: Time,
    grid: Time,
    from: Time,
    findings: &[(Time, Finding)],
    mut state: Option<bool>,
    turns: &mut Vec<Turn>,
) {
    let positive = |value: Option<i32>, default: i32| value.unwrap_or(default).max(1) as u128;
    let delay = Span::from_secs(probe.initial_delay_seconds.unwrap_or(0).max(0) as u64);
    let period = positive(probe.period_seconds, 10) * 1_000_000_000;
    let from = from.max(since.saturating_add(delay));
    let nanos = |at: Time| u128::from(at.nanos());
    // The number of the first run that is not before an instant.
    let run_at = |at: Time| (nanos(at.max(from)).saturating_sub(nanos(grid))).div_ceil(period);
    let mut count = 0;
    let mut counted = false;
    for (index, (begin, finding)) in findings.iter().enumerate() {
        let well = *finding == Finding::Well;
        let first = run_at(*begin);
        let end = findings.get(index + 1).map_or(u128::MAX, |(next, _)| run_at(*next));
        if first >= end {
            continue;
        }
        if Some(well) == state {
            (count, counted) = (0, well);
            continue;
        }
        if counted != well {
            (count, counted) = (0, well);
        }
        let needed = if well { positive(probe.success_threshold, 1) } else { positive(probe.failure_threshold, 3) };
        let missing = needed - count.min(needed - 1);
        if end - first < missing {
            count += end - first;
            continue;
        }
        let at = nanos(grid) + (first + missing - 1) * period;
        turns.push((u64::try_from(at).map_or(Time::MAX, Time), *finding));
        state = Some(well);
        count = 0;
    }
}

/// The words of a failed probe: its kind, then what the prober says. Upstream: `prober.go`, `pkg/probe`.
pub(super) fn failure(kind: ProbeKind, probe: &v1::Probe, finding: Finding, address: &str) -> crate::api::Name {
    let kind = match kind {
        ProbeKind::Startup => "Startup",
        ProbeKind::Readiness => "Readiness",
        ProbeKind::Liveness => "Liveness",
    };
    let timeout = probe.timeout_seconds.unwrap_or(1);
    let output = if let Some(get) = &probe.http_get {
        let host = get.host.as_deref().filter(|host| !host.is_empty()).unwrap_or(address);
        let scheme = get.scheme.as_deref().unwrap_or("HTTP").to_lowercase();
        let place = format!("{host}:{}", port(&get.port));
        let path = get.path.as_deref().unwrap_or("/");
        let slash = if path.starts_with('/') { "" } else { "/" };
        let url = format!("{scheme}://{place}{slash}{path}");
        match finding {
            Finding::Refused => format!("Get \"{url}\": dial tcp {place}: connect: connection refused"),
            Finding::Hung => {
                format!("Get \"{url}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)")
            }
            Finding::Unready | Finding::Well => "HTTP probe failed with statuscode: 503".to_owned(),
        }
    } else if let Some(socket) = &probe.tcp_socket {
        let place = format!("{}:{}", socket.host.as_deref().unwrap_or(address), port(&socket.port));
        match finding {
            Finding::Refused | Finding::Unready | Finding::Well => {
                format!("dial tcp {place}: connect: connection refused")
            }
            Finding::Hung => format!("dial tcp {place}: i/o timeout"),
        }
    } else if let Some(grpc) = &probe.grpc {
        match finding {
            Finding::Refused | Finding::Hung => format!(
                "timeout: failed to connect service \"{address}:{}\" within {timeout}s: context deadline exceeded",
                grpc.port
            ),
            Finding::Unready | Finding::Well => "service unhealthy (responded with \"NOT_SERVING\")".to_owned(),
        }
    } else {
        match finding {
            Finding::Hung => {
                let command = probe.exec.as_ref().and_then(|exec| exec.command.as_ref());
                let command = command.map_or_else(String::new, |words| words.join(" "));
                format!("command timed out: \"{command}\" timed out after {timeout}s")
            }
            Finding::Refused | Finding::Unready | Finding::Well => String::new(),
        }
    };
    ecow::eco_format!("{kind} probe failed: {output}")
}

fn port(port: &k8s_openapi::apimachinery::pkg::util::intstr::IntOrString) -> String {
    use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
    match port {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(name) => name.clone(),
    }
}
