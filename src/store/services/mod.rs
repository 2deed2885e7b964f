//! What the API server gives to Services: families, cluster IPs, node ports; and what it takes back.
//!
//! Services of all types. An object is worked on as JSON with a typed `spec` in between; the pools are copied before a
//! change and put back where it is refused after all, which costs nothing. Upstream:
//! `pkg/registry/core/service/storage/{alloc,rest}.go`, `ipallocator`, `portallocator`; there, too, all this comes
//! before validation. Which free number is taken is drawn by the Service's path and how often it was given one.
//!
//! The status of a LoadBalancer is left to whoever plays the cloud: it writes `…/status`.
//! Addresses come from the ranges of the ServiceCIDRs that are ready, those of `kubernetes` before others.
//! Left out: the objects IPAddress (upstream keeps one for each address), the repair loops, dry runs.

mod families;
mod kubernetes;
mod node_ports;
mod pool;
mod ranges;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ServiceSpec;
use serde_json::{Value, json};

use self::pool::{Pool, Refused, to_bits};
use super::Store;
use crate::api::convert;
use crate::api::validation::{FieldError, FieldErrorKind, invalid_message};
use crate::api::{Cidr, Kind, Name, Obj, Object, Untyped};
use crate::event::{ApiError, ErrorReason};
use crate::kernel::{Chance, Purpose};
pub use ranges::ServiceRanges;

/// The ServiceCIDR of the ranges that the flag names, and the Service of the API server.
const KUBERNETES: &str = "kubernetes";
const OUTSIDE: &str = "the provided network does not match the current range";
const CLUSTER_IP: Purpose = Purpose::new("service-cluster-ip");
const NODE_PORT: Purpose = Purpose::new("service-node-port");

/// What is given away, and what is taken.
#[derive(Clone, Debug)]
pub(super) struct Services {
    /// Where addresses come from, the range of the primary family first.
    addresses: Vec<Range>,
    ports: Pool,
    /// How many draws were made for each Service, by the hash of its path.
    draws: imbl::OrdMap<u64, u64>,
}

/// A range of a ServiceCIDR.
#[derive(Clone, Debug)]
struct Range {
    /// The ServiceCIDR.
    of: Name,
    cidr: Cidr,
    family: &'static str,
    pool: Pool,
    /// Whether addresses are given from it.
    is_ready: bool,
}

impl Range {
    fn new(of: Name, cidr: Cidr) -> Range {
        let family = if cidr.is_ipv6() { "IPv6" } else { "IPv4" };
        Range { of, cidr, family, pool: Pool::of_addresses(&cidr), is_ready: true }
    }
}

impl Services {
    pub(super) fn new(ranges: &ServiceRanges) -> Services {
        Services {
            addresses: ranges.cluster_ips.iter().map(|cidr| Range::new(KUBERNETES.into(), *cidr)).collect(),
            ports: Pool::of_ports(ranges.node_ports.0, ranges.node_ports.1),
            draws: imbl::OrdMap::new(),
        }
    }

    /// The families of the cluster, the primary one first.
    fn cluster_families(&self) -> Vec<&'static str> {
        let own = self.addresses.iter().filter(|range| range.of == KUBERNETES);
        own.map(|range| range.family).collect()
    }

    /// A free address of a family, as a text. Upstream: `MetaAllocator.AllocateNextService`, which looks through the ranges
    /// in no particular order.
    fn any_address(&mut self, family: &'static str, draw: &Draws) -> Result<String, Failed> {
        let mut why = Refused::Full;
        for index in 0..self.addresses.len() {
            let range = &mut self.addresses[index];
            if range.family != family || !range.is_ready {
                continue;
            }
            match range.pool.take_any(draw.next(CLUSTER_IP, &mut self.draws)) {
                Ok(found) => {
                    self.addresses.iter_mut().for_each(|range| drop(range.pool.take(found)));
                    return Ok(if family == "IPv6" {
                        IpAddr::V6(found.into()).to_string()
                    } else {
                        IpAddr::V4((found as u32).into()).to_string()
                    });
                }
                Err(refused) => why = refused,
            }
        }
        Err(Failed::internal(format!("failed to allocate a serviceIP: {why}")))
    }

    /// Takes the address that is named, in every range that has it.
    fn take(&mut self, family: &str, address: u128) -> Result<(), Refused> {
        let mut result = None;
        for range in self.addresses.iter_mut().filter(|range| range.family == family) {
            match (range.pool.take(address), range.is_ready) {
                (Ok(()), true) => result = Some(Ok(())),
                (Err(Refused::Allocated(what)), _) => return Err(Refused::Allocated(what)),
                (Ok(()), false) => {}
                (Err(outside), true) => result = result.or(Some(Err(outside))),
                (Err(_), false) => {}
            }
        }
        result.unwrap_or(Err(Refused::NotInRange(OUTSIDE.to_owned())))
    }

    /// Upstream: `allocIPs`: for each family of the Service from `from` on, the address that is named or any.
    fn give_addresses(&mut self, spec: &mut ServiceSpec, from: usize, draw: &Draws) -> Result<(), Failed> {
        let families = families::families(spec).to_vec();
        let mut addresses = families::cluster_ips(spec).to_vec();
        addresses.resize(families.len().max(addresses.len()), String::new());
        for (index, family) in families.iter().enumerate().skip(from) {
            if addresses[index].is_empty() {
                let family = if family == "IPv6" { "IPv6" } else { "IPv4" };
                addresses[index] = self.any_address(family, draw)?;
                continue;
            }
            let named = addresses[index].parse::<IpAddr>().map(to_bits).unwrap_or_default();
            if let Err(why) = self.take(family, named) {
                let detail = format!("failed to allocate IP {}: {why}", addresses[index]);
                return Err(Failed::field("spec.clusterIPs", json!(addresses), detail));
            }
        }
        spec.cluster_ip = addresses.first().cloned();
        spec.cluster_ips = Some(addresses);
        Ok(())
    }

    fn release_addresses(&mut self, addresses: &[String]) {
        for address in addresses.iter().filter(|address| *address != families::NONE) {
            if let Ok(parsed) = address.parse() {
                let of_family = self.addresses.iter_mut().filter(|range| range.family == families::family_of(address));
                of_family.for_each(|range| range.pool.release(to_bits(parsed)));
            }
        }
    }

    /// Upstream: `allocateCreate`.
    fn create(&mut self, spec: &mut ServiceSpec, draw: &Draws) -> Result<(), Failed> {
        families::align(spec, None);
        families::set(spec, None, &self.cluster_families()).map_err(Failed::Invalid)?;
        if !families::is_external_name(spec) && families::cluster_ip(spec) != families::NONE {
            self.give_addresses(spec, 0, draw)?;
        }
        self.give_ports(spec, draw)
    }

    /// Upstream: `allocateUpdate`, and what `beginUpdate` does before and the strategy after it.
    fn update(&mut self, new: &mut ServiceSpec, old: &ServiceSpec, draw: &Draws) -> Result<(), Failed> {
        families::keep_given(new, old);
        families::align(new, Some(old));
        families::set(new, Some(old), &self.cluster_families()).map_err(Failed::Invalid)?;
        self.update_addresses(new, old, draw)?;
        self.update_ports(new, old, draw)?;
        families::drop_by_type(new, old);
        Ok(())
    }

    /// Upstream: `updateClusterIPs`.
    fn update_addresses(&mut self, new: &mut ServiceSpec, old: &ServiceSpec, draw: &Draws) -> Result<(), Failed> {
        use families::{cluster_ip, cluster_ips, is_external_name};
        if families::is_untouched(new, old) {
            return Ok(());
        }
        let (was, is) = (is_external_name(old), is_external_name(new));
        match (was, is) {
            (true, true) => return Ok(()),
            (true, false) if cluster_ip(new) != families::NONE => return self.give_addresses(new, 0, draw),
            (true, false) => return Ok(()),
            (false, _) if cluster_ip(old) == families::NONE => return Ok(()),
            (false, true) => {
                self.release_addresses(cluster_ips(old));
                return Ok(());
            }
            (false, false) => {}
        }
        match (families::families(old).len(), families::families(new).len()) {
            (1, 2) => self.give_addresses(new, 1, draw),
            (2, 1) => {
                self.release_addresses(cluster_ips(old).get(1..).unwrap_or_default());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Takes back what a Service had.
    pub(super) fn release(&mut self, service: &Obj<Untyped>) {
        let Some(spec) = spec_of(service) else { return };
        self.release_addresses(families::cluster_ips(&spec));
        self.release_ports(&spec);
    }
}

/// Where the draws of one Service come from.
struct Draws {
    chance: Chance,
    path: u64,
}

impl Draws {
    /// A draw among so many, by the number of draws so far.
    fn next(&self, purpose: Purpose, draws: &mut imbl::OrdMap<u64, u64>) -> impl FnMut(u128) -> u128 + use<> {
        let count = draws.entry(self.path).or_default();
        let draw = self.chance.draw(purpose, self.path, *count);
        *count += 1;
        move |among| match u64::try_from(among) {
            Ok(among) => u128::from(draw.below(among)),
            Err(_) => u128::from(draw.bits()),
        }
    }
}

/// Why a Service is refused.
#[derive(Debug)]
enum Failed {
    /// By its fields: 422.
    Invalid(Vec<FieldError>),
    /// Otherwise: 500.
    Internal(String),
}

impl Failed {
    fn internal(message: String) -> Failed {
        Failed::Internal(message)
    }

    fn field(path: &str, value: Value, detail: String) -> Failed {
        Failed::Invalid(vec![FieldError { path: path.to_owned(), kind: FieldErrorKind::Invalid, value, detail }])
    }

    fn port(path: &str, number: i32, why: &Refused) -> Failed {
        Failed::field(path, json!(number), why.to_string())
    }

    fn answer(self, name: &str) -> ApiError {
        match self {
            Failed::Invalid(errors) => {
                ApiError::new(ErrorReason::Invalid, invalid_message(Kind::Service, name, &errors))
            }
            Failed::Internal(message) => {
                ApiError::new(ErrorReason::InternalError, format!("Internal error occurred: {message}"))
            }
        }
    }
}

fn spec_of(service: &Obj<Untyped>) -> Option<ServiceSpec> {
    serde_json::from_value(service.body.fields.get("spec")?.clone()).ok()
}

impl Store {
    /// A Service that is created gets what it needs; any other object is given back as it is. What was given is taken
    /// back by [`Store::restore_services`] where the object is refused later.
    pub(super) fn give_to_service(&mut self, object: Object) -> Result<Object, ApiError> {
        self.change_service(object, None)
    }

    /// The same for an update.
    pub(super) fn update_service(&mut self, new: Object, old: &Object) -> Result<Object, ApiError> {
        self.change_service(new, Some(old))
    }

    fn change_service(&mut self, mut object: Object, old: Option<&Object>) -> Result<Object, ApiError> {
        let Object::Untyped(service) = &mut object else { return Ok(object) };
        if service.meta.id.kind != Kind::Service {
            return Ok(object);
        }
        let old = old.and_then(|old| if let Object::Untyped(old) = old { spec_of(old) } else { None });
        let Some(mut spec) = spec_of(service) else { return Ok(object) };
        let path = self.draw_hash(Kind::Service, &service.meta.namespace, &service.meta.name);
        let draw = Draws { chance: self.chance, path };
        let before = self.services.clone();
        let given = match &old {
            None => self.services.create(&mut spec, &draw),
            Some(old) => self.services.update(&mut spec, old, &draw),
        };
        if let Err(failed) = given {
            self.services = before;
            return Err(failed.answer(&service.meta.name));
        }
        let fields = &mut Arc::make_mut(service).body.fields;
        if old.is_some() && spec.type_.as_deref() != Some("LoadBalancer") && fields.contains_key("status") {
            fields["status"]["loadBalancer"] = json!({});
        }
        fields.insert("spec".to_owned(), convert::to_value(&spec));
        Ok(object)
    }

    /// The pools as they are, to be put back by [`Store::restore_services`].
    pub(super) fn services_now(&self, kind: Kind) -> Option<Services> {
        (kind == Kind::Service).then(|| self.services.clone())
    }

    /// Puts the pools back as they were.
    pub(super) fn restore_services(&mut self, before: Option<Services>) {
        if let Some(before) = before {
            self.services = before;
        }
    }
}
