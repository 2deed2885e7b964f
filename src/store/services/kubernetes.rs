//! What the API server keeps for itself: the Service `kubernetes` with its endpoints, and the ServiceCIDR `kubernetes`; and
//! the ranges that further ServiceCIDRs bring.
//! Upstream: `pkg/controlplane/controller/{kubernetesservice,defaultservicecidr}`, `pkg/controlplane/reconcilers`,
//! `pkg/registry/core/service/ipallocator/cidrallocator.go`.
//!
//! They are made when the server first starts. Left out: the loops that put them right every ten seconds, and the lease of
//! each replica under `/registry/masterleases`: an API server that is gone stays among the endpoints.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use serde_json::{Value, json};

use super::{KUBERNETES, Range};
use crate::api::{Kind, Object, convert};
use crate::event::ChangeKind;
use crate::store::{Context, Store};

/// Where the API servers listen.
const PORT: u16 = 6443;

impl Store {
    /// Makes them.
    pub(in crate::store) fn create_kubernetes_service(&mut self, context: &Context) {
        let ranges: Vec<(String, Option<IpAddr>)> =
            self.services.addresses.iter().map(|range| (range.cidr.to_string(), range.cidr.host(1).ok())).collect();
        let cidrs: Vec<&String> = ranges.iter().map(|(cidr, _)| cidr).collect();
        let object = |kind: Kind, metadata: Value, more: Value| {
            let info = kind.info().expect("a built-in kind");
            let mut json = json!({"apiVersion": info.api_version(), "kind": info.kind, "metadata": metadata});
            for (key, value) in more.as_object().into_iter().flatten() {
                json[key] = value.clone();
            }
            convert::from_json(kind, json).expect("what the server makes can be read")
        };
        let mut all = vec![object(Kind::ServiceCIDR, json!({"name": KUBERNETES}), json!({"spec": {"cidrs": cidrs}}))];
        if let Some(first) = ranges.first().and_then(|(_, first)| *first) {
            let metadata = |labels: Value| json!({"name": KUBERNETES, "namespace": "default", "labels": labels});
            let (family, server): (_, fn(u8) -> IpAddr) = match first {
                IpAddr::V4(_) => ("IPv4", |number| Ipv4Addr::new(172, 31, 255, number).into()),
                IpAddr::V6(_) => {
                    ("IPv6", |number| Ipv6Addr::new(0xfd00, 0x172, 0x31, 0, 0, 0, 0, number.into()).into())
                }
            };
            let servers: Vec<String> =
                (1..=self.replicas.len() as u8).map(|number| server(number).to_string()).collect();
            let addresses: Value = servers.iter().map(|ip| json!({"ip": ip})).collect();
            let endpoints: Value =
                servers.iter().map(|ip| json!({"addresses": [ip], "conditions": {"ready": true}})).collect();
            let ports = json!([{"name": "https", "port": PORT, "protocol": "TCP"}]);
            all.push(object(
                Kind::Service,
                metadata(json!({"component": "apiserver", "provider": "kubernetes"})),
                json!({"spec": {"clusterIP": first, "clusterIPs": [first], "ipFamilyPolicy": "SingleStack", "type": "ClusterIP",
                    "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": PORT}]}}),
            ));
            all.push(object(
                Kind::Endpoints,
                metadata(json!({"endpointslice.kubernetes.io/skip-mirror": "true"})),
                json!({"subsets": [{"addresses": addresses, "ports": ports}]}),
            ));
            all.push(object(
                Kind::EndpointSlice,
                metadata(json!({"kubernetes.io/service-name": KUBERNETES})),
                json!({"addressType": family, "endpoints": endpoints, "ports": ports}),
            ));
        }
        for object in all {
            let created = self.create(object, context).expect("what the server keeps for itself can be created");
            if let Object::Untyped(mut cidr) = created
                && cidr.meta.id.kind == Kind::ServiceCIDR
            {
                let ready = json!({"type": "Ready", "status": "True", "reason": "",
                    "lastTransitionTime": self.timestamp(context).to_string(),
                    "message": "Kubernetes default Service CIDR is ready"});
                let fields = &mut Arc::make_mut(&mut cidr).body.fields;
                fields.insert("status".to_owned(), json!({"conditions": [ready]}));
                self.update_status(Object::Untyped(cidr), context).expect("the status of what is there can be written");
            }
        }
    }

    /// A ServiceCIDR has changed: its ranges come, rest or go.
    pub(in crate::store) fn service_cidr_changed(&mut self, change: ChangeKind, object: &Object) {
        let Object::Untyped(cidr) = object else { return };
        let (name, fields) = (&cidr.meta.name, &cidr.body.fields);
        if cidr.meta.id.kind != Kind::ServiceCIDR || name == KUBERNETES {
            return;
        }
        let ranges = &mut self.services.addresses;
        if change == ChangeKind::Deleted {
            return ranges.retain(|range| range.of != *name);
        }
        let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
        let conditions = list(fields.get("status").and_then(|status| status.get("conditions")));
        let is_ready = conditions.iter().any(|found| found["type"] == "Ready" && found["status"] == "True");
        if is_ready && ranges.iter().all(|range| range.of != *name) {
            let named = list(fields.get("spec").and_then(|spec| spec.get("cidrs")));
            for cidr in named.iter().filter_map(|text| text.as_str()?.parse().ok()) {
                let mut range = Range::new(name.clone(), cidr);
                // What other ranges have given of it is taken.
                let others = ranges.iter().flat_map(|other| other.pool.taken_numbers());
                others.for_each(|number| drop(range.pool.take(number)));
                ranges.push(range);
            }
        }
        let is_usable = is_ready && !cidr.meta.is_terminating();
        ranges.iter_mut().filter(|range| range.of == *name).for_each(|range| range.is_ready = is_usable);
    }
}
