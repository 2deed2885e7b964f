//! Binding pods. Upstream: `pkg/registry/core/pod/storage/storage.go`.

use std::sync::Arc;

use super::{Context, Store};
use crate::api::{ConditionStatus, Labels, Name, Obj, Object, PodConditionType, Uid};
use crate::event::{ApiError, ErrorReason, Preconditions, Target};

impl Store {
    /// The binding's annotations go over to the pod. Upstream: `setPodHostAndAnnotations`.
    pub(super) fn bind(
        &mut self,
        target: &Target,
        uid: Uid,
        (node, annotations): (&Name, &Labels),
        context: &Context,
    ) -> Result<(), ApiError> {
        let stored = self.live(target)?;
        let preconditions = Preconditions { uid: (uid != Uid(0)).then_some(uid), resource_version: None };
        self.check_preconditions(&stored, preconditions)?;
        let Object::Pod(mut pod) = stored.clone() else {
            return Err(ApiError::new(ErrorReason::BadRequest, "only pods can be bound"));
        };
        let name = pod.meta.name.clone();
        let refuse = |why: String| {
            let message = format!("Operation cannot be fulfilled on pods/binding {name:?}: {why}");
            Err(ApiError::new(ErrorReason::Conflict, message))
        };
        if pod.meta.is_terminating() {
            return refuse(format!("pod {name} is being deleted, cannot be assigned to a host"));
        }
        if !pod.body.node_name.is_empty() {
            return refuse(format!("pod {name} is already assigned to node {:?}", pod.body.node_name));
        }
        if pod.body.spec.full.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty()) {
            return refuse(format!("pod {name} has non-empty .spec.schedulingGates"));
        }
        let now = self.timestamp(context);
        let Obj { meta, body } = Arc::make_mut(&mut pod);
        meta.annotations = meta.annotations.merged(annotations);
        body.node_name = node.clone();
        body.status.set_condition(PodConditionType::PodScheduled, ConditionStatus::True, None, now);
        self.replace(stored, |_| Object::Pod(pod), context).map(|_| ())
    }
}
