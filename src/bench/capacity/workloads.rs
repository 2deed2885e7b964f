//! From manifests to pods: how many of which, and what they are to the scheduler.
//!
//! Counted are Deployments, StatefulSets, ReplicaSets and ReplicationControllers by `replicas`, Jobs by how many of their
//! pods run at a time, Pods, and DaemonSets, which have a pod on every node that they may use. What an API server and
//! the controllers would add is added: defaults, priorities of classes, tolerations, owners. What is left out of the
//! count, or of what is judged, is told in [`Workloads::notes`]: objects that others own, CronJobs, autoscalers, claims
//! of volumes and of devices, pods with a node, quotas.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1;
use serde_json::{Value, json};

use crate::api::convert::{self, ConvertError};
use crate::api::located::{InputError, InputErrors};
use crate::api::manifest::Manifest;
use crate::api::validation::{FieldError, validate_create};
use crate::api::{Kind, Labels, Name, Obj, Object, OwnerReference, Pod, PodSpec, Uid, no_owners};
use crate::scheduler::{AffinityTerm, AffinityTerms, HostPort};
use crate::store::{SYSTEM_PRIORITY_CLASSES, add_default_tolerations};

/// More pods than this are a slip of the pen.
const PODS_MAX: u64 = 150_000;
/// The topology of which every node is a domain.
pub(super) const HOSTNAME: &str = "kubernetes.io/hostname";
/// What the DaemonSet controller makes its pods tolerate, and with which effects. Upstream:
/// `AddOrUpdateDaemonPodTolerations`; of the host's network only where the pod uses it.
const DAEMON_TOLERATIONS: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];

/// Pods of one template.
#[derive(Clone, Debug)]
pub struct Workload {
    /// `Deployment default/web`.
    pub name: Name,
    /// How many there are; of a DaemonSet one on every node that it may use.
    pub pods: u32,
    /// Whether it is a DaemonSet.
    pub is_daemon_set: bool,
    /// One of them, without a name.
    pub pod: Arc<Obj<Pod>>,
}

/// All that manifests ask for.
#[derive(Clone, Debug, Default)]
pub struct Workloads {
    /// The workloads, in the order of the files.
    pub list: Vec<Workload>,
    /// Namespaces, Services and owners of pods, which the scheduler reads.
    pub surroundings: Vec<Object>,
    /// What is left out, a sentence each.
    pub notes: Vec<String>,
}

impl Workloads {
    /// Takes the objects of manifests.
    ///
    /// # Errors
    /// What the API server would refuse, each mistake at its place, and more pods than anybody has.
    pub fn of(manifests: &[Manifest]) -> Result<Workloads, InputErrors> {
        let mut gathering =
            Gathering { found: Workloads::default(), priorities: Priorities::of(manifests), errors: Vec::new() };
        manifests.iter().for_each(|manifest| gathering.take(manifest));
        let Gathering { mut found, errors, .. } = gathering;
        if !errors.is_empty() {
            return Err(InputErrors(errors));
        }
        found.surroundings.extend(namespaces(&found));
        let pods: u64 = found.list.iter().map(|workload| u64::from(workload.pods)).sum();
        match manifests.first().filter(|_| pods > PODS_MAX) {
            Some(first) => {
                let issue = ConvertError::new("", format!("{pods} pods in all are more than {PODS_MAX}")).issue();
                Err(first.error(&issue).into())
            }
            None => Ok(found),
        }
    }

    /// How many pods there are, those of DaemonSets aside.
    pub fn pods(&self) -> u64 {
        self.list.iter().filter(|workload| !workload.is_daemon_set).map(|workload| u64::from(workload.pods)).sum()
    }
}

struct Gathering {
    found: Workloads,
    priorities: Priorities,
    errors: Vec<InputError>,
}

impl Gathering {
    fn take(&mut self, manifest: &Manifest) {
        // Custom kinds make no pods that are known here.
        let Some(kind) = manifest.kind else { return };
        let namespace = Some(manifest.namespace()).filter(|namespace| !namespace.is_empty()).unwrap_or("default");
        let name = Name::from(format!("{} {namespace}/{}", manifest.kind_name, manifest.name()));
        let mut json = manifest.json.clone();
        if kind.info().is_some_and(|info| info.namespaced) {
            json["metadata"]["namespace"] = namespace.into();
        }
        let json = match convert::normalise(kind, json) {
            Ok(json) => json,
            Err(error) => return self.errors.push(manifest.error(&error.issue())),
        };
        let refused = validate_create(kind, &json);
        if !refused.is_empty() {
            let issue = |error: &FieldError| ConvertError::new(error.path.clone(), error.body()).issue();
            return self.errors.extend(refused.iter().map(|error| manifest.error(&issue(error))));
        }
        if json["metadata"]["ownerReferences"].as_array().is_some_and(|owners| !owners.is_empty()) {
            let makes_pods = matches!(kind, Kind::Pod | Kind::ReplicaSet | Kind::Job);
            return self.note(makes_pods, || format!("{name} is left out: its owner counts"));
        }
        let taken = self.take_kind(kind, &name, &json);
        if let Err(error) = taken {
            self.errors.push(manifest.error(&error.issue()));
        }
    }

    fn take_kind(&mut self, kind: Kind, name: &Name, json: &Value) -> Result<(), ConvertError> {
        let spec = &json["spec"];
        let number = |field: &str, default: i64| u32::try_from(spec[field].as_i64().unwrap_or(default)).unwrap_or(0);
        match kind {
            Kind::Pod => self.add((kind, name), json, json, 1, None),
            Kind::Deployment => {
                let set = replica_set(json);
                self.add((kind, name), json, &spec["template"], number("replicas", 1), Some((Kind::ReplicaSet, set)))
            }
            Kind::ReplicaSet | Kind::StatefulSet | Kind::ReplicationController => {
                let claims = spec["volumeClaimTemplates"].as_array().is_some_and(|claims| !claims.is_empty());
                self.note(claims, || format!("{name}: its volumes are left out"));
                self.add((kind, name), json, &spec["template"], number("replicas", 1), Some((kind, json.clone())))
            }
            Kind::Job => {
                let parallel = number("parallelism", 1);
                let at_a_time = spec["completions"].as_u64().map_or(parallel, |all| parallel.min(all as u32));
                self.add((kind, name), json, &spec["template"], at_a_time, None)
            }
            Kind::DaemonSet => self.add((kind, name), json, &spec["template"], 0, None),
            Kind::Namespace | Kind::Service => {
                self.found.surroundings.push(convert::from_json(kind, json.clone())?);
                Ok(())
            }
            Kind::CronJob => {
                self.note(true, || format!("{name} is left out: its Jobs come and go"));
                Ok(())
            }
            Kind::HorizontalPodAutoscaler | Kind::HorizontalPodAutoscalerV1 => {
                self.note(true, || format!("{name} is left out: replicas count as they are written"));
                Ok(())
            }
            Kind::ResourceQuota | Kind::LimitRange => {
                self.note(true, || format!("{name} is left out"));
                Ok(())
            }
            // Nothing else makes pods or matters to where they go.
            _ => Ok(()),
        }
    }

    fn note(&mut self, is_so: bool, note: impl FnOnce() -> String) {
        if is_so {
            self.found.notes.push(note());
        }
    }

    /// Adds the pods of a template, with the object that owns them.
    fn add(
        &mut self,
        (kind, name): (Kind, &Name),
        object: &Value,
        template: &Value,
        pods: u32,
        owner: Option<(Kind, Value)>,
    ) -> Result<(), ConvertError> {
        let is_daemon_set = kind == Kind::DaemonSet;
        let metadata = json!({
            "namespace": object["metadata"]["namespace"],
            "name": object["metadata"]["name"],
            "labels": template["metadata"]["labels"],
            "annotations": template["metadata"]["annotations"],
        });
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]});
        let Object::Pod(mut pod) = convert::from_json(Kind::Pod, pod)? else { return Ok(()) };
        if !pod.body.node_name.is_empty() {
            self.note(true, || format!("{name} is left out: nodeName puts its pods on a node"));
            return Ok(());
        }
        let mut full = pod.body.spec.full.clone();
        if full.priority.is_none() {
            let class = full.priority_class_name.clone().unwrap_or_default();
            full.priority = self.priorities.of_class(&class);
            let is_unknown = full.priority.is_none() && !class.is_empty();
            self.note(is_unknown, || {
                format!("{name}: PriorityClass {class} is not among the files; its priority is 0")
            });
        }
        let needs_volumes = full
            .volumes
            .iter()
            .flatten()
            .any(|volume| volume.persistent_volume_claim.is_some() || volume.ephemeral.is_some());
        self.note(needs_volumes, || format!("{name}: its volumes are left out"));
        full.volumes = None;
        self.note(full.resource_claims.is_some(), || format!("{name}: its claims of devices are left out"));
        full.resource_claims = None;
        if is_daemon_set {
            tolerate_as_daemon(&mut full);
        }
        add_default_tolerations(&mut full);
        let changed = Arc::make_mut(&mut pod);
        changed.body.spec = PodSpec::new(full);
        changed.meta.owners = match owner {
            None => no_owners(),
            Some((kind, json)) => self.own(kind, json)?,
        };
        let beyond = beyond_bounds(&pod);
        self.note(!beyond.is_empty(), || {
            format!("{name}: bounds do not know its {beyond}; where pods are placed it holds")
        });
        self.found.list.push(Workload { name: name.clone(), pods, is_daemon_set, pod });
        Ok(())
    }

    /// Takes in an owner of pods, and says how they refer to it.
    fn own(&mut self, kind: Kind, json: Value) -> Result<Arc<[OwnerReference]>, ConvertError> {
        let mut owner = convert::from_json(kind, json)?;
        let uid = Uid(u128::from(u64::MAX) + 1 + self.found.surroundings.len() as u128);
        owner.meta_mut().uid = uid;
        let info = kind.info().map(|info| (info.api_version(), info.kind.to_string())).unwrap_or_default();
        let reference = OwnerReference {
            api_version: info.0.into(),
            kind: info.1.into(),
            name: owner.meta().name.clone(),
            uid,
            controller: Some(true),
            block_owner_deletion: Some(true),
        };
        self.found.surroundings.push(owner);
        Ok(Arc::new([reference]))
    }
}

/// What a pod asks for that bounds do not know, by the names of its fields.
fn beyond_bounds(pod: &Obj<Pod>) -> String {
    let terms = AffinityTerms::of(pod);
    let mut spread = pod.body.spec.full.topology_spread_constraints.iter().flatten();
    let fields = [
        (!terms.affinity.is_empty(), "podAffinity"),
        (terms.anti_affinity.iter().any(|term| !is_about_itself(term, pod)), "podAntiAffinity"),
        (spread.any(|constraint| constraint.when_unsatisfiable == "DoNotSchedule"), "topologySpreadConstraints"),
    ];
    fields.into_iter().filter(|(is_so, _)| *is_so).map(|(_, field)| field).collect::<Vec<_>>().join(", ")
}

/// Whether a node can hold only one pod of the template: by required anti-affinity to its like, or by ports of the host.
pub(super) fn keeps_apart(pod: &Obj<Pod>) -> bool {
    let terms = AffinityTerms::of(pod);
    terms.anti_affinity.iter().any(|term| is_about_itself(term, pod)) || !HostPort::of_pod(&pod.body.spec).is_empty()
}

/// Whether a term of anti-affinity keeps pods of one template on nodes of their own.
fn is_about_itself(term: &AffinityTerm, pod: &Obj<Pod>) -> bool {
    term.topology_key == HOSTNAME && term.matches(&pod.meta.namespace, &Labels::default(), &pod.meta.labels)
}

fn tolerate_as_daemon(spec: &mut v1::PodSpec) {
    let network = ("node.kubernetes.io/network-unavailable", "NoSchedule");
    let all = DAEMON_TOLERATIONS.into_iter().chain((spec.host_network == Some(true)).then_some(network));
    let toleration = |(key, effect): (&str, &str)| v1::Toleration {
        key: Some(key.to_owned()),
        operator: Some("Exists".to_owned()),
        effect: Some(effect.to_owned()),
        ..Default::default()
    };
    spec.tolerations.get_or_insert_with(Vec::new).extend(all.map(toleration));
}

/// The ReplicaSet that the pods of a Deployment have. Its name lacks the hash.
fn replica_set(deployment: &Value) -> Value {
    let spec = &deployment["spec"];
    json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": deployment["metadata"]["name"], "namespace": deployment["metadata"]["namespace"]},
        "spec": {"replicas": spec["replicas"], "selector": spec["selector"], "template": spec["template"]},
    })
}

/// The namespaces that are named and not among the files.
fn namespaces(found: &Workloads) -> Vec<Object> {
    let mut named: BTreeMap<Name, bool> =
        found.list.iter().map(|workload| (workload.pod.meta.namespace.clone(), false)).collect();
    for object in found.surroundings.iter().filter(|object| matches!(object, Object::Namespace(_))) {
        named.insert(object.meta().name.clone(), true);
    }
    let missing = named.into_iter().filter(|(_, is_there)| !is_there);
    let made = |name: Name| {
        let labels = json!({"kubernetes.io/metadata.name": name.as_str()});
        convert::from_json(Kind::Namespace, json!({"metadata": {"name": name.as_str(), "labels": labels}})).ok()
    };
    missing.filter_map(|(name, _)| made(name)).collect()
}

/// Priorities by the name of their class, and that of pods without one.
struct Priorities {
    by_name: BTreeMap<String, i32>,
    default: Option<i32>,
}

impl Priorities {
    fn of(manifests: &[Manifest]) -> Priorities {
        let system = SYSTEM_PRIORITY_CLASSES.iter().map(|(name, value, _)| ((*name).to_owned(), *value));
        let mut priorities = Priorities { by_name: system.collect(), default: None };
        for class in manifests.iter().filter(|manifest| manifest.kind == Some(Kind::PriorityClass)) {
            let value = class.json["value"].as_i64().and_then(|value| i32::try_from(value).ok()).unwrap_or(0);
            priorities.by_name.insert(class.name().to_owned(), value);
            if class.json["globalDefault"] == Value::Bool(true) {
                priorities.default = Some(value);
            }
        }
        priorities
    }

    fn of_class(&self, class: &str) -> Option<i32> {
        if class.is_empty() { self.default } else { self.by_name.get(class).copied() }
    }
}
