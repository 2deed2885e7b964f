//! An operator for a kind of its own, from the CRD to the end of a scenario: a Cache becomes a Deployment that belongs to
//! it, and shows in its status how much of it is there. It is a controller like those of kube-controller-manager.
//!
//! ```sh
//! cargo run --example operator
//! ```

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use wavetank::api::{Kind, Obj, Object, ObjectId, Untyped, convert};
use wavetank::check::ExpectationStatus;
use wavetank::client::{
    Controller, ControllerEntry, Flag, FlagValue, Observed, Outcome, Plan, View, Watches, WorkQueue,
};
use wavetank::event::{Preconditions, Request, Target};
use wavetank::scenario::{Found, load, run_with};

const WORKERS: Flag =
    Flag { name: "concurrent-cache-syncs", default: FlagValue::Int(1), doc: "Caches that are worked on at a time" };

/// The first custom kind of the scenario.
const CACHE: Kind = Kind::Custom(0);

static ENTRY: ControllerEntry = ControllerEntry {
    name: "cache-operator",
    doc: "gives each Cache a Deployment of its size and tells in its status how many replicas are available",
    source: "none: an example",
    watches: Watches::Kinds(&[CACHE, Kind::Deployment]),
    workers: &WORKERS,
    flags: &[],
    build: |_flags| Box::new(CacheOperator),
};

#[derive(Clone, Debug)]
struct CacheOperator;

impl Controller for CacheOperator {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    // A change of a Cache concerns it, one of a Deployment the Cache of the same name.
    fn observe(&mut self, change: Observed, view: &View, queue: &mut WorkQueue) {
        let meta = change.new.meta();
        let caches = view.caches.others.get(&CACHE);
        if let Some(cache) = caches.and_then(|caches| caches.by_name(&meta.namespace, &meta.name)) {
            queue.add(cache.meta.id, change.cause);
        }
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        let Some(cache) = view.caches.others.get(&CACHE).and_then(|caches| caches.get(key)) else { return };
        if cache.meta.is_terminating() {
            return;
        }
        let Some(deployment) = view.caches.deployments.by_name(&cache.meta.namespace, &cache.meta.name) else {
            plan.send(Request::Create(deployment_of(cache)));
            return;
        };
        let replicas = wanted(cache);
        if deployment.body.replicas != replicas {
            let target = Target::Id(deployment.meta.id);
            plan.send(Request::Scale { target, preconditions: Preconditions::default(), replicas });
        }
        let available = json!({"replicas": deployment.body.status.available_replicas});
        if cache.body.fields.get("status") != Some(&available) {
            let mut next = cache.clone();
            Arc::make_mut(&mut next).body.fields.insert("status".to_owned(), available);
            plan.send(Request::UpdateStatus(Object::Untyped(next)));
        }
    }

    // Nothing here depends on an answer: no step has a label.
    fn resume(&mut self, _key: ObjectId, _outcome: Outcome, _view: &View, _plan: &mut Plan) {}

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, _hasher: &mut dyn std::hash::Hasher) {}
}

/// `spec.replicas`, which the schema has filled in.
fn wanted(cache: &Obj<Untyped>) -> i32 {
    let replicas = cache.body.fields.get("spec").and_then(|spec| spec["replicas"].as_i64());
    replicas.unwrap_or(1) as i32
}

fn deployment_of(cache: &Obj<Untyped>) -> Object {
    let name = cache.meta.name.as_str();
    let manifest = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": name, "namespace": cache.meta.namespace.as_str(),
            "ownerReferences": [{
                "apiVersion": "example.com/v1", "kind": "Cache", "name": name, "uid": cache.meta.uid.to_string(),
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": {
            "replicas": wanted(cache),
            "selector": {"matchLabels": {"cache": name}},
            "template": {
                "metadata": {"labels": {"cache": name}},
                "spec": {"containers": [{"name": "cache", "image": "cache:1"}]},
            },
        },
    });
    convert::from_json(Kind::Deployment, manifest).expect("a Deployment of our own is good")
}

const SCENARIO: &str = "
apiVersion: wavetank.dev/v1
kind: Scenario
metadata: {name: operator}
duration: 5m
nodes:
- {name: worker, count: 3, capacity: {cpu: 4, memory: 16Gi}}
timeline:
- at: 1m
  scale: {resource: cache/sessions, replicas: 4}
- at: 3m
  delete: cache/sessions
expect:
- eventually: {resource: cache/sessions, field: status.replicas, equals: 2}
  within: 30s
- eventually: {resource: cache/sessions, field: status.replicas, equals: 4}
  from: 1m
  within: 90s
- eventually: {resource: deployment/sessions, gone: true}
  from: 3m
  within: 4m
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: caches.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: caches, singular: cache, kind: Cache}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {replicas: {type: integer, minimum: 1, default: 2}}}
          status: {type: object, properties: {replicas: {type: integer}}}
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
---
apiVersion: example.com/v1
kind: Cache
metadata: {name: sessions}
spec: {}
";

/// Runs the scenario; what was expected, each with whether it came true.
pub(crate) fn outcomes() -> Result<Vec<(String, bool)>, Box<dyn Error>> {
    let read = |_: &Path| Ok(Found::File(SCENARIO.to_owned()));
    let scenario = load(&[PathBuf::from("operator.yaml")], &[], &read).map_err(|errors| errors.to_string())?;
    // It runs in a process of its own, beside kube-controller-manager.
    let result = run_with(&scenario, 1, vec![(ENTRY.build)(&scenario.setup.controller_flags)], &mut |_| {});
    let is_met = |status: &ExpectationStatus| matches!(status, ExpectationStatus::Met { .. });
    Ok(result.outcomes.iter().map(|outcome| (outcome.text.clone(), is_met(&outcome.status))).collect())
}

fn main() -> Result<(), Box<dyn Error>> {
    for (expectation, is_met) in outcomes()? {
        writeln!(std::io::stdout(), "{}: {expectation}", if is_met { "met" } else { "failed" })?;
    }
    Ok(())
}
