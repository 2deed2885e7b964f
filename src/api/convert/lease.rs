//! Leases.

use k8s_openapi::api::coordination::v1;
use serde_json::{Map, Value};

use super::{ConvertError, decode, fields, meta_from, name, text, time, to_value};
use crate::api::{Kind, Lease, Obj, Object};

pub(super) fn read(value: Value) -> Result<Object, ConvertError> {
    let full: v1::Lease = decode(value)?;
    let spec = full.spec.unwrap_or_default();
    let mut body = Lease {
        holder: name(spec.holder_identity.clone()),
        duration_seconds: spec.lease_duration_seconds,
        acquired: spec.acquire_time.as_ref().map(time::read_micro),
        renewed: spec.renew_time.as_ref().map(time::read_micro),
        transitions: spec.lease_transitions,
        rest: None,
    };
    // A released lease has an empty holder, which is not the same as none.
    let rest = v1::LeaseSpec {
        holder_identity: spec.holder_identity.filter(String::is_empty),
        preferred_holder: spec.preferred_holder,
        strategy: spec.strategy,
        ..v1::LeaseSpec::default()
    };
    if rest != v1::LeaseSpec::default() {
        body.rest = Some(Box::new(rest));
    }
    Ok(Obj { meta: meta_from(Kind::Lease, full.metadata)?, body }.into_object())
}

pub(super) fn write(lease: &Lease) -> Map<String, Value> {
    let rest = lease.rest.as_deref().cloned().unwrap_or_default();
    let spec = v1::LeaseSpec {
        acquire_time: lease.acquired.and_then(time::write_micro),
        holder_identity: text(&lease.holder).or(rest.holder_identity),
        lease_duration_seconds: lease.duration_seconds,
        lease_transitions: lease.transitions,
        preferred_holder: rest.preferred_holder,
        renew_time: lease.renewed.and_then(time::write_micro),
        strategy: rest.strategy,
    };
    fields([("spec", to_value(&spec))])
}
