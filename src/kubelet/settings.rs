//! What all kubelets of a pool share: flags under upstream's names, and the latencies of the node that upstream has no
//! flag for.

use super::eviction::{
    EVICTION_HARD, EVICTION_MAX_POD_GRACE_PERIOD, EVICTION_MINIMUM_RECLAIM, EVICTION_PRESSURE_TRANSITION_PERIOD,
    EVICTION_SOFT, EVICTION_SOFT_GRACE_PERIOD, EvictionSettings,
};
use crate::client::{Flag, FlagValue, Flags};
use crate::kernel::{Chance, Purpose, Span};

/// `--kube-api-qps`: requests a second to the API server, Events excluded.
pub const KUBE_API_QPS: Flag = Flag {
    name: "kube-api-qps",
    default: FlagValue::Float(50.0),
    doc: "requests a second that a kubelet may send to the API server; 0: no limit",
};
/// `--kube-api-burst`: requests at once.
pub const KUBE_API_BURST: Flag = Flag {
    name: "kube-api-burst",
    default: FlagValue::Int(100),
    doc: "requests that a kubelet may send to the API server at once",
};
/// `--event-qps`: Events a second.
pub const EVENT_QPS: Flag = Flag {
    name: "event-qps",
    default: FlagValue::Float(50.0),
    doc: "Events a second that a kubelet may send; 0: no limit",
};
/// `--event-burst`: Events at once.
pub const EVENT_BURST: Flag =
    Flag { name: "event-burst", default: FlagValue::Int(100), doc: "Events that a kubelet may send at once" };
/// `--node-status-update-frequency`: how often the node's status is computed.
pub const NODE_STATUS_UPDATE_FREQUENCY: Flag = Flag {
    name: "node-status-update-frequency",
    default: FlagValue::Span(Span::from_secs(10)),
    doc: "how often a kubelet computes its node's status and reports it if it has changed",
};

/// `--sync-frequency`: how often a pod is synced.
pub(super) const SYNC_FREQUENCY: Flag = Flag {
    name: "sync-frequency",
    default: FlagValue::Span(Span::from_mins(1)),
    doc: "how often a kubelet syncs a pod to which nothing happens, half as long again at most; volumes follow then",
};

/// The flags of a kubelet that scenarios may set.
pub const FLAGS: &[&Flag] = &[
    &KUBE_API_QPS,
    &KUBE_API_BURST,
    &EVENT_QPS,
    &EVENT_BURST,
    &NODE_STATUS_UPDATE_FREQUENCY,
    &SYNC_FREQUENCY,
    &EVICTION_HARD,
    &EVICTION_SOFT,
    &EVICTION_SOFT_GRACE_PERIOD,
    &EVICTION_MINIMUM_RECLAIM,
    &EVICTION_PRESSURE_TRANSITION_PERIOD,
    &EVICTION_MAX_POD_GRACE_PERIOD,
];

/// When the kubelet of a node registers (object: the node's name; n: 0).
pub(super) const REGISTER: Purpose = Purpose::new("kubelet-register");
/// Where a node's relists fall within their period (object: the node's name; n: 0).
pub(super) const RELIST: Purpose = Purpose::new("kubelet-relist");
/// How long a sandbox takes (object: namespace/name of the pod; n: 0).
pub(super) const SANDBOX: Purpose = Purpose::new("kubelet-sandbox");
/// When a pod's volumes are waited for again (object: namespace/name of the pod; n: the failed syncs before).
pub(super) const MOUNT_WAIT: Purpose = Purpose::new("kubelet-mount-wait");
/// When a pod's next sync is, and how long the period is in which it lies (object: namespace/name of the pod; n: twice
/// the number of the change of its volumes, and one more).
pub(super) const SYNC: Purpose = Purpose::new("kubelet-sync");
/// How long a claimed volume takes to be mounted (object: namespace/name of the pod; n: volume and failures).
pub(super) const VOLUME_MOUNT: Purpose = Purpose::new("kubelet-volume-mount");
/// How long the volumes of a pod take to be unmounted (object: namespace/name of the pod; n: 0).
pub(super) const VOLUME_UNMOUNT: Purpose = Purpose::new("kubelet-volume-unmount");
/// When a pod's sync finds that a claimed volume has grown (object: namespace/name of the pod; n: volume).
pub(super) const VOLUME_GROW: Purpose = Purpose::new("kubelet-volume-grow");
/// When a container is tried again whose environment is missing (object: namespace/name/container; n: the failed syncs).
pub(super) const RESYNC: Purpose = Purpose::new("kubelet-resync");
/// How long an image pull takes (object: namespace/name/container; n: the attempt).
pub(super) const PULL: Purpose = Purpose::new("kubelet-pull");
/// How long the runtime takes to start a container (object: namespace/name/container; n: the restart).
pub(super) const START: Purpose = Purpose::new("kubelet-container-start");
/// How long the program of a container takes to start (object: namespace/name/container; n: the restart).
pub(super) const BEGIN: Purpose = Purpose::new("behaviour-start");
/// When a program is ready (object: namespace/name/container; n: the restart).
pub(super) const READY: Purpose = Purpose::new("behaviour-ready");
/// When a program ends by itself (object: namespace/name/container; n: the restart).
pub(super) const EXIT: Purpose = Purpose::new("behaviour-exit");
/// Whether a program ends by itself (object: namespace/name/container; n: the restart).
pub(super) const EXIT_CHANCE: Purpose = Purpose::new("behaviour-exit-chance");
/// When a program answers (object: namespace/name/container; n: the restart).
pub(super) const ANSWERS: Purpose = Purpose::new("behaviour-answers");
/// When a program hangs (object: namespace/name/container; n: the restart and the number of the lapse).
pub(super) const HANG_AFTER: Purpose = Purpose::new("behaviour-hang-after");
/// For how long (as above).
pub(super) const HANG_LASTS: Purpose = Purpose::new("behaviour-hang-lasts");
/// Whether it does (as above).
pub(super) const HANG_CHANCE: Purpose = Purpose::new("behaviour-hang-chance");
/// When a program cannot serve (object: namespace/name/container; n: the restart and the number of the lapse).
pub(super) const UNREADY_AFTER: Purpose = Purpose::new("behaviour-unready-after");
/// For how long (as above).
pub(super) const UNREADY_LASTS: Purpose = Purpose::new("behaviour-unready-lasts");
/// Whether it does (as above).
pub(super) const UNREADY_CHANCE: Purpose = Purpose::new("behaviour-unready-chance");
/// How long a program takes to stop (object: namespace/name/container; n: the restart).
pub(super) const STOP: Purpose = Purpose::new("behaviour-stop");

/// A span that is drawn uniformly between two bounds, both included.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Range {
    /// The shortest.
    pub low: Span,
    /// The longest.
    pub high: Span,
}

impl Range {
    /// No time at all.
    pub const ZERO: Range = Range::exactly(Span::ZERO);

    /// Always the same span.
    pub const fn exactly(span: Span) -> Range {
        Range { low: span, high: span }
    }

    /// Between two numbers of milliseconds.
    pub const fn millis(low: u64, high: u64) -> Range {
        Range { low: Span::from_millis(low), high: Span::from_millis(high) }
    }

    /// The draw number `n` of a purpose and object. Costs nothing where there is nothing to choose.
    pub fn draw(self, chance: Chance, purpose: Purpose, object: u64, n: u64) -> Span {
        if self.low >= self.high { self.low } else { chance.draw(purpose, object, n).span_between(self.low, self.high) }
    }
}

/// The settings of a kubelet; all nodes of a pool share one.
#[derive(Clone, PartialEq, Debug)]
pub struct KubeletSettings {
    /// `--kube-api-qps`.
    pub kube_api_qps: f64,
    /// `--kube-api-burst`.
    pub kube_api_burst: u64,
    /// `--event-qps`.
    pub event_qps: f64,
    /// `--event-burst`.
    pub event_burst: u64,
    /// `--node-status-update-frequency`: the grid on which a changed node status is reported.
    pub status_update_every: Span,
    /// `nodeStatusReportFrequency`: how often an unchanged node status is reported.
    pub status_report_every: Span,
    /// `nodeLeaseDurationSeconds`; the Lease is renewed every quarter of it.
    pub lease_duration_seconds: i32,
    /// Whether renewals and unchanged statuses are left to the tank ([`crate::event::Effect::Heartbeat`]).
    pub elide_heartbeats: bool,
    /// From the start of the process to the creation of the Node.
    pub registration_delay: Range,
    /// How often the kubelet looks at its containers (the PLEG's relist). Starts and ends are noticed on this grid, whose
    /// phase is drawn once a node. Zero: at once.
    pub relist_every: Span,
    /// The time to mount a claimed volume that is there.
    pub volume_mount: Range,
    /// The time to unmount the claimed volumes of a pod that has ended.
    pub volume_unmount: Range,
    /// The time to create a pod's sandbox and its network.
    pub sandbox_start: Range,
    /// The time to create and start a container whose image is there.
    pub container_start: Range,
    /// How long an init container runs that no behaviour gives an exit.
    pub init_run: Range,
    /// What the node downloads in bytes a second.
    pub bandwidth: u64,
    /// What a pull takes beside the download: resolving, checking, unpacking.
    pub pull_overhead: Range,
    /// The size of an image that no behaviour gives one, in bytes.
    pub image_bytes: u64,
    /// CrashLoopBackOff's first delay. Upstream: `backOffPeriod`, 10 s.
    pub crash_backoff: Span,
    /// CrashLoopBackOff's longest delay. Upstream: `MaxContainerBackOff`, 5 min; twice this without a crash resets it.
    pub crash_backoff_max: Span,
    /// ImagePullBackOff's first delay. Upstream: `imageBackOffPeriod`, 10 s.
    pub image_backoff: Span,
    /// ImagePullBackOff's longest delay. Upstream: 5 min.
    pub image_backoff_max: Span,
    /// How long a failed status or deletion request waits for its next try. Upstream: the status manager's `syncPeriod`.
    pub status_retry: Span,
    /// How many images a node reports. Upstream: `nodeStatusMaxImages`, 50.
    pub images_reported_max: usize,
    /// `--sync-frequency`.
    pub sync_frequency: Span,
    /// The flags that begin with `--eviction-`.
    pub eviction: EvictionSettings,
}

impl KubeletSettings {
    /// Upstream's defaults and plausible latencies of a node with an SSD and a 1 Gbit/s registry.
    pub fn defaults() -> KubeletSettings {
        KubeletSettings::from_flags(&Flags::default()).unwrap_or_else(|why| panic!("a default makes no sense: {why}"))
    }

    /// The same, where flags say nothing else. The error begins with the name of the flag that makes no sense.
    pub fn from_flags(flags: &Flags) -> Result<KubeletSettings, String> {
        Ok(KubeletSettings {
            kube_api_qps: flags.float(&KUBE_API_QPS),
            kube_api_burst: flags.int(&KUBE_API_BURST).max(1) as u64,
            event_qps: flags.float(&EVENT_QPS),
            event_burst: flags.int(&EVENT_BURST).max(1) as u64,
            status_update_every: flags.span(&NODE_STATUS_UPDATE_FREQUENCY).max(Span::from_millis(1)),
            status_report_every: Span::from_mins(5),
            lease_duration_seconds: 40,
            elide_heartbeats: true,
            registration_delay: Range::millis(100, 1_000),
            relist_every: Span::from_secs(1),
            volume_mount: Range::millis(300, 1_500),
            volume_unmount: Range::millis(100, 500),
            sandbox_start: Range::millis(300, 700),
            container_start: Range::millis(100, 300),
            init_run: Range::millis(500, 1_500),
            bandwidth: 100_000_000,
            pull_overhead: Range::millis(300, 900),
            image_bytes: 100_000_000,
            crash_backoff: Span::from_secs(10),
            crash_backoff_max: Span::from_mins(5),
            image_backoff: Span::from_secs(10),
            image_backoff_max: Span::from_mins(5),
            status_retry: Span::from_secs(10),
            images_reported_max: 50,
            sync_frequency: flags.span(&SYNC_FREQUENCY),
            eviction: EvictionSettings::of(flags)?,
        })
    }

    /// How often the Lease is renewed.
    pub fn lease_every(&self) -> Span {
        Span::from_millis(self.lease_duration_seconds.max(1) as u64 * 250)
    }
}
