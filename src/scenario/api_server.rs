//! Flags of kube-apiserver.

use super::components::of_flag;
use crate::api::located::{InputError, Place};
use crate::client::{Flag, FlagValue, Flags};
use crate::store::{ApiServerSettings, DisabledPlugins, ServiceRanges};

/// `--service-cluster-ip-range`.
pub(super) const SERVICE_CLUSTER_IP_RANGE: Flag = Flag {
    name: "service-cluster-ip-range",
    default: FlagValue::Text(ServiceRanges::CLUSTER_IPS),
    doc: "the range of the addresses of Services, or one range of each family with a comma between, the primary first",
};
/// `--service-node-port-range`.
pub(super) const SERVICE_NODE_PORT_RANGE: Flag = Flag {
    name: "service-node-port-range",
    default: FlagValue::Text(ServiceRanges::NODE_PORTS),
    doc: "the ports of the nodes that Services may have, the first and the last one",
};

/// `--disable-admission-plugins`.
pub(super) const DISABLE_ADMISSION_PLUGINS: Flag = Flag {
    name: "disable-admission-plugins",
    default: FlagValue::Text(""),
    doc: "admission plugins that are off, with commas between: DefaultTolerationSeconds, LimitRanger, Priority, \
          ResourceQuota, ServiceAccount",
};

/// The flags of kube-apiserver.
pub const API_SERVER_FLAGS: &[&Flag] =
    &[&SERVICE_CLUSTER_IP_RANGE, &SERVICE_NODE_PORT_RANGE, &DISABLE_ADMISSION_PLUGINS];

/// What the flags say.
pub(super) fn api_server_settings(flags: &Flags, place: &Place<'_>, errors: &mut Vec<InputError>) -> ApiServerSettings {
    let service_ranges = service_ranges(flags, place, errors);
    let disabled_plugins = DisabledPlugins::parse(flags.text(&DISABLE_ADMISSION_PLUGINS)).unwrap_or_else(|message| {
        errors.push(place.key(DISABLE_ADMISSION_PLUGINS.name).error(message));
        DisabledPlugins::default()
    });
    ApiServerSettings { service_ranges, disabled_plugins }
}

fn service_ranges(flags: &Flags, place: &Place<'_>, errors: &mut Vec<InputError>) -> ServiceRanges {
    let mut refuse = |message: String| {
        let text = message.replacen(' ', ": ", usize::from(!message.contains(": ")));
        errors.push(of_flag(&text, place).error(message));
    };
    let mut ranges = ServiceRanges::default();
    match ServiceRanges::cluster_ips(flags.text(&SERVICE_CLUSTER_IP_RANGE)) {
        Ok(cluster_ips) => ranges.cluster_ips = cluster_ips,
        Err(message) => refuse(message),
    }
    match ServiceRanges::node_ports(flags.text(&SERVICE_NODE_PORT_RANGE)) {
        Ok(node_ports) => ranges.node_ports = node_ports,
        Err(message) => refuse(message),
    }
    ranges
}
