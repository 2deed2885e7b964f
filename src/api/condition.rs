//! Conditions as most kinds carry them. Pods have a smaller form of their own in `pod`.

use super::{Name, Timestamp};

/// The status of a condition.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody knows.
    Unknown,
}

impl ConditionStatus {
    /// As Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            ConditionStatus::True => "True",
            ConditionStatus::False => "False",
            ConditionStatus::Unknown => "Unknown",
        }
    }

    /// Reads Kubernetes' text; anything else is unknown.
    pub fn parse(text: &str) -> ConditionStatus {
        match text {
            "True" => ConditionStatus::True,
            "False" => ConditionStatus::False,
            _ => ConditionStatus::Unknown,
        }
    }

    /// From a truth value.
    pub fn of(holds: bool) -> ConditionStatus {
        if holds { ConditionStatus::True } else { ConditionStatus::False }
    }
}

/// One condition of a Deployment, ReplicaSet, Namespace or Node.
#[derive(Clone, PartialEq, Debug)]
pub struct Condition {
    /// `type`.
    pub kind: Name,
    /// `status`.
    pub status: ConditionStatus,
    /// `reason`; empty where absent.
    pub reason: Name,
    /// `message`; empty where absent.
    pub message: Name,
    /// `lastTransitionTime`.
    pub last_transition: Option<Timestamp>,
    /// `lastUpdateTime` (Deployments) or `lastHeartbeatTime` (Nodes).
    pub last_update: Option<Timestamp>,
}

/// The condition of a type, if it is there.
pub fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.kind == kind)
}
