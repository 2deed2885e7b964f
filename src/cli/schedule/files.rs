//! The snapshot that files hold, made ready to be decided on.
//!
//! What an API server has printed is taken as it is. For pods that a person wrote it does what admission would have done:
//! the namespace is `default` where none is given, the priority is that of the class, and not-ready and unreachable nodes
//! are tolerated for five minutes. Namespaces that nobody has printed are there, with the label of their name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use crate::api::dump::{self, Printed};
use crate::api::{Kind, Name, Namespace, Obj, Object, Pod, PodSpec};
use crate::cli::output::to_stderr;
use crate::cli::{Failure, dumps};
use crate::scheduler::Snapshot;
use crate::store::{SYSTEM_PRIORITY_CLASSES, add_default_tolerations};

/// The kinds that decisions depend on.
const KINDS: [Kind; 14] = [
    Kind::Node,
    Kind::Pod,
    Kind::Namespace,
    Kind::Service,
    Kind::ReplicationController,
    Kind::ReplicaSet,
    Kind::StatefulSet,
    Kind::PersistentVolume,
    Kind::PersistentVolumeClaim,
    Kind::StorageClass,
    Kind::CSINode,
    Kind::CSIDriver,
    Kind::PodDisruptionBudget,
    Kind::PriorityClass,
];

/// Reads files into a snapshot. Its pending pods come in the order of the queue: by priority, then by age, then as they
/// are written.
pub(super) fn read(files: &[PathBuf]) -> Result<Snapshot, Failure> {
    let mut classes = PriorityClasses::system();
    let wanted = |kind: Kind| KINDS.contains(&kind);
    let mut take = |Printed { kind, mut value, by_server }: Printed| {
        if kind == Kind::PriorityClass {
            classes.take(&value);
            return Ok(None);
        }
        if kind.info().is_some_and(|info| info.namespaced) && value["metadata"]["namespace"].is_null() {
            value["metadata"]["namespace"] = Value::from("default");
        }
        Ok(Some((dump::object(kind, value)?, by_server)))
    };
    let objects: Vec<(Object, bool)> = dumps::objects(files, &wanted, &mut take)?.into_iter().flatten().collect();
    let admitted = objects.into_iter().map(|(object, by_server)| match object {
        Object::Pod(pod) if !by_server => Object::Pod(admit(pod, &classes)),
        object => object,
    });
    let mut admitted: Vec<Object> = admitted.collect();
    admitted.extend(namespaces(&admitted));
    let mut snapshot = Snapshot::of(admitted);
    snapshot.pending.sort_by_key(|pod| (std::cmp::Reverse(pod.body.spec.priority), pod.meta.created));
    Ok(snapshot)
}

/// Priorities by the name of their class.
struct PriorityClasses {
    by_name: BTreeMap<String, i32>,
    /// The lowest class that is the default, if there is one.
    default: Option<i32>,
}

impl PriorityClasses {
    fn system() -> PriorityClasses {
        let by_name = SYSTEM_PRIORITY_CLASSES.iter().map(|(name, value, _)| ((*name).to_owned(), *value)).collect();
        PriorityClasses { by_name, default: None }
    }

    fn take(&mut self, class: &Value) {
        let (name, value) = (class["metadata"]["name"].as_str(), class["value"].as_i64());
        let (Some(name), Some(value)) = (name, value.and_then(|value| i32::try_from(value).ok())) else { return };
        self.by_name.insert(name.to_owned(), value);
        if class["globalDefault"] == Value::Bool(true) {
            self.default = Some(self.default.map_or(value, |default| default.min(value)));
        }
    }

    fn of(&self, pod: &Obj<Pod>) -> Option<i32> {
        let name = pod.body.spec.full.priority_class_name.as_deref().filter(|name| !name.is_empty());
        let Some(name) = name else { return self.default };
        let found = self.by_name.get(name).copied();
        if found.is_none() {
            to_stderr(&format!(
                "note: pod {}: PriorityClass {name} is not among the files: priority 0",
                pod.meta.key()
            ));
        }
        found
    }
}

fn admit(mut pod: Arc<Obj<Pod>>, classes: &PriorityClasses) -> Arc<Obj<Pod>> {
    let mut full = pod.body.spec.full.clone();
    if full.priority.is_none() {
        full.priority = classes.of(&pod);
    }
    add_default_tolerations(&mut full);
    Arc::make_mut(&mut pod).body.spec = PodSpec::new(full);
    pod
}

/// The namespaces that are named and not printed.
fn namespaces(objects: &[Object]) -> Vec<Object> {
    let printed = objects.iter().filter_map(Object::get::<Namespace>).map(|namespace| namespace.meta.name.clone());
    let printed: BTreeSet<Name> = printed.collect();
    let named = objects.iter().map(|object| object.meta().namespace.clone()).filter(|namespace| !namespace.is_empty());
    let missing: BTreeSet<Name> = named.filter(|namespace| !printed.contains(namespace)).collect();
    let made =
        |name: Name| dump::object(Kind::Namespace, serde_json::json!({"metadata": {"name": name.as_str()}})).ok();
    missing.into_iter().filter_map(made).collect()
}
