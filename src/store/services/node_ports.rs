//! Node ports of Services, and the port on which a node is asked for endpoints.
//! Upstream: `pkg/registry/core/service/storage/alloc.go` (`initNodePorts`, `updateNodePorts`,
//! `updateHealthCheckNodePort`).

use k8s_openapi::api::core::v1::ServiceSpec;
use std::collections::{BTreeMap, BTreeSet};

use super::families::{has_node_ports, kind, needs_health_check, node_ports};
use super::{Draws, Failed, NODE_PORT, Services};

/// Whether ports without a node port get one. Upstream: `shouldAllocateNodePorts`.
fn gives_node_ports(spec: &ServiceSpec) -> bool {
    match kind(spec) {
        "NodePort" => true,
        "LoadBalancer" => spec.allocate_load_balancer_node_ports != Some(false),
        _ => false,
    }
}

fn port_path(index: usize) -> String {
    format!("spec.ports[{index}].nodePort")
}

impl Services {
    fn any_port(&mut self, draw: &Draws) -> Result<i32, String> {
        let below = draw.next(NODE_PORT, &mut self.draws);
        self.ports.take_any(below).map(|port| port as i32).map_err(|why| why.to_string())
    }

    fn take_port(&mut self, number: i32, path: &str) -> Result<(), Failed> {
        self.ports.take(number.max(0) as u128).map_err(|why| Failed::port(path, number, &why))
    }

    /// Upstream: `txnAllocNodePorts`.
    pub(super) fn give_ports(&mut self, spec: &mut ServiceSpec, draw: &Draws) -> Result<(), Failed> {
        if has_node_ports(spec) {
            self.give_node_ports(spec, draw)?;
        }
        if needs_health_check(spec) {
            self.give_health_check(spec, draw)?;
        }
        Ok(())
    }

    /// One node port a port number: TCP and UDP of the same port share theirs.
    fn give_node_ports(&mut self, spec: &mut ServiceSpec, draw: &Draws) -> Result<(), Failed> {
        let gives = gives_node_ports(spec);
        let mut ports = spec.ports.take().unwrap_or_default();
        let mut by_port: BTreeMap<i32, i32> = BTreeMap::new();
        for index in 0..ports.len() {
            let (port, wanted) = (ports[index].port, ports[index].node_port.unwrap_or(0));
            if wanted == 0 && !gives {
                ports[index].node_port = None;
                continue;
            }
            let number = match by_port.get(&port) {
                None => {
                    let asked = ports.iter().filter(|other| other.port == port);
                    let number = match asked.filter_map(|other| other.node_port).find(|number| *number != 0) {
                        Some(asked) => {
                            self.take_port(asked, &port_path(index))?;
                            asked
                        }
                        None => self
                            .any_port(draw)
                            .map_err(|why| Failed::Internal(format!("failed to allocate a nodePort: {why}")))?,
                    };
                    by_port.insert(port, number);
                    number
                }
                Some(number) if wanted == 0 || wanted == *number => *number,
                Some(_) => {
                    self.take_port(wanted, &port_path(index))?;
                    wanted
                }
            };
            ports[index].node_port = Some(number);
        }
        spec.ports = Some(ports);
        Ok(())
    }

    fn give_health_check(&mut self, spec: &mut ServiceSpec, draw: &Draws) -> Result<(), Failed> {
        match spec.health_check_node_port.filter(|number| *number != 0) {
            Some(number) => self.ports.take(number.max(0) as u128).map_err(|why| {
                Failed::Internal(format!("failed to allocate requested HealthCheck NodePort {number}: {why}"))
            }),
            None => {
                let given = self
                    .any_port(draw)
                    .map_err(|why| Failed::Internal(format!("failed to allocate a HealthCheck NodePort 0: {why}")))?;
                spec.health_check_node_port = Some(given);
                Ok(())
            }
        }
    }

    /// Upstream: `txnUpdateNodePorts`.
    pub(super) fn update_ports(
        &mut self,
        new: &mut ServiceSpec,
        old: &ServiceSpec,
        draw: &Draws,
    ) -> Result<(), Failed> {
        if has_node_ports(old) && !has_node_ports(new) {
            self.release_numbers(node_ports(old));
        }
        if has_node_ports(new) {
            self.update_node_ports(new, old, draw)?;
        }
        match (needs_health_check(old), needs_health_check(new)) {
            (false, true) => self.give_health_check(new, draw)?,
            (true, false) => self.release_numbers(old.health_check_node_port),
            (true, true) | (false, false) => {}
        }
        Ok(())
    }

    fn update_node_ports(&mut self, new: &mut ServiceSpec, old: &ServiceSpec, draw: &Draws) -> Result<(), Failed> {
        let (gives, before) = (gives_node_ports(new), node_ports(old));
        let mut taken: BTreeSet<i32> = BTreeSet::new();
        let mut seen: BTreeSet<(Option<String>, i32)> = BTreeSet::new();
        for (index, port) in new.ports.iter_mut().flatten().enumerate() {
            let number = match port.node_port.filter(|number| *number != 0) {
                Some(number) => {
                    if !before.contains(&number) && taken.insert(number) {
                        self.take_port(number, &port_path(index))?;
                    }
                    number
                }
                None if !gives => {
                    port.node_port = None;
                    continue;
                }
                None => self
                    .any_port(draw)
                    .map_err(|why| Failed::Internal(format!("failed to allocate a nodePort: {why}")))?,
            };
            port.node_port = Some(number);
            if !seen.insert((port.protocol.clone(), number)) {
                let protocol = port.protocol.as_deref().unwrap_or("");
                return Err(Failed::Internal(format!("duplicate nodePort: {{{protocol} {number}}}")));
            }
        }
        let after = node_ports(new);
        self.release_numbers(before.into_iter().filter(|number| !after.contains(number)));
        Ok(())
    }

    /// Takes back the ports of a Service that goes.
    pub(super) fn release_ports(&mut self, spec: &ServiceSpec) {
        self.release_numbers(node_ports(spec));
        self.release_numbers(spec.health_check_node_port);
    }

    fn release_numbers(&mut self, numbers: impl IntoIterator<Item = i32>) {
        numbers.into_iter().for_each(|number| self.ports.release(number.max(0) as u128));
    }
}
