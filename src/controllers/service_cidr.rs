//! The ServiceCIDR controller: ranges of Service addresses are ready once they have a finalizer, and go when no Service needs
//! them any more.
//!
//! Follows Kubernetes 1.34 (`pkg/controller/servicecidrs`). There are no IPAddress objects here: whether a range is needed
//! is read off the addresses of Services. Left out: metrics.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::{Cidr, EventType, Kind, Obj, Object, ObjectId, Untyped};
use crate::client::{Controller, ControllerEntry, Flag, FlagValue, Observed, Outcome, Plan, View, Watches, WorkQueue};
use crate::event::{Cause, ErrorReason, Request};
use crate::kernel::Span;

/// How many ServiceCIDRs are worked on at a time. Upstream: five workers.
pub const SERVICE_CIDR_WORKERS: Flag = Flag {
    name: "service-cidr-workers",
    default: FlagValue::Int(5),
    doc: "ServiceCIDRs that are worked on at a time; five upstream, without a flag",
};

/// The controller's line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "service-cidr-controller",
    doc: "gives ServiceCIDRs their finalizer and condition, and lets those go that no Service needs; keeps no IPAddresses",
    source: "pkg/controller/servicecidrs",
    watches: Watches::Kinds(&[Kind::ServiceCIDR, Kind::Service]),
    workers: &SERVICE_CIDR_WORKERS,
    flags: &[],
    build: |_flags| Box::new(ServiceCidrController { asked: 0 }),
};

const FINALIZER: &str = "networking.k8s.io/service-cidr-finalizer";
/// How long a range rests before it goes. Upstream: `deletionGracePeriod`.
const GRACE: Span = Span::from_secs(10);
const IN_USE: &str =
    "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR";
const READY: &str = "Kubernetes Service CIDR is ready";
const ASKED: u32 = 1;

/// The controller's memory.
#[derive(Clone, Debug)]
pub struct ServiceCidrController {
    /// Requests that are under way.
    asked: usize,
}

impl ServiceCidrController {
    fn ask(&mut self, request: Request, plan: &mut Plan) {
        self.asked += 1;
        plan.ask(ASKED, request);
    }

    /// Gives the finalizer, or takes it away. Upstream applies it as a field manager of its own.
    fn finalizer(&mut self, cidr: &Obj<Untyped>, is_wanted: bool, plan: &mut Plan) {
        let mut next = cidr.clone();
        let others = cidr.meta.finalizers.iter().filter(|finalizer| *finalizer != FINALIZER).cloned();
        next.meta.finalizers = others.chain(is_wanted.then(|| FINALIZER.into())).collect();
        self.ask(Request::Update(Object::Untyped(Arc::new(next))), plan);
    }

    /// Writes the condition where it is another.
    fn condition(&mut self, cidr: &Obj<Untyped>, wanted: (&str, &str, &str), view: &View, plan: &mut Plan) {
        let (status, reason, message) = wanted;
        let list = cidr.body.fields.get("status").and_then(|status| status["conditions"].as_array());
        let is_so = |found: &Value| found["status"] == status && found["reason"].as_str().unwrap_or_default() == reason;
        if list.is_some_and(|list| list.iter().any(|found| found["type"] == "Ready" && is_so(found))) {
            return;
        }
        let condition = json!({"type": "Ready", "status": status, "reason": reason, "message": message,
            "lastTransitionTime": view.timestamp().to_string()});
        let mut next = cidr.clone();
        next.body.fields.insert("status".to_owned(), json!({"conditions": [condition]}));
        self.ask(Request::UpdateStatus(Object::Untyped(Arc::new(next))), plan);
    }
}

fn ranges(cidr: &Obj<Untyped>) -> Vec<Cidr> {
    let listed = cidr.body.fields.get("spec").and_then(|spec| spec["cidrs"].as_array()).into_iter().flatten();
    listed.filter_map(|text| text.as_str()?.parse().ok()).collect()
}

/// Whether every address of Services in its ranges lies in another range as well. Upstream: `canDeleteCIDR`.
fn can_go(cidr: &Obj<Untyped>, view: &View) -> bool {
    let cache = |kind| view.caches.others.get(&kind).into_iter().flat_map(|cache| cache.iter());
    let (own, id) = (ranges(cidr), cidr.meta.id);
    let others: Vec<Cidr> = cache(Kind::ServiceCIDR)
        .filter(|other| other.meta.id != id && !other.meta.is_terminating())
        .flat_map(|other| ranges(other))
        .collect();
    let is_alone = |address: IpAddr| {
        own.iter().any(|range| range.contains(address)) && !others.iter().any(|range| range.contains(address))
    };
    let mut addresses = cache(Kind::Service)
        .flat_map(|service| {
            service.body.fields.get("spec").and_then(|spec| spec["clusterIPs"].as_array()).into_iter().flatten()
        })
        .filter_map(|text| text.as_str()?.parse::<IpAddr>().ok());
    !addresses.any(is_alone)
}

/// Those that are being deleted, and may go now.
fn enqueue_terminating(cause: Cause, view: &View, queue: &mut WorkQueue) {
    let cidrs = view.caches.others.get(&Kind::ServiceCIDR).into_iter().flat_map(|cache| cache.iter());
    cidrs.filter(|cidr| cidr.meta.is_terminating()).for_each(|cidr| queue.add(cidr.meta.id, cause));
}

impl Controller for ServiceCidrController {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn observe(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        match change.new.kind() {
            Kind::ServiceCIDR => {
                queue.add(change.new.meta().id, change.cause);
                enqueue_terminating(change.cause, view, queue);
            }
            Kind::Service => enqueue_terminating(change.cause, view, queue),
            _ => {}
        }
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        let Some(cidr) = view.caches.others.get(&Kind::ServiceCIDR).and_then(|cache| cache.get(key)).cloned() else {
            return;
        };
        let has_finalizer = cidr.meta.finalizers.iter().any(|finalizer| finalizer == FINALIZER);
        let Some(deletion) = cidr.meta.deletion else {
            if has_finalizer {
                return self.condition(&cidr, ("True", "", READY), view, plan);
            }
            return self.finalizer(&cidr, true, plan);
        };
        if !has_finalizer {
            return;
        }
        if !can_go(&cidr, view) {
            return self.condition(&cidr, ("False", "Terminating", IN_USE), view, plan);
        }
        let since = view.clock.time(deletion.timestamp);
        if since + GRACE > view.now {
            return plan.requeue_after((since + GRACE).since(view.now));
        }
        self.finalizer(&cidr, false, plan);
    }

    fn resume(&mut self, key: ObjectId, outcome: Outcome, view: &View, plan: &mut Plan) {
        self.asked -= 1;
        if let Some(Err(error)) = outcome.replies.first()
            && error.reason != ErrorReason::NotFound
        {
            if let Some(cidr) = view.caches.others.get(&Kind::ServiceCIDR).and_then(|cache| cache.get(key)) {
                let message = ecow::eco_format!("Error initializing ServiceCIDR {}: {error}", cidr.meta.name);
                plan.record(cidr.meta.reference(), EventType::Warning, "KubernetesServiceCIDRError", message);
            }
            plan.fail(error.message.clone());
        }
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        let mut hasher = hasher;
        self.asked.hash(&mut hasher);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::convert;
    use crate::controllers::test_support::Story;

    fn object(kind: Kind, metadata: Value, spec: Value) -> Object {
        let info = kind.info().expect("a built-in kind");
        let json = json!({"apiVersion": info.api_version(), "kind": info.kind, "metadata": metadata, "spec": spec});
        convert::from_json(kind, json).expect("a good object")
    }

    fn shown(story: &Story, id: ObjectId) -> Value {
        story.objects.get(&id).map_or(Value::Null, convert::to_json)
    }

    #[test]
    fn a_range_is_ready_once_it_has_its_finalizer_and_goes_when_no_service_needs_it() {
        let mut story = Story::without_limits(&[&ENTRY]);
        let more = story.create(object(Kind::ServiceCIDR, json!({"name": "more"}), json!({"cidrs": ["10.9.0.0/24"]})));
        story.settle();
        let cidr = shown(&story, more);
        assert_eq!(cidr["metadata"]["finalizers"], json!([FINALIZER]));
        let ready = &cidr["status"]["conditions"][0];
        assert_eq!((&ready["status"], &ready["message"]), (&json!("True"), &json!(READY)));
        let metadata = json!({"name": "web", "namespace": "default"});
        let spec = json!({"clusterIP": "10.9.0.7", "clusterIPs": ["10.9.0.7"]});
        let service = story.create(object(Kind::Service, metadata, spec));
        story.delete(more);
        story.run_for(Span::from_secs(30));
        let blocked = &shown(&story, more)["status"]["conditions"][0];
        assert_eq!(
            (&blocked["status"], &blocked["reason"], &blocked["message"]),
            (&json!("False"), &json!("Terminating"), &json!(IN_USE))
        );
        story.delete(service);
        story.settle();
        assert!(shown(&story, more).is_null());
    }

    #[test]
    fn a_range_that_another_one_covers_goes_after_ten_seconds() {
        let mut story = Story::without_limits(&[&ENTRY]);
        let cidr =
            |name: &str, range: &str| object(Kind::ServiceCIDR, json!({"name": name}), json!({"cidrs": [range]}));
        story.create(cidr("wide", "10.9.0.0/16"));
        let narrow = story.create(cidr("narrow", "10.9.0.0/24"));
        let metadata = json!({"name": "web", "namespace": "default"});
        story.create(object(Kind::Service, metadata, json!({"clusterIP": "10.9.0.7", "clusterIPs": ["10.9.0.7"]})));
        story.settle();
        story.delete(narrow);
        story.run_for(Span::from_secs(8));
        assert!(shown(&story, narrow).is_object());
        story.run_for(Span::from_secs(3));
        assert!(shown(&story, narrow).is_null());
    }
}
