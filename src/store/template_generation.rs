//! The count of a DaemonSet's templates, which 1.34 still keeps in an annotation that nobody else may change.
//! Upstream: `pkg/registry/apps/daemonset/strategy.go`, `pkg/apis/apps/v1/conversion.go`.

use serde_json::Value;

use crate::api::{Kind, Name, Object};

const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// Sets the count of an updated DaemonSet: one more where its template has changed.
pub(super) fn count(stored: &Object, next: &mut Object) {
    if stored.kind() != Kind::DaemonSet {
        return;
    }
    let counted = stored.meta().annotations.get(TEMPLATE_GENERATION).and_then(|text| text.parse::<i64>().ok());
    let count = counted.unwrap_or(1) + i64::from(template(stored) != template(next));
    let count: Name = ecow::eco_format!("{count}");
    if next.meta().annotations.get(TEMPLATE_GENERATION) != Some(&count) {
        let annotations = next.meta().annotations.with(TEMPLATE_GENERATION, count);
        next.meta_mut().annotations = annotations;
    }
}

fn template(object: &Object) -> Option<&Value> {
    match object {
        Object::Untyped(object) => object.body.fields.get("spec")?.get("template"),
        _ => None,
    }
}
