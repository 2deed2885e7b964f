//! Admission: what the server changes or refuses before it stores. Upstream: `plugin/pkg/admission/*`.
//!
//! Here: NamespaceLifecycle, the defaults of LimitRanger (its limits: `limits`; quotas: `quota`), ServiceAccount (the
//! name only: no token volume is mounted, so that pods of a template share its spec), Priority, DefaultTolerationSeconds, TaintNodesByCondition (only for a node that is created not
//! ready; upstream also for one that is ready, which then waits for the node life cycle controller), and what
//! registries do on creation (finalizer and label of a namespace, QoS class and scheduling gate condition of a pod).

use std::sync::Arc;

use k8s_openapi::api::core::v1;
use rustc_hash::FxHashMap;

use super::validate::is_foreign;
use super::{AdmissionPlugin, Context, DisabledPlugins, Store, limits};
use crate::api::{
    ConditionStatus, Kind, KindInfo, Meta, Name, Namespace, Node, Obj, Object, Pod, PodConditionType, PodSpec,
    ReasonText, Untyped, defaults, no_finalizers,
};
use crate::event::{ApiError, ErrorReason, PartId};

/// How many admitted specs are remembered.
const MEMO_ENTRIES: usize = 4096;

/// The default tolerations' time, `--default-not-ready-toleration-seconds`.
const TOLERATION_SECONDS: i64 = 300;

/// Upstream's two classes for the cluster's own pods.
pub const SYSTEM_PRIORITY_CLASSES: [(&str, i32, &str); 2] = [
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
];

/// Specs that were admitted before, by the address of the original: the pods of a template go on sharing one.
#[derive(Clone, Debug, Default)]
pub(super) struct Memo {
    /// The original is kept, so that its address cannot come to mean another.
    specs: FxHashMap<(usize, Name), (Arc<PodSpec>, Admitted)>,
    /// The count of changes of the objects that admission reads.
    inputs: u64,
}

/// A spec as it was admitted.
#[derive(Clone, Debug)]
struct Admitted {
    spec: Arc<PodSpec>,
    /// What LimitRanger has set in it.
    told: Option<Name>,
}

impl Store {
    /// NamespaceLifecycle.
    pub(super) fn admit_namespace(&self, info: &KindInfo, namespace: &Name, name: &Name) -> Result<(), ApiError> {
        let Some(Object::Namespace(found)) = self.table(Kind::Namespace).by_name(&Name::new(), namespace) else {
            return Err(ApiError::new(ErrorReason::NotFound, format!("namespaces {namespace:?} not found")));
        };
        if found.meta.is_terminating() {
            let message = format!(
                "{} {name:?} is forbidden: unable to create new content in namespace {namespace} because it is being terminated",
                info.group_resource()
            );
            return Err(ApiError::new(ErrorReason::Forbidden, message).with_cause("NamespaceTerminating"));
        }
        Ok(())
    }

    /// Everything else that a creation goes through.
    pub(super) fn admit_create(&mut self, object: Object, context: &Context) -> Result<Object, ApiError> {
        match object {
            Object::Pod(pod) => self.admit_pod(pod, context).map(Object::Pod),
            Object::Node(node) => Ok(Object::Node(taint_unready(node))),
            Object::Namespace(namespace) => Ok(Object::Namespace(with_kubernetes_finalizer(namespace))),
            other => Ok(other),
        }
    }

    fn admit_pod(&mut self, mut pod: Arc<Obj<Pod>>, context: &Context) -> Result<Arc<Obj<Pod>>, ApiError> {
        let Admitted { spec, told } = self.admit_spec(&pod, context)?;
        let now = self.timestamp(context);
        let gated = spec.full.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty());
        let Obj { meta, body } = Arc::make_mut(&mut pod);
        if let Some(told) = told {
            meta.annotations = meta.annotations.with(limits::ANNOTATION, told);
        }
        body.status.qos = Some(defaults::qos_class(&spec.full));
        if gated {
            let text = ReasonText {
                reason: "SchedulingGated".into(),
                message: "Scheduling is blocked due to non-empty scheduling gates".into(),
            };
            body.status.set_condition(
                PodConditionType::PodScheduled,
                ConditionStatus::False,
                Some(Arc::new(text)),
                now,
            );
        }
        body.spec = spec;
        Ok(pod)
    }

    fn admit_spec(&mut self, pod: &Arc<Obj<Pod>>, context: &Context) -> Result<Admitted, ApiError> {
        let read = [Kind::PriorityClass, Kind::ServiceAccount, Kind::LimitRange];
        let inputs = read.into_iter().map(|kind| self.table(kind).log.end()).sum();
        if self.admitted.inputs != inputs || self.admitted.specs.len() >= MEMO_ENTRIES {
            self.admitted = Memo { specs: FxHashMap::default(), inputs };
        }
        let spec = &pod.body.spec;
        let key = (Arc::as_ptr(spec) as usize, pod.meta.namespace.clone());
        if let Some((_, admitted)) = self.admitted.specs.get(&key) {
            return Ok(admitted.clone());
        }
        let mut full = spec.full.clone();
        let is_on = |plugin| self.settings.disabled_plugins.allow(plugin);
        let told = match is_on(AdmissionPlugin::LimitRanger) {
            true => self.set_default_resources(&mut full, &pod.meta.namespace),
            false => None,
        };
        if is_on(AdmissionPlugin::ServiceAccount) {
            self.set_service_account(&mut full, &pod.meta)?;
        }
        if is_on(AdmissionPlugin::Priority) {
            self.set_priority(&mut full, &pod.meta, context)?;
        }
        if is_on(AdmissionPlugin::DefaultTolerationSeconds) {
            add_default_tolerations(&mut full);
        }
        let spec_admitted = if full == spec.full { spec.clone() } else { PodSpec::new(full) };
        let admitted = Admitted { spec: spec_admitted, told };
        self.admitted.specs.insert(key, (spec.clone(), admitted.clone()));
        Ok(admitted)
    }

    /// ServiceAccount: the name defaults to `default`; one that is named must exist.
    fn set_service_account(&self, spec: &mut v1::PodSpec, meta: &Meta) -> Result<(), ApiError> {
        let name = spec.service_account_name.clone().filter(|name| !name.is_empty());
        match name {
            None => spec.service_account_name = Some("default".to_owned()),
            Some(name) if name == "default" => {}
            Some(name) => {
                let account = self.table(Kind::ServiceAccount).by_name(&meta.namespace, &name.as_str().into());
                if account.is_none() {
                    let message = format!(
                        "pods {:?} is forbidden: error looking up service account {}/{name}: serviceaccount {name:?} not found",
                        meta.name, meta.namespace
                    );
                    return Err(ApiError::new(ErrorReason::Forbidden, message));
                }
            }
        }
        // Upstream keeps the old name of the field in step.
        spec.service_account = spec.service_account_name.clone();
        Ok(())
    }

    /// Priority: resolves the class name, or takes the default class.
    fn set_priority(&self, spec: &mut v1::PodSpec, meta: &Meta, context: &Context) -> Result<(), ApiError> {
        let classes = self.table(Kind::PriorityClass);
        let field = |class: &Object, name: &str| match class {
            Object::Untyped(class) => class.body.fields.get(name).cloned(),
            _ => None,
        };
        let named = spec.priority_class_name.clone().filter(|name| !name.is_empty());
        let class = match &named {
            Some(name) => {
                let found = classes.by_name(&Name::new(), &name.as_str().into());
                if found.is_none() {
                    let message =
                        format!("pods {:?} is forbidden: no PriorityClass with name {name} was found", meta.name);
                    return Err(ApiError::new(ErrorReason::Forbidden, message));
                }
                found
            }
            None => classes
                .iter()
                .filter(|class| field(class, "globalDefault") == Some(serde_json::Value::Bool(true)))
                .min_by_key(|class| field(class, "value").and_then(|value| value.as_i64())),
        };
        let value = class.and_then(|class| field(class, "value")).and_then(|value| value.as_i64()).unwrap_or(0) as i32;
        if let Some(wanted) = spec.priority
            && wanted != value
            && context.from != PartId::User
        {
            // Upstream refuses any other number; a native creator copies what a template was given.
            spec.priority = None;
        }
        if let Some(wanted) = spec.priority
            && wanted != value
        {
            let message = format!(
                "pods {:?} is forbidden: the integer value of priority ({wanted}) must not be provided in pod spec; priority admission controller computed {value} from the given PriorityClass name",
                meta.name
            );
            return Err(ApiError::new(ErrorReason::Forbidden, message));
        }
        spec.priority = Some(value);
        if named.is_none()
            && let Some(class) = class
        {
            spec.priority_class_name = Some(class.meta().name.to_string());
        }
        if spec.preemption_policy.is_none() {
            let policy = class.and_then(|class| field(class, "preemptionPolicy"));
            let policy = policy.as_ref().and_then(|policy| policy.as_str()).unwrap_or("PreemptLowerPriority");
            spec.preemption_policy = Some(policy.to_owned());
        }
        Ok(())
    }
}

/// What an update goes through: DefaultTolerationSeconds, for what users send. Native parts keep what they were given.
pub(super) fn admit_update(object: Object, disabled: &DisabledPlugins, context: &Context) -> Object {
    match object {
        Object::Pod(mut pod)
            if is_foreign(context.from) && disabled.allow(AdmissionPlugin::DefaultTolerationSeconds) =>
        {
            let mut full = pod.body.spec.full.clone();
            add_default_tolerations(&mut full);
            if full != pod.body.spec.full {
                Arc::make_mut(&mut pod).body.spec = PodSpec::new(full);
            }
            Object::Pod(pod)
        }
        other => other,
    }
}

/// DefaultTolerationSeconds: the tolerations that every pod gets.
pub fn add_default_tolerations(spec: &mut v1::PodSpec) {
    let tolerations = spec.tolerations.get_or_insert_with(Vec::new);
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let covered = tolerations.iter().any(|toleration| {
            let of_key = toleration.key.as_deref().is_none_or(str::is_empty) || toleration.key.as_deref() == Some(key);
            let of_effect = matches!(toleration.effect.as_deref(), None | Some("" | "NoExecute"));
            of_key && of_effect
        });
        if !covered {
            tolerations.push(v1::Toleration {
                key: Some(key.to_owned()),
                operator: Some("Exists".to_owned()),
                effect: Some("NoExecute".to_owned()),
                toleration_seconds: Some(TOLERATION_SECONDS),
                value: None,
            });
        }
    }
}

fn taint_unready(mut node: Arc<Obj<Node>>) -> Arc<Obj<Node>> {
    const KEY: &str = "node.kubernetes.io/not-ready";
    if node.body.is_ready() || node.body.taints().iter().any(|taint| taint.key == KEY) {
        return node;
    }
    let spec = Arc::make_mut(&mut Arc::make_mut(&mut node).body.spec);
    spec.taints.get_or_insert_with(Vec::new).push(v1::Taint {
        key: KEY.to_owned(),
        effect: "NoSchedule".to_owned(),
        value: None,
        time_added: None,
    });
    node
}

fn with_kubernetes_finalizer(mut namespace: Arc<Obj<Namespace>>) -> Arc<Obj<Namespace>> {
    let object = Arc::make_mut(&mut namespace);
    object.meta.labels = object.meta.labels.with("kubernetes.io/metadata.name", object.meta.name.clone());
    if !object.body.finalizers.iter().any(|finalizer| finalizer == "kubernetes") {
        object.body.finalizers = object.body.finalizers.iter().cloned().chain(["kubernetes".into()]).collect();
    }
    namespace
}

pub(super) fn new_namespace(name: &str) -> Object {
    let body = Namespace { finalizers: no_finalizers(), terminating: false, conditions: Vec::new() };
    Obj { meta: Meta::new(Kind::Namespace, "", name), body }.into_object()
}

pub(super) fn priority_class(info: Arc<KindInfo>, name: &str, value: i32, description: &str) -> Object {
    let mut fields = serde_json::Map::new();
    fields.insert("value".to_owned(), value.into());
    fields.insert("description".to_owned(), description.into());
    fields.insert("preemptionPolicy".to_owned(), "PreemptLowerPriority".into());
    Object::Untyped(Arc::new(Obj { meta: Meta::new(Kind::PriorityClass, "", name), body: Untyped { info, fields } }))
}
