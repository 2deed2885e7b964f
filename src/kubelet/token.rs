//! The kubelet's own names for its requests and timers, as numbers.

use crate::event::{TimerToken, Token};

/// A request whose answer matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ask {
    /// The list of an informer.
    List(u16),
    /// The creation of the Node.
    Register,
    /// The Node that was there already.
    GetNode,
    /// The Node's status.
    NodeStatus,
    /// The creation of the Lease.
    CreateLease,
    /// Its renewal.
    RenewLease,
    /// The Node as others may have changed it.
    LookAtNode,
    /// A pod's status.
    PodStatus(u32),
    /// A pod's final deletion.
    PodDelete(u32),
    /// A ConfigMap or Secret that a pod needs, by the number of the need.
    Source(u32, u16),
    /// The PersistentVolume of a pod's volume, by the number of the volume.
    Volume(u32, u16),
    /// The CSIDriver of a pod's volume.
    Driver(u32, u16),
}

/// A timer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Timer {
    /// List again after a failed list.
    List(u16),
    /// Create the Node.
    Register,
    /// Create the Lease.
    CreateLease,
    /// Renew it.
    RenewLease,
    /// Compute the Node's status.
    NodeStatus,
    /// The pull that goes on is done.
    PullDone,
    /// Look at the containers.
    Relist,
    /// A pod's sandbox is ready.
    Sandbox(u32),
    /// A container's next step is due.
    Container(u32, u16),
    /// A pod's failed request is sent again.
    Retry(u32),
    /// A pod's active deadline is over.
    Deadline(u32),
    /// Somebody else has changed what the kubelet reports of a pod.
    Reconcile(u32),
    /// A pod's volumes are tried again.
    Mount(u32),
    /// A pod has waited for its volumes long enough.
    MountWait(u32),
    /// The eviction manager looks at the node.
    Pressure,
    /// Memory has run out.
    OutOfMemory,
    /// A pod's next sync writes new contents into its volumes.
    Refresh(u32),
    /// The next step of a pod's claimed volume is due.
    Claim(u32, u16),
    /// A pod has waited for its claimed volumes long enough.
    ClaimWait(u32),
    /// The volumes of a pod that has ended are unmounted.
    Unmount(u32),
    /// A pod's sync finds that a claimed volume has grown.
    Grow(u32, u16),
}

fn pack(code: u64, index: u16, serial: u32) -> u64 {
    u64::from(serial) << 24 | u64::from(index) << 8 | code
}

fn serial(token: u64) -> u32 {
    (token >> 24) as u32
}

fn index(token: u64) -> u16 {
    (token >> 8) as u16
}

impl Ask {
    /// As a number.
    pub(super) fn token(self) -> Token {
        Token(match self {
            Ask::List(informer) => pack(0, informer, 0),
            Ask::Register => pack(1, 0, 0),
            Ask::GetNode => pack(2, 0, 0),
            Ask::NodeStatus => pack(3, 0, 0),
            Ask::CreateLease => pack(4, 0, 0),
            Ask::RenewLease => pack(5, 0, 0),
            Ask::PodStatus(serial) => pack(6, 0, serial),
            Ask::PodDelete(serial) => pack(7, 0, serial),
            Ask::LookAtNode => pack(8, 0, 0),
            Ask::Source(serial, number) => pack(9, number, serial),
            Ask::Volume(serial, number) => pack(10, number, serial),
            Ask::Driver(serial, number) => pack(11, number, serial),
        })
    }

    /// From a number; `None` for one that no kubelet has made.
    pub(super) fn of(token: u64) -> Option<Ask> {
        Some(match token & 0xff {
            0 => Ask::List(index(token)),
            1 => Ask::Register,
            2 => Ask::GetNode,
            3 => Ask::NodeStatus,
            4 => Ask::CreateLease,
            5 => Ask::RenewLease,
            6 => Ask::PodStatus(serial(token)),
            7 => Ask::PodDelete(serial(token)),
            8 => Ask::LookAtNode,
            9 => Ask::Source(serial(token), index(token)),
            10 => Ask::Volume(serial(token), index(token)),
            11 => Ask::Driver(serial(token), index(token)),
            _ => return None,
        })
    }
}

impl Timer {
    /// As a number.
    pub(super) fn token(self) -> TimerToken {
        TimerToken(match self {
            Timer::List(informer) => pack(0, informer, 0),
            Timer::Register => pack(1, 0, 0),
            Timer::CreateLease => pack(2, 0, 0),
            Timer::RenewLease => pack(3, 0, 0),
            Timer::NodeStatus => pack(4, 0, 0),
            Timer::PullDone => pack(5, 0, 0),
            Timer::Relist => pack(6, 0, 0),
            Timer::Sandbox(serial) => pack(7, 0, serial),
            Timer::Container(serial, container) => pack(8, container, serial),
            Timer::Retry(serial) => pack(9, 0, serial),
            Timer::Deadline(serial) => pack(10, 0, serial),
            Timer::Reconcile(serial) => pack(11, 0, serial),
            Timer::Mount(serial) => pack(12, 0, serial),
            Timer::MountWait(serial) => pack(13, 0, serial),
            Timer::Pressure => pack(14, 0, 0),
            Timer::OutOfMemory => pack(15, 0, 0),
            Timer::Refresh(serial) => pack(16, 0, serial),
            Timer::Claim(serial, number) => pack(17, number, serial),
            Timer::ClaimWait(serial) => pack(18, 0, serial),
            Timer::Unmount(serial) => pack(19, 0, serial),
            Timer::Grow(serial, number) => pack(20, number, serial),
        })
    }

    /// From a number; `None` for one that no kubelet has made.
    pub(super) fn of(token: u64) -> Option<Timer> {
        Some(match token & 0xff {
            0 => Timer::List(index(token)),
            1 => Timer::Register,
            2 => Timer::CreateLease,
            3 => Timer::RenewLease,
            4 => Timer::NodeStatus,
            5 => Timer::PullDone,
            6 => Timer::Relist,
            7 => Timer::Sandbox(serial(token)),
            8 => Timer::Container(serial(token), index(token)),
            9 => Timer::Retry(serial(token)),
            10 => Timer::Deadline(serial(token)),
            11 => Timer::Reconcile(serial(token)),
            12 => Timer::Mount(serial(token)),
            13 => Timer::MountWait(serial(token)),
            14 => Timer::Pressure,
            15 => Timer::OutOfMemory,
            16 => Timer::Refresh(serial(token)),
            17 => Timer::Claim(serial(token), index(token)),
            18 => Timer::ClaimWait(serial(token)),
            19 => Timer::Unmount(serial(token)),
            20 => Timer::Grow(serial(token), index(token)),
            _ => return None,
        })
    }
}
