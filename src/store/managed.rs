//! Server-side apply, and who owns which field. Upstream: `apiserver/pkg/endpoints/handlers/fieldmanager`.
//!
//! Fields have owners where a request names its manager, or where the object has owners already: a cluster in which nobody
//! applies keeps none. Left out: owners of what native parts write through patches of metadata, bindings and statuses of
//! pods, nodes and leases.

use serde_json::Value;

use super::{Context, Store};
use crate::api::managed_fields::{self, ApplyError, Resource, Writer};
use crate::api::{Kind, KindInfo, Name, Object, convert};
use crate::event::{ApiError, ErrorCause, ErrorReason, PartId, Patch, Subresource, Target};

/// Who the request that is being answered comes from, as far as fields have owners.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Manager {
    /// The request does not say: the part that sends it.
    #[default]
    Unsaid,
    /// `fieldManager`.
    Named(Name),
    /// The owners are in the object already.
    Settled,
}

impl Store {
    /// The owners of a new object's fields.
    pub(super) fn own_new(&self, object: &mut Object, context: &Context) {
        if !matches!(self.manager, Manager::Named(_)) {
            return;
        }
        self.own(None, object, "", context);
    }

    /// The owners of the fields of an object that changes.
    pub(super) fn own_changed(&self, stored: &Object, next: &mut Object, subresource: &str, context: &Context) {
        let has_owners = |object: &Object| managed(object).is_some();
        let is_said = matches!(self.manager, Manager::Named(_));
        if self.manager != Manager::Settled && (is_said || has_owners(stored)) {
            self.own(Some(stored), next, subresource, context);
        }
        if has_owners(stored) && has_owners(next) {
            let mut value = convert::to_json(next);
            managed_fields::keep_times(&convert::to_json(stored), &mut value);
            set_managed(next, value["metadata"]["managedFields"].take());
        }
    }

    /// Whether an applied configuration brings the owners with it.
    pub(super) fn has_settled_owners(&self) -> bool {
        self.manager == Manager::Settled
    }

    fn own(&self, stored: Option<&Object>, next: &mut Object, subresource: &str, context: &Context) {
        let Some(resource) = self.resource(next.kind()) else { return };
        let now = self.timestamp(context).to_string();
        let manager = self.manager_name(context);
        let writer = Writer { manager: &manager, subresource, now: &now };
        let live = stored.map(convert::to_json);
        let owners = managed_fields::update(&resource, live.as_ref(), &convert::to_json(next), &writer);
        set_managed(next, owners);
    }

    /// PATCH with an applied configuration.
    pub(super) fn apply(
        &mut self,
        target: &Target,
        subresource: Subresource,
        (patch, force): (&Patch, bool),
        context: &Context,
    ) -> Result<Object, ApiError> {
        let kind = target.kind();
        let stored = match self.live(target) {
            Ok(stored) => Some(stored),
            Err(error) if subresource != Subresource::None => return Err(error),
            Err(_) => None,
        };
        let live = stored.as_ref().map(convert::to_json);
        let resource = self.resource(kind).ok_or_else(|| {
            ApiError::new(ErrorReason::UnsupportedMediaType, "server-side apply is not supported for this kind")
        })?;
        let now = self.timestamp(context).to_string();
        let manager = self.manager_name(context);
        let part = if subresource == Subresource::Status { "status" } else { "" };
        let writer = Writer { manager: &manager, subresource: part, now: &now };
        let merged = managed_fields::apply(&resource, live.as_ref(), &patch.body, &writer, force).map_err(refused)?;
        let info = self.info(kind).clone();
        let mut new = match kind {
            Kind::Custom(_) => convert::custom_from_json(kind, info, merged),
            _ => convert::from_json(kind, merged),
        }
        .map_err(|error| ApiError::new(ErrorReason::BadRequest, error.to_string()))?;
        let settled = std::mem::replace(&mut self.manager, Manager::Settled);
        let result = match &stored {
            None => {
                let (namespace, name) = self.path_of(target).unwrap_or_default();
                new.meta_mut().namespace = namespace;
                new.meta_mut().name = name;
                self.create(new, context)
            }
            Some(stored) => {
                new.meta_mut().id = stored.meta().id;
                // An applied configuration has no revision unless it says one.
                let said = patch.body.pointer("/metadata/resourceVersion").is_some();
                if !said {
                    new.meta_mut().resource_version = 0;
                }
                match subresource {
                    Subresource::Status => self.update_status(new, context),
                    Subresource::None | Subresource::Scale => self.update(new, context),
                }
            }
        };
        self.manager = settled;
        result
    }

    fn resource(&self, kind: Kind) -> Option<Resource<'_>> {
        Resource::built_in(kind).or_else(|| {
            let info = self.info(kind);
            let has_status = info.has_status(kind);
            Some(Resource::custom(&info.api_version(), &info.kind, self.schema_of(info), has_status))
        })
    }

    /// The schema of a custom kind, as its definition says it.
    fn schema_of(&self, info: &KindInfo) -> Option<&Value> {
        info.definition.as_ref()?;
        let crds = self.table(Kind::CustomResourceDefinition);
        let Object::Untyped(crd) = crds.by_name(&Name::new(), &info.group_resource().into())? else { return None };
        let mut versions = crd.body.fields.get("spec")?.get("versions")?.as_array()?.iter();
        versions.find(|version| version["name"] == *info.version)?.get("schema")?.get("openAPIV3Schema")
    }

    fn manager_name(&self, context: &Context) -> Name {
        match (&self.manager, context.from) {
            (Manager::Named(name), _) => name.clone(),
            (_, PartId::ControllerManager(_)) => "kube-controller-manager".into(),
            (_, PartId::Scheduler(_)) => "kube-scheduler".into(),
            (_, PartId::Kubelet(_)) => "kubelet".into(),
            (_, PartId::User) => "kubectl".into(),
            (_, PartId::Guest(_) | PartId::World) => "unknown".into(),
        }
    }
}

fn refused(error: ApplyError) -> ApiError {
    let message = error.to_string();
    match error {
        ApplyError::BadRequest(_) => ApiError::new(ErrorReason::BadRequest, message),
        ApplyError::Failed(_) => ApiError::new(ErrorReason::InternalError, message),
        ApplyError::Conflicts(conflicts) => {
            let cause = |conflict: &managed_fields::Conflict| ErrorCause {
                reason: "FieldManagerConflict".into(),
                message: conflict.message().into(),
                field: conflict.field.as_str().into(),
            };
            let mut refusal = ApiError::new(ErrorReason::Conflict, message);
            refusal.causes = conflicts.iter().map(cause).collect();
            refusal
        }
    }
}

fn managed(object: &Object) -> Option<&Value> {
    object.meta().rest.as_ref()?.get("managedFields")
}

/// Puts the owners into an object; null or an empty list: none.
fn set_managed(object: &mut Object, owners: Value) {
    let is_empty = owners.as_array().is_none_or(Vec::is_empty);
    let meta = object.meta_mut();
    match (&mut meta.rest, is_empty) {
        (Some(rest), true) => {
            rest.remove("managedFields");
            if rest.is_empty() {
                meta.rest = None;
            }
        }
        (None, true) => {}
        (rest, false) => {
            rest.get_or_insert_default().insert("managedFields".to_owned(), owners);
        }
    }
}
