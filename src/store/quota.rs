//! ResourceQuota: what an object takes is charged to the quotas of its namespace before it is stored.
//! Upstream: `apiserver/pkg/admission/plugin/resourcequota`.
//!
//! Enforced is `status.hard`, which the quota's controller writes: a new quota forbids nothing until then. What goes is
//! given back by that controller alone. Where several quotas count an object, all are asked before any is charged.
//! Left out: resources limited by the configuration of the plugin, and a charge for a create that then finds its name
//! taken (upstream gives it back with the next full count).

use std::sync::Arc;

use super::{AdmissionPlugin, Context, Store};
use crate::api::quota::{Amounts, Quota, check_named, is_counted, matching, usage};
use crate::api::{Kind, KindInfo, Name, Obj, Object, Untyped};
use crate::event::{ApiError, ErrorReason};

impl Store {
    /// Charges a new object.
    pub(super) fn charge_create(&mut self, object: &Object, context: &Context) -> Result<(), ApiError> {
        self.charge(object, None, context)
    }

    /// Charges what a change of a Service or a claim takes more.
    pub(super) fn charge_update(&mut self, new: &Object, stored: &Object, context: &Context) -> Result<(), ApiError> {
        if matches!(new.kind(), Kind::Service | Kind::PersistentVolumeClaim) {
            self.charge(new, Some(stored), context)?;
        }
        Ok(())
    }

    fn charge(&mut self, object: &Object, before: Option<&Object>, context: &Context) -> Result<(), ApiError> {
        if !self.settings.disabled_plugins.allow(AdmissionPlugin::ResourceQuota) {
            return Ok(());
        }
        let meta = object.meta();
        let quotas: Vec<Arc<Obj<Untyped>>> = self.untyped_in(Kind::ResourceQuota, &meta.namespace);
        let info = self.info(object.kind()).clone();
        if quotas.is_empty() || !is_counted(object.kind(), &info) {
            return Ok(());
        }
        let forbid = |why: String| Err(forbidden(&info, &meta.name, &why));
        let mut concerned = Vec::new();
        for object_of_quota in quotas {
            let quota = Quota::of(&object_of_quota.body.fields);
            let resources = matching(object.kind(), &info, &quota.hard);
            if resources.is_empty() || !quota.has_in_scope(object) {
                continue;
            }
            let name = object_of_quota.meta.name.clone();
            if let Err(why) = check_named(object, &resources) {
                return forbid(format!("failed quota: {name}: {why}"));
            }
            if resources.iter().any(|resource| quota.used.get(resource).is_none()) {
                return forbid(format!("status unknown for quota: {name}, resources: {}", resources.join(",")));
            }
            concerned.push((object_of_quota, quota));
        }
        if concerned.is_empty() {
            return Ok(());
        }
        let taken = usage(object, &info);
        let negative: Vec<&str> =
            taken.iter().filter(|(_, amount)| amount.nanos() < 0).map(|(name, _)| name.as_str()).collect();
        if !negative.is_empty() {
            return forbid(format!("quota usage is negative for resource(s): {}", negative.join(",")));
        }
        let mut charged = Vec::new();
        for (object_of_quota, quota) in concerned {
            let more = match before.filter(|before| quota.has_in_scope(before)) {
                Some(before) => taken.more_than(&usage(before, &info)),
                None => taken.clone().without_zeros(),
            };
            let requested = more.only(|name| quota.hard.get(name).is_some());
            if requested.is_empty() {
                continue;
            }
            let mut used = quota.used.clone();
            used.add(&requested);
            let exceeds = |name: &Name| {
                requested.get(name).is_some() && used.get(name).zip(quota.hard.get(name)).is_some_and(|(u, h)| u > h)
            };
            let too_much = requested.only(exceeds);
            if !too_much.is_empty() {
                let (used, limited) = (quota.used.only(exceeds), quota.hard.only(exceeds));
                return forbid(format!(
                    "exceeded quota: {}, requested: {}, used: {}, limited: {}",
                    object_of_quota.meta.name,
                    too_much.text(),
                    used.text(),
                    limited.text()
                ));
            }
            charged.push((object_of_quota, used));
        }
        for (object_of_quota, used) in charged {
            let next = with_used(&object_of_quota, &used);
            self.replace(Object::Untyped(object_of_quota), |_| next, context)?;
        }
        Ok(())
    }

    /// The untyped objects of a kind in a namespace, by name.
    pub(super) fn untyped_in(&self, kind: Kind, namespace: &Name) -> Vec<Arc<Obj<Untyped>>> {
        let objects = self.table(kind).in_namespace(namespace);
        objects
            .filter_map(|object| if let Object::Untyped(object) = object { Some(object.clone()) } else { None })
            .collect()
    }
}

fn with_used(quota: &Arc<Obj<Untyped>>, used: &Amounts) -> Object {
    let mut next = quota.clone();
    let status = Arc::make_mut(&mut next).body.fields.get_mut("status").and_then(|status| status.as_object_mut());
    if let Some(status) = status {
        status.insert("used".to_owned(), used.write());
    }
    Object::Untyped(next)
}

/// Upstream: `admission.NewForbidden`.
pub(super) fn forbidden(info: &KindInfo, name: &Name, why: &str) -> ApiError {
    ApiError::new(ErrorReason::Forbidden, format!("{} {name:?} is forbidden: {why}", info.group_resource()))
}
