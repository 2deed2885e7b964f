//! Creating objects. Upstream: `apiserver/pkg/registry/rest/create.go`, `generic/registry/store.go`.

use super::bodies::{has_generation, without_status};
use super::{Context, GENERATE_NAME, Store, UID, label_keys};
use crate::api::{Kind, KindInfo, Name, Object, Uid, convert, defaults, naming};
use crate::event::{ApiError, ChangeKind, ErrorCause, ErrorReason};
use crate::kernel::object_hash;

/// How many generated names upstream tries before it gives up.
const GENERATE_TRIES: usize = 8;

impl Store {
    pub(super) fn create(&mut self, mut object: Object, context: &Context) -> Result<Object, ApiError> {
        let kind = object.kind();
        let info = self.info(kind).clone();
        let generated = object.meta().name.is_empty();
        if generated {
            object.meta_mut().name = match kind {
                Kind::LimitRange if object.meta().generate_name.is_empty() => self.drawn_name(&object),
                _ => self.generate_name(&object, context)?,
            };
        }
        self.check_served(kind)?;
        let object = self.conform(object);
        let mut object = self.patched_by_webhooks(object)?;
        let (namespace, name) = (object.meta().namespace.clone(), object.meta().name.clone());
        if info.namespaced {
            self.admit_namespace(&info, &namespace, &name)?;
        }
        if !generated && let Some(taken) = self.table(kind).by_name(&namespace, &name) {
            return Err(already_exists(&info, taken, &object.meta().generate_name));
        }
        self.own_new(&mut object, context);
        let services = self.services_now(kind);
        let object = self.give_to_service(object)?;
        let admitted = self.admit_create(without_status(object), context);
        let checked = admitted.and_then(|object| {
            self.validate_create(&object, context)?;
            self.check_limits(&object)?;
            self.charge_create(&object, context)?;
            Ok(object)
        });
        let mut object = checked.inspect_err(|_| self.restore_services(services))?;
        let uid_hash = self.draw_hash(kind, &namespace, &name);
        let (id, life) = self.table_mut(kind).intern(&namespace, &name);
        let draw = self.chance.draw(UID, uid_hash, u64::from(life));
        let created = self.timestamp(context);
        let meta = object.meta_mut();
        meta.id = id;
        meta.uid = Uid::version_4(draw.word(0), draw.word(1));
        meta.created = created;
        meta.deletion = None;
        meta.generation = i64::from(has_generation(kind));
        let object = self.in_stored_version(prepared(object)?);
        let stored = self.commit(ChangeKind::Added, object, None, context);
        self.expect_event_expiry(&stored, context);
        if kind == Kind::CustomResourceDefinition {
            self.define(&stored, context);
        }
        Ok(stored)
    }

    /// A LimitRange without a name is called by a UUID. Upstream: `pkg/registry/core/limitrange/strategy.go`.
    fn drawn_name(&mut self, object: &Object) -> Name {
        let hash = object_hash(&format!("limitranges/{}", object.meta().namespace));
        let count = self.generated.entry(hash).or_default();
        let draw = self.chance.draw(GENERATE_NAME, hash, *count);
        *count += 1;
        Uid::version_4(draw.word(0), draw.word(1)).to_string().into()
    }

    /// A name from `generateName`; another where one is taken, as upstream tries eight times.
    fn generate_name(&mut self, object: &Object, context: &Context) -> Result<Name, ApiError> {
        let meta = object.meta();
        let info = self.info(meta.id.kind).clone();
        if meta.generate_name.is_empty() {
            self.validate_create(object, context)?;
            let dot = if info.group.is_empty() { "" } else { "." };
            let message = format!(
                "{}{dot}{} \"\" is invalid: metadata.name: Required value: name or generateName is required",
                info.kind, info.group
            );
            let mut refusal = ApiError::new(ErrorReason::Invalid, message);
            refusal.causes.push(ErrorCause {
                reason: "FieldValueRequired".into(),
                message: "Required value: name or generateName is required".into(),
                field: "metadata.name".into(),
            });
            return Err(refusal);
        }
        let base = format!("{}/{}/{}", info.plural, meta.namespace, meta.generate_name);
        let hash = object_hash(&base);
        let mut name = Name::new();
        for _ in 0..GENERATE_TRIES {
            let count = self.generated.entry(hash).or_default();
            let draw = self.chance.draw(GENERATE_NAME, hash, *count);
            *count += 1;
            name = naming::generate_name(&meta.generate_name, draw.bits()).into();
            if self.table(meta.id.kind).by_name(&meta.namespace, &name).is_none() {
                return Ok(name);
            }
        }
        let taken = self.table(meta.id.kind).by_name(&meta.namespace, &name).expect("the last name is taken");
        Err(already_exists(&info, taken, &meta.generate_name))
    }

    /// What exists before anybody asks: upstream's system namespaces and priority classes, the Service and the
    /// ServiceCIDR `kubernetes`.
    pub fn bootstrap(&mut self, context: &Context) {
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            let namespace = super::admission::new_namespace(name);
            self.create(namespace, context).expect("a system namespace can be created");
        }
        for (name, value, description) in super::admission::SYSTEM_PRIORITY_CLASSES {
            let class =
                super::admission::priority_class(self.info(Kind::PriorityClass).clone(), name, value, description);
            self.create(class, context).expect("a system priority class can be created");
        }
        self.create_kubernetes_service(context);
    }
}

/// Upstream: `NewAlreadyExists`, `NewGenerateNameConflict`, and what the store adds where the object is on its way out.
fn already_exists(info: &KindInfo, taken: &Object, generate_name: &Name) -> ApiError {
    let prefix = if taken.meta().is_terminating() { "object is being deleted: " } else { "" };
    let suffix = match generate_name.as_str() {
        "" => "",
        _ => ", the server was not able to generate a unique name for the object",
    };
    let message = format!("{prefix}{} {:?} already exists{suffix}", info.group_resource(), taken.meta().name);
    let mut error = ApiError::new(ErrorReason::AlreadyExists, message);
    error.retry_after_seconds = (!generate_name.is_empty()).then_some(1);
    error
}

/// What registries do with a new object: label keys in the affinity of pods, finalizers of claims, selectors of Jobs, ….
fn prepared(object: Object) -> Result<Object, ApiError> {
    let id = object.meta().id;
    if let Object::Pod(pod) = object {
        return Ok(Object::Pod(label_keys::apply(pod)));
    }
    if !matches!(object, Object::Untyped(_)) || id.kind.info().is_none() {
        return Ok(object);
    }
    let mut value = convert::to_json(&object);
    defaults::prepare_for_create(id.kind, &mut value);
    let mut prepared = convert::from_json(id.kind, value)
        .map_err(|error| ApiError::new(ErrorReason::BadRequest, error.to_string()))?;
    prepared.meta_mut().id = id;
    Ok(prepared)
}
