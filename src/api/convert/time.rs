//! Timestamps between records and upstream's types.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use k8s_openapi::jiff;

use crate::api::{MicroTimestamp, Timestamp};

/// A record's timestamp for the wire; none for the default, which stands for 'absent'.
pub(super) fn write(at: Timestamp) -> Option<Time> {
    if at == Timestamp::default() { None } else { write_always(at) }
}

/// The same where the epoch itself is meant; none for times that no calendar holds.
pub(super) fn write_always(at: Timestamp) -> Option<Time> {
    jiff::Timestamp::from_second(at.0).ok().map(Time)
}

/// A timestamp from the wire, cut to whole seconds.
pub(super) fn read(time: &Time) -> Timestamp {
    Timestamp(time.0.as_second())
}

/// The same, the default where there is none.
pub(super) fn read_or_default(time: Option<&Time>) -> Timestamp {
    time.map(read).unwrap_or_default()
}

/// Microseconds for the wire.
pub(super) fn write_micro(at: MicroTimestamp) -> Option<MicroTime> {
    jiff::Timestamp::from_microsecond(at.0).ok().map(MicroTime)
}

/// Microseconds from the wire.
pub(super) fn read_micro(time: &MicroTime) -> MicroTimestamp {
    MicroTimestamp(time.0.as_microsecond())
}
