//! Which way a partition goes.

use std::sync::Arc;

use super::{Parameter, ParameterKind};
use crate::event::{NetEffect, NetRule, PartId, Parties, Primitive, Way};

/// The parameter that partitions have in common.
pub(super) const DIRECTION: Parameter = Parameter {
    name: "direction",
    kind: ParameterKind::Choice(&["both", "toApiServer", "fromApiServer"]),
    default: Some("both"),
    doc: "What is lost: both ways, what goes to the API server (requests), or what comes from it (answers and watch \
          events; requests are applied, though their senders never hear of it).",
};

/// The effect that loses messages of some parts.
pub(super) fn lose(parts: Vec<PartId>, direction: &str) -> Primitive {
    let ways = match direction {
        "toApiServer" => vec![Way::Request],
        "fromApiServer" => vec![Way::Reply, Way::Watch],
        _ => vec![Way::Request, Way::Reply, Way::Watch],
    };
    let rule = NetRule { parts: Parties::of(parts), replica: None, ways, kind: None, effect: NetEffect::Drop };
    Primitive::Impose(Arc::new(rule))
}
