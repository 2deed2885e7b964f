//! CRDs as they come, change and go. Upstream: apiextensions-apiserver `pkg/controller/status/naming_controller.go`,
//! `establish/establishing_controller.go`, `finalizer/crd_finalizer.go`, `pkg/registry/customresourcedefinition/etcd.go`.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::api::{Definition, Deletion, Kind, KindInfo, Name, Object, convert, manifest};
use crate::event::{Answer, ChangeKind, DeleteOptions, Reply};
use crate::store::update::is_complete_deletion;
use crate::store::{Context, Store};

/// What keeps a definition until its objects are gone.
const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

impl Store {
    /// A definition was stored: its names are accepted or not, and if they are, it takes effect.
    pub(in crate::store) fn define(&mut self, crd: &Object, context: &Context) {
        let Object::Untyped(stored) = crd else { return };
        if stored.meta.is_terminating() {
            return;
        }
        let spec = stored.body.fields.get("spec").cloned().unwrap_or_default();
        let old = stored.body.fields.get("status").cloned().unwrap_or_default();
        let conflict = self.name_conflict(&spec, &stored.meta.name);
        let now = self.timestamp(context).to_string();
        let status = status(&spec, &old, conflict.as_ref(), &now);
        if conflict.is_none()
            && let Ok(info) = manifest::custom_kind(&convert::to_json(crd))
        {
            self.take_effect(KindInfo { definition: Some(Definition::read(&spec)), ..info });
        }
        if status != old {
            let mut next = crd.clone();
            if let Object::Untyped(next) = &mut next {
                Arc::make_mut(next).body.fields.insert("status".to_owned(), status);
            }
            self.commit(ChangeKind::Modified, next, Some(crd.clone()), context);
        }
    }

    /// The kind is served as its definition says from now on.
    fn take_effect(&mut self, info: KindInfo) {
        let known = self.custom.iter().position(|known| known.group == info.group && known.kind == info.kind);
        let kind = match known {
            Some(index) => Kind::Custom(index as u16),
            None => self.add_kind(info.clone()),
        };
        self.custom_kinds.undefined.remove(&kind);
        let table = self.table_mut(kind);
        if *table.info == info {
            return;
        }
        table.redescribe(Arc::new(info));
    }

    /// A name that another definition of the group has already, with the reason of the condition.
    fn name_conflict(&self, spec: &Value, name: &Name) -> Option<(&'static str, String)> {
        let (mut resources, mut kinds): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        for other in self.table(Kind::CustomResourceDefinition).iter().filter(|other| other.meta().name != *name) {
            let Object::Untyped(other) = other else { continue };
            if other.body.fields.get("spec").and_then(|spec| spec.get("group")) != spec.get("group") {
                continue;
            }
            let Some(names) = other.body.fields.get("status").and_then(|status| status.get("acceptedNames")) else {
                continue;
            };
            let text = |name: &str| names[name].as_str().map(str::to_owned);
            resources.extend(text("plural").into_iter().chain(text("singular")));
            resources.extend(
                names["shortNames"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned),
            );
            kinds.extend(text("kind").into_iter().chain(text("listKind")));
        }
        let names = &spec["names"];
        let short = names["shortNames"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let single = |name: &'static str| names[name].as_str();
        let wanted = [("PluralConflict", single("plural")), ("SingularConflict", single("singular"))]
            .into_iter()
            .chain(short.map(|name| ("ShortNamesConflict", Some(name))));
        let kind = [("KindConflict", single("kind")), ("ListKindConflict", single("listKind"))];
        let taken = |taken: &[String], (reason, name): (&'static str, Option<&str>)| {
            let name = name?;
            taken.iter().any(|taken| taken == name).then(|| (reason, format!("{name:?} is already in use")))
        };
        // The last conflict is the one that the condition tells.
        let found = wanted.filter_map(|wanted| taken(&resources, wanted));
        let found: Vec<_> = found.chain(kind.into_iter().filter_map(|wanted| taken(&kinds, wanted))).collect();
        found.into_iter().next_back()
    }

    /// The kind that a definition has brought.
    fn kind_of(&self, crd: &Object) -> Option<Kind> {
        let Object::Untyped(crd) = crd else { return None };
        let spec = crd.body.fields.get("spec")?;
        let (group, kind) = (spec["group"].as_str()?, spec["names"]["kind"].as_str()?);
        let index = self.custom.iter().position(|known| known.group == group && known.kind == kind)?;
        let kind = Kind::Custom(index as u16);
        (!self.custom_kinds.undefined.contains(&kind)).then_some(kind)
    }

    /// DELETE of a definition: its objects go first.
    pub(in crate::store) fn delete_definition(
        &mut self,
        stored: Object,
        options: DeleteOptions,
        context: &Context,
    ) -> Reply {
        if stored.meta().is_terminating() {
            return Ok(Answer::Object(stored));
        }
        let now = self.timestamp(context);
        let mut next = stored.clone();
        if let Some(propagation) = options.propagation {
            super::super::delete::set_propagation(&mut next, propagation);
        }
        let meta = next.meta_mut();
        meta.deletion = Some(Deletion { timestamp: now, grace_seconds: Some(0) });
        meta.generation += 1;
        if !meta.has_finalizer(CLEANUP) {
            meta.finalizers = meta.finalizers.iter().cloned().chain([CLEANUP.into()]).collect();
        }
        let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
        set_terminating(&mut next, "InstanceDeletionPending", message, &now.to_string());
        let going = self.commit(ChangeKind::Modified, next, Some(stored), context);
        let Some(kind) = self.kind_of(&going) else {
            self.let_go(&going.meta().name.clone(), context);
            return Ok(Answer::Object(going));
        };
        self.custom_kinds.leaving.insert(kind);
        let objects: Vec<Object> = self.table(kind).iter().cloned().collect();
        for object in objects {
            self.delete_stored(object, DeleteOptions::default(), context)?;
        }
        self.end_if_empty(kind, context);
        Ok(Answer::Object(going))
    }

    /// The last object of a kind whose definition is being deleted lets the definition go.
    pub(in crate::store) fn end_if_empty(&mut self, kind: Kind, context: &Context) {
        if !self.custom_kinds.leaving.contains(&kind) {
            return;
        }
        let name: Name = self.info(kind).group_resource().into();
        if self.table(kind).len() == 0 {
            self.let_go(&name, context);
        } else if let Some(crd) = self.table(Kind::CustomResourceDefinition).by_name(&Name::new(), &name).cloned() {
            let mut next = crd.clone();
            let now = self.timestamp(context).to_string();
            let message = "CustomResource deletion is in progress";
            set_terminating(&mut next, "InstanceDeletionInProgress", message, &now);
            if next != crd {
                self.commit(ChangeKind::Modified, next, Some(crd), context);
            }
        }
    }

    /// Takes the finalizer off.
    fn let_go(&mut self, name: &Name, context: &Context) {
        let Some(crd) = self.table(Kind::CustomResourceDefinition).by_name(&Name::new(), name).cloned() else { return };
        let mut next = crd.clone();
        let meta = next.meta_mut();
        meta.finalizers = meta.finalizers.iter().filter(|finalizer| **finalizer != CLEANUP).cloned().collect();
        let now = self.timestamp(context).to_string();
        set_terminating(&mut next, "InstanceDeletionCompleted", "removed all instances", &now);
        let change = if is_complete_deletion(&next) { ChangeKind::Deleted } else { ChangeKind::Modified };
        self.commit(change, next, Some(crd), context);
    }

    /// A definition is gone.
    pub(in crate::store) fn undefine(&mut self, crd: &Object) {
        let Some(kind) = self.kind_of(crd) else { return };
        self.custom_kinds.leaving.remove(&kind);
        self.custom_kinds.undefined.insert(kind);
        let table = self.table_mut(kind);
        table.redescribe(Arc::new(KindInfo { definition: None, ..KindInfo::clone(&table.info) }));
    }
}

/// What stands in the status of a definition.
fn status(spec: &Value, old: &Value, conflict: Option<&(&'static str, String)>, now: &str) -> Value {
    let mut stored: Vec<Value> = old["storedVersions"].as_array().cloned().unwrap_or_default();
    let versions = spec["versions"].as_array().into_iter().flatten();
    for version in versions.filter(|version| version["storage"] == true).map(|version| &version["name"]) {
        if !stored.contains(version) {
            stored.push(version.clone());
        }
    }
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        let before = old["conditions"].as_array().into_iter().flatten().find(|known| known["type"] == kind);
        let since =
            before.filter(|before| before["status"] == status).map(|before| before["lastTransitionTime"].clone());
        json!({
            "lastTransitionTime": since.unwrap_or_else(|| now.into()),
            "message": message, "reason": reason, "status": status, "type": kind,
        })
    };
    let was_established = old["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|known| known["type"] == "Established" && known["status"] == "True");
    let (names, accepted, established) = match conflict {
        None => (
            spec["names"].clone(),
            condition("NamesAccepted", "True", "NoConflicts", "no conflicts found"),
            condition("Established", "True", "InitialNamesAccepted", "the initial names have been accepted"),
        ),
        Some((reason, message)) => (
            old.get("acceptedNames").cloned().unwrap_or_else(|| json!({"kind": "", "plural": ""})),
            condition("NamesAccepted", "False", reason, message),
            match was_established {
                true => {
                    condition("Established", "True", "InitialNamesAccepted", "the initial names have been accepted")
                }
                false => condition("Established", "False", "NotAccepted", "not all names are accepted"),
            },
        ),
    };
    let mut status = Map::new();
    status.insert("acceptedNames".to_owned(), names);
    status.insert("conditions".to_owned(), json!([accepted, established]));
    status.insert("storedVersions".to_owned(), Value::Array(stored));
    Value::Object(status)
}

fn set_terminating(crd: &mut Object, reason: &str, message: &str, now: &str) {
    let Object::Untyped(crd) = crd else { return };
    let status = Arc::make_mut(crd).body.fields.entry("status").or_insert_with(|| json!({}));
    let Some(status) = status.as_object_mut() else { return };
    let conditions = status.entry("conditions").or_insert_with(|| json!([]));
    let Some(conditions) = conditions.as_array_mut() else { return };
    let since =
        conditions.iter().find(|known| known["type"] == "Terminating").map(|known| known["lastTransitionTime"].clone());
    conditions.retain(|known| known["type"] != "Terminating");
    conditions.push(json!({
        "lastTransitionTime": since.unwrap_or_else(|| now.into()),
        "message": message, "reason": reason, "status": "True", "type": "Terminating",
    }));
}
