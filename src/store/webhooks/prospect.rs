//! What a request is going to do, as webhooks are shown it.

use std::sync::Arc;

use serde_json::Value;

use crate::api::{Kind, KindInfo, Labels, Name, Object, convert, merge};
use crate::event::{PatchKind, Request, Subresource, Target};
use crate::store::Store;
use crate::store::bodies::adopt_status;

/// `operation` of an admission request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operation {
    Create,
    Update,
    Delete,
}

impl Operation {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Operation::Create => "CREATE",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
        }
    }
}

/// A request on its way through admission.
#[derive(Clone, Debug)]
pub(super) struct Prospect {
    pub(super) operation: Operation,
    pub(super) kind: Kind,
    pub(super) info: Arc<KindInfo>,
    pub(super) subresource: &'static str,
    pub(super) namespace: Name,
    pub(super) name: Name,
    /// The object as it is to be; none for deletions, bindings and evictions.
    new: Option<Object>,
    /// The object as it is.
    old: Option<Object>,
    /// The new object, or else the old one, as JSON: made once it is looked at.
    json: Option<Value>,
}

impl Prospect {
    /// What a request is going to do. None where it is going to fail before any webhook would see it, and for the
    /// configurations of webhooks themselves.
    pub(super) fn of(store: &Store, request: &Request) -> Option<Prospect> {
        use Operation::{Create, Delete, Update};
        let kind = request.kind();
        let exempt = [
            Kind::ValidatingWebhookConfiguration,
            Kind::MutatingWebhookConfiguration,
            Kind::ValidatingAdmissionPolicy,
            Kind::ValidatingAdmissionPolicyBinding,
            Kind::MutatingAdmissionPolicy,
            Kind::MutatingAdmissionPolicyBinding,
        ];
        if exempt.contains(&kind) {
            return None;
        }
        let live = |target: &Target| store.live(target).ok();
        let of_object = |object: &Object| live(&crate::store::update::target_of(object));
        let (operation, subresource, new, old) = match request {
            Request::Create(object) => {
                let meta = object.meta();
                if store.info(kind).namespaced {
                    store.admit_namespace(store.info(kind), &meta.namespace, &meta.name).ok()?;
                }
                (Create, "", Some(store.conform(object.clone())), None)
            }
            Request::Update(object) => (Update, "", Some(store.conform(object.clone())), Some(of_object(object)?)),
            Request::UpdateStatus(object) | Request::PatchStatus(object) => {
                let old = of_object(object)?;
                (Update, "status", Some(adopt_status(&old, object)), Some(old))
            }
            Request::FinalizeNamespace(object) => (Update, "finalize", Some(object.clone()), Some(of_object(object)?)),
            Request::PatchMeta { target, edit, .. } => {
                let old = live(target)?;
                let mut new = old.clone();
                crate::store::update::edit_meta(new.meta_mut(), edit);
                (Update, "", Some(new), Some(old))
            }
            Request::PatchEvent { target, .. } => {
                let old = live(target)?;
                (Update, "", Some(old.clone()), Some(old))
            }
            Request::Scale { target, replicas, .. } => {
                let old = live(target)?;
                (Update, "scale", convert::with_replicas(&old, *replicas), Some(old))
            }
            Request::Patch { target, subresource, patch } => {
                let part = match subresource {
                    Subresource::None => "",
                    Subresource::Status => "status",
                    Subresource::Scale => "scale",
                };
                let is_apply = matches!(patch.kind, PatchKind::Apply { .. });
                match live(target) {
                    Some(old) => (Update, part, Some(store.patched(&old, patch).ok()?), Some(old)),
                    None if is_apply => (Create, part, store.applied_anew(target, patch), None),
                    None => return None,
                }
            }
            Request::Bind { pod, .. } => (Create, "binding", None, Some(live(pod)?)),
            Request::Evict { pod, .. } => (Create, "eviction", None, Some(live(pod)?)),
            Request::Delete { target, .. } => (Delete, "", None, Some(live(target)?)),
            Request::DeleteCollection { .. } => (Delete, "", None, None),
            Request::Get(_) | Request::List { .. } => return None,
        };
        let meta = new.as_ref().or(old.as_ref()).map(Object::meta);
        let info = match &new {
            Some(Object::Untyped(custom)) if kind.info().is_none() => custom.body.info.clone(),
            Some(_) | None => store.info(kind).clone(),
        };
        let (namespace, name) = meta.map(|meta| (meta.namespace.clone(), meta.name.clone())).unwrap_or_default();
        Some(Prospect { operation, kind, info, subresource, namespace, name, new, old, json: None })
    }

    /// The labels of the new object.
    pub(super) fn labels(&self) -> Option<&Labels> {
        self.new.as_ref().map(|object| &object.meta().labels)
    }

    /// The labels of the old object; a binding and an eviction have none.
    pub(super) fn old_labels(&self) -> Option<&Labels> {
        let is_part = matches!(self.subresource, "binding" | "eviction");
        self.old.as_ref().filter(|_| !is_part).map(|object| &object.meta().labels)
    }

    /// The object that a webhook looks at: the new one, or at a deletion the old one.
    pub(super) fn json(&mut self) -> &Value {
        let object = self.new.as_ref().or(self.old.as_ref());
        self.json.get_or_insert_with(|| object.map(convert::to_json).unwrap_or_default())
    }

    /// Changes the new object by a JSON patch.
    ///
    /// # Errors
    /// There is nothing to be changed, or the patch does not apply.
    pub(super) fn apply(&mut self, patch: &Value) -> Result<(), String> {
        let Some(object) = &self.new else {
            return Err(
                "an admission webhook attempted to modify the object, which is not supported for this operation"
                    .to_owned(),
            );
        };
        let patched = merge::json_patch(&self.json.take().unwrap_or_else(|| convert::to_json(object)), patch)?;
        let read = match object {
            Object::Untyped(custom) if self.kind.info().is_none() => {
                convert::custom_from_json(self.kind, custom.body.info.clone(), patched.clone())
            }
            _ => convert::from_json(self.kind, patched.clone()),
        };
        self.new = Some(read.map_err(|error| error.to_string())?);
        self.json = Some(patched);
        Ok(())
    }
}
