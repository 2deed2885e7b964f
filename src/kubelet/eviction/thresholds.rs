//! What a kubelet watches of its node, and from when on it counts as low.
//! Upstream: `pkg/kubelet/eviction/helpers.go` (`ParseThresholdConfig`), `api/types.go`.
//!
//! The flags have upstream's names and form: `--eviction-hard=memory.available<100Mi,nodefs.available<10%`. A given
//! `--eviction-hard` replaces all of the defaults. Left out: `containerfs` (upstream takes nothing of it from flags) and
//! `allocatableMemory.available`, which here never says more than `memory.available` (see [`super::stats`]).

use std::collections::BTreeMap;

use crate::api::Quantity;
use crate::api::quantity::Format;
use crate::client::{Flag, FlagValue, Flags};
use crate::kernel::Span;

/// `--eviction-hard`: thresholds that evict at once.
pub const EVICTION_HARD: Flag = Flag {
    name: "eviction-hard",
    default: FlagValue::Text(
        "imagefs.available<15%,imagefs.inodesFree<5%,memory.available<100Mi,nodefs.available<10%,nodefs.inodesFree<5%",
    ),
    doc: "thresholds, as memory.available<1Gi, at which a kubelet evicts pods at once; separated by commas",
};
/// `--eviction-soft`: thresholds that evict after a grace period.
pub const EVICTION_SOFT: Flag = Flag {
    name: "eviction-soft",
    default: FlagValue::Text(""),
    doc: "thresholds, as memory.available<1Gi, at which a kubelet evicts pods after a grace period",
};
/// `--eviction-soft-grace-period`: the grace periods of soft thresholds.
pub const EVICTION_SOFT_GRACE_PERIOD: Flag = Flag {
    name: "eviction-soft-grace-period",
    default: FlagValue::Text(""),
    doc: "how long a soft threshold must be met before pods are evicted, as memory.available=1m30s",
};
/// `--eviction-minimum-reclaim`: how far beyond a threshold an eviction goes.
pub const EVICTION_MINIMUM_RECLAIM: Flag = Flag {
    name: "eviction-minimum-reclaim",
    default: FlagValue::Text(""),
    doc: "how much more than a threshold must be free before evictions stop, as nodefs.available=2Gi",
};
/// `--eviction-pressure-transition-period`: how long a condition outlasts its threshold.
pub const EVICTION_PRESSURE_TRANSITION_PERIOD: Flag = Flag {
    name: "eviction-pressure-transition-period",
    default: FlagValue::Span(Span::from_mins(5)),
    doc: "how long a node's pressure condition stays after its threshold was last met",
};
/// `--eviction-max-pod-grace-period`: the grace of pods that a soft threshold evicts.
pub const EVICTION_MAX_POD_GRACE_PERIOD: Flag = Flag {
    name: "eviction-max-pod-grace-period",
    default: FlagValue::Int(0),
    doc: "the most seconds of grace that a pod gets that is evicted for a soft threshold",
};

/// What is watched. Upstream: `evictionapi.Signal`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Signal {
    /// `memory.available`.
    MemoryAvailable,
    /// `nodefs.available`.
    NodeFsAvailable,
    /// `nodefs.inodesFree`.
    NodeFsInodesFree,
    /// `imagefs.available`.
    ImageFsAvailable,
    /// `imagefs.inodesFree`.
    ImageFsInodesFree,
    /// `pid.available`.
    PidAvailable,
}

/// What is short. Upstream: `signalToResource`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Starved {
    /// Memory.
    Memory,
    /// Bytes of the disk.
    Disk,
    /// Its inodes.
    Inodes,
    /// Process numbers.
    Pids,
}

/// The conditions of a node that evictions set, in upstream's order of a node's conditions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Pressure {
    /// `MemoryPressure`.
    Memory,
    /// `DiskPressure`.
    Disk,
    /// `PIDPressure`.
    Pid,
}

/// A threshold or a reclaim: an amount, or a share of the capacity.
#[derive(Clone, PartialEq, Debug)]
pub enum Amount {
    /// So much.
    Fixed(Quantity),
    /// This share of the capacity; upstream keeps it in single precision.
    Share(f32),
}

/// One threshold.
#[derive(Clone, PartialEq, Debug)]
pub struct Threshold {
    /// What it is about.
    pub signal: Signal,
    /// It is met while less than this is available.
    pub least: Amount,
    /// How long it must be met; zero: a hard one.
    pub grace: Span,
    /// How much more must be available before it is met no longer, once pods have been evicted for it.
    pub reclaim: Option<Amount>,
}

/// All that flags say of evictions.
#[derive(Clone, PartialEq, Debug)]
pub struct EvictionSettings {
    /// Hard ones first, each in the order of [`Signal`].
    pub thresholds: Vec<Threshold>,
    /// `--eviction-pressure-transition-period`.
    pub transition: Span,
    /// `--eviction-max-pod-grace-period`, in seconds.
    pub max_pod_grace_seconds: i64,
}

impl Signal {
    /// All of them, in order.
    pub const ALL: [Signal; 6] = [
        Signal::MemoryAvailable,
        Signal::NodeFsAvailable,
        Signal::NodeFsInodesFree,
        Signal::ImageFsAvailable,
        Signal::ImageFsInodesFree,
        Signal::PidAvailable,
    ];

    /// Upstream's name.
    pub fn name(self) -> &'static str {
        match self {
            Signal::MemoryAvailable => "memory.available",
            Signal::NodeFsAvailable => "nodefs.available",
            Signal::NodeFsInodesFree => "nodefs.inodesFree",
            Signal::ImageFsAvailable => "imagefs.available",
            Signal::ImageFsInodesFree => "imagefs.inodesFree",
            Signal::PidAvailable => "pid.available",
        }
    }

    /// What is short when its threshold is met.
    pub fn starved(self) -> Starved {
        match self {
            Signal::MemoryAvailable => Starved::Memory,
            Signal::NodeFsAvailable | Signal::ImageFsAvailable => Starved::Disk,
            Signal::NodeFsInodesFree | Signal::ImageFsInodesFree => Starved::Inodes,
            Signal::PidAvailable => Starved::Pids,
        }
    }
}

impl Starved {
    /// As messages name it.
    pub fn word(self) -> &'static str {
        match self {
            Starved::Memory => "memory",
            Starved::Disk => "ephemeral-storage",
            Starved::Inodes => "inodes",
            Starved::Pids => "pids",
        }
    }

    /// How amounts of it are written.
    pub fn format(self) -> Format {
        match self {
            Starved::Memory | Starved::Disk => Format::BinarySI,
            Starved::Inodes | Starved::Pids => Format::DecimalSI,
        }
    }

    /// The condition that it sets. Upstream: `signalToNodeCondition`.
    pub fn pressure(self) -> Pressure {
        match self {
            Starved::Memory => Pressure::Memory,
            Starved::Disk | Starved::Inodes => Pressure::Disk,
            Starved::Pids => Pressure::Pid,
        }
    }
}

impl Pressure {
    /// All of them, in order.
    pub const ALL: [Pressure; 3] = [Pressure::Memory, Pressure::Disk, Pressure::Pid];

    /// The condition's type.
    pub fn condition(self) -> &'static str {
        match self {
            Pressure::Memory => "MemoryPressure",
            Pressure::Disk => "DiskPressure",
            Pressure::Pid => "PIDPressure",
        }
    }
}

impl Amount {
    /// In units, of a capacity. Upstream: `GetThresholdQuantity`.
    pub fn of(&self, capacity: u64) -> u64 {
        match self {
            Amount::Fixed(quantity) => quantity.value().unsigned_abs(),
            Amount::Share(share) => (capacity as f64 * f64::from(*share)) as u64,
        }
    }

    /// As messages print it.
    pub fn text(&self, capacity: u64) -> Quantity {
        match self {
            Amount::Fixed(quantity) => quantity.clone(),
            Amount::Share(_) => Quantity::from_value(self.of(capacity) as i64, Format::BinarySI),
        }
    }
}

impl Threshold {
    /// Whether it evicts at once.
    pub fn is_hard(&self) -> bool {
        self.grace == Span::ZERO
    }
}

impl EvictionSettings {
    /// What flags say. The error begins with the flag's name, as a command line would say it.
    pub fn of(flags: &Flags) -> Result<EvictionSettings, String> {
        let of = |flag: &'static Flag| move |why: String| format!("--{}: {why}", flag.name);
        let hard = thresholds(flags.text(&EVICTION_HARD)).map_err(of(&EVICTION_HARD))?;
        let mut soft = thresholds(flags.text(&EVICTION_SOFT)).map_err(of(&EVICTION_SOFT))?;
        let graces = graces(flags.text(&EVICTION_SOFT_GRACE_PERIOD)).map_err(of(&EVICTION_SOFT_GRACE_PERIOD))?;
        let reclaims = reclaims(flags.text(&EVICTION_MINIMUM_RECLAIM)).map_err(of(&EVICTION_MINIMUM_RECLAIM))?;
        for threshold in &mut soft {
            let signal = threshold.signal;
            threshold.grace = *graces.get(&signal).ok_or_else(|| {
                let why = format!("grace period must be specified for the soft eviction threshold {}", signal.name());
                of(&EVICTION_SOFT)(why)
            })?;
        }
        let mut thresholds = hard;
        thresholds.extend(soft);
        for threshold in &mut thresholds {
            threshold.reclaim = reclaims.get(&threshold.signal).cloned();
        }
        let max_pod_grace_seconds = flags.int(&EVICTION_MAX_POD_GRACE_PERIOD);
        if max_pod_grace_seconds < 0 {
            return Err(of(&EVICTION_MAX_POD_GRACE_PERIOD)(format!("{max_pod_grace_seconds} is below 0")));
        }
        let transition = flags.span(&EVICTION_PRESSURE_TRANSITION_PERIOD);
        Ok(EvictionSettings { thresholds, transition, max_pod_grace_seconds })
    }
}

/// `signal<value,…`, in the order of the signals.
fn thresholds(text: &str) -> Result<Vec<Threshold>, String> {
    let mut found = BTreeMap::new();
    for (signal, value) in pairs(text, '<')? {
        if let Some(least) = threshold_value(signal, value)? {
            found.insert(signal, Threshold { signal, least, grace: Span::ZERO, reclaim: None });
        }
    }
    Ok(found.into_values().collect())
}

/// Upstream: `parseThresholdStatement`; 0% and 100% are no thresholds.
fn threshold_value(signal: Signal, value: &str) -> Result<Option<Amount>, String> {
    let name = signal.name();
    if value.ends_with('%') {
        if value == "0%" || value == "100%" {
            return Ok(None);
        }
        let share = share(value)?;
        if share < 0.0 {
            return Err(format!("eviction percentage threshold {name} must be >= 0%: {value}"));
        }
        if share > 1.0 {
            return Err(format!("eviction percentage threshold {name} must be <= 100%: {value}"));
        }
        return Ok(Some(Amount::Share(share)));
    }
    let quantity: Quantity = value.parse().map_err(|why| format!("{value:?}: {why}"))?;
    if quantity.nanos() <= 0 {
        return Err(format!("eviction threshold {name} must be positive: {value}"));
    }
    Ok(Some(Amount::Fixed(quantity)))
}

fn share(value: &str) -> Result<f32, String> {
    let number: f32 = value.trim_end_matches('%').parse().map_err(|_| format!("{value:?} is not a percentage"))?;
    if number.is_finite() { Ok(number / 100.0) } else { Err(format!("{value:?} is not a percentage")) }
}

fn graces(text: &str) -> Result<BTreeMap<Signal, Span>, String> {
    let grace = |(signal, value): (Signal, &str)| {
        let span = value.parse().map_err(|_| format!("{value:?} is not a duration such as 30s or 1m30s"))?;
        Ok((signal, span))
    };
    pairs(text, '=')?.into_iter().map(grace).collect()
}

fn reclaims(text: &str) -> Result<BTreeMap<Signal, Amount>, String> {
    let reclaim = |(signal, value): (Signal, &str)| {
        let name = signal.name();
        if value.ends_with('%') {
            let share = share(value)?;
            let wrong = format!("eviction percentage minimum reclaim {name} must be positive: {value}");
            return if share > 0.0 { Ok((signal, Amount::Share(share))) } else { Err(wrong) };
        }
        let quantity: Quantity = value.parse().map_err(|why| format!("{value:?}: {why}"))?;
        let wrong = format!("negative eviction minimum reclaim specified for {name}");
        if quantity.nanos() < 0 { Err(wrong) } else { Ok((signal, Amount::Fixed(quantity))) }
    };
    pairs(text, '=')?.into_iter().map(reclaim).collect()
}

fn pairs(text: &str, between: char) -> Result<Vec<(Signal, &str)>, String> {
    let pair = |part: &'_ str| -> Result<(String, usize), String> {
        let (name, _) =
            part.split_once(between).ok_or_else(|| format!("malformed pair {part:?}, expect string{between}string"))?;
        Ok((name.trim().to_owned(), name.len() + between.len_utf8()))
    };
    let mut found = Vec::new();
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        let (name, skip) = pair(part)?;
        let signal = Signal::ALL.into_iter().find(|signal| signal.name() == name);
        let known = || Signal::ALL.map(Signal::name).join(", ");
        let signal = signal.ok_or_else(|| format!("unsupported eviction signal {name}; there are {}", known()))?;
        found.push((signal, part[skip..].trim()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(set: &[(&Flag, &str)]) -> Flags {
        let mut flags = Flags::default();
        for (flag, text) in set {
            flags.set(flag, text).unwrap();
        }
        flags
    }

    #[test]
    fn the_defaults_are_those_of_kubernetes() {
        let settings = EvictionSettings::of(&Flags::default()).unwrap();
        let gibi = 1 << 30;
        let told = settings.thresholds.iter().map(|it| (it.signal.name(), it.least.text(100 * gibi).to_string()));
        let told: Vec<_> = told.collect();
        let expected = [
            ("memory.available", "100Mi"),
            ("nodefs.available", "10737418400"),
            ("nodefs.inodesFree", "5368709200"),
            ("imagefs.available", "16106128000"),
            ("imagefs.inodesFree", "5368709200"),
        ];
        // A percentage is kept in single precision: a little more than 10 % of 100Gi.
        assert_eq!(told, expected.map(|(name, text)| (name, text.to_owned())));
        assert_eq!((settings.transition, settings.max_pod_grace_seconds), (Span::from_mins(5), 0));
    }

    #[track_caller]
    fn refused(set: &[(&Flag, &str)], why: &str) {
        assert_eq!(EvictionSettings::of(&flags(set)), Err(why.to_owned()));
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_upstreams_words() {
        refused(
            &[(&EVICTION_SOFT, "memory.available<1Gi")],
            "--eviction-soft: grace period must be specified for the soft eviction threshold memory.available",
        );
        refused(
            &[(&EVICTION_HARD, "memory.available<-1Mi")],
            "--eviction-hard: eviction threshold memory.available must be positive: -1Mi",
        );
        refused(
            &[(&EVICTION_HARD, "memory.available<101%")],
            "--eviction-hard: eviction percentage threshold memory.available must be <= 100%: 101%",
        );
        refused(
            &[(&EVICTION_HARD, "memory<1Gi")],
            "--eviction-hard: unsupported eviction signal memory; there are memory.available, nodefs.available, \
             nodefs.inodesFree, imagefs.available, imagefs.inodesFree, pid.available",
        );
        refused(
            &[(&EVICTION_HARD, "memory.available")],
            "--eviction-hard: malformed pair \"memory.available\", expect string<string",
        );
    }

    #[test]
    fn soft_thresholds_come_after_hard_ones_and_reclaims_count_for_both() {
        let settings = EvictionSettings::of(&flags(&[
            (&EVICTION_HARD, "pid.available<10%,memory.available<100Mi,nodefs.available<0%"),
            (&EVICTION_SOFT, "memory.available<1Gi"),
            (&EVICTION_SOFT_GRACE_PERIOD, "memory.available=1m30s"),
            (&EVICTION_MINIMUM_RECLAIM, "memory.available=500Mi"),
        ]))
        .unwrap();
        let told: Vec<_> =
            settings.thresholds.iter().map(|it| (it.signal, it.grace.as_millis(), it.reclaim.is_some())).collect();
        let memory = Signal::MemoryAvailable;
        assert_eq!(told, [(memory, 0, true), (Signal::PidAvailable, 0, false), (memory, 90_000, true)]);
    }
}
