//! What Services take of a quota. Upstream: `pkg/quota/v1/evaluator/core/services.go`.

use serde_json::{Map, Value};

use super::Amounts;

const SERVICES: &str = "services";
const NODE_PORTS: &str = "services.nodeports";
const LOAD_BALANCERS: &str = "services.loadbalancers";

/// Whether Services take of a resource of a quota.
pub(super) fn takes(name: &str) -> bool {
    matches!(name, SERVICES | NODE_PORTS | LOAD_BALANCERS)
}

pub(super) fn add_usage(fields: &Map<String, Value>, usage: &mut Amounts) {
    let spec = fields.get("spec");
    let field = |name: &str| spec.and_then(|spec| spec.get(name));
    let ports = field("ports").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let with_number = ports.iter().filter(|port| port["nodePort"].as_i64().is_some_and(|number| number != 0)).count();
    let (node_ports, balancers) = match field("type").and_then(Value::as_str) {
        Some("NodePort") => (ports.len(), 0),
        Some("LoadBalancer") if field("allocateLoadBalancerNodePorts") == Some(&Value::Bool(false)) => (with_number, 1),
        Some("LoadBalancer") => (ports.len(), 1),
        _ => (0, 0),
    };
    usage.add_count(SERVICES, 1);
    usage.add_count(NODE_PORTS, node_ports as i64);
    usage.add_count(LOAD_BALANCERS, balancers);
}
