//! Rules in CEL. They are evaluated by a library behind the feature `cel`; without it none is, and whoever shows results
//! says so ([`Rules::unchecked`]).
//!
//! Upstream: apiextensions-apiserver `pkg/apiserver/schema/cel/validation.go`. The library does not know every macro
//! (`cel.bind`, optional fields): rules that use them are not evaluated either, and are named as well. Left out: the cost
//! of rules, ratcheting, and finding the old item of a list by its keys (it is found by its index).

#[cfg(feature = "cel")]
mod evaluated;

use std::sync::Arc;

use serde_json::Value;

use super::Schema;
use crate::api::validation::{FieldError, FieldErrorKind};

/// The rules of a schema.
#[derive(Clone, Debug)]
pub struct Rules {
    #[cfg(feature = "cel")]
    compiled: Arc<evaluated::Compiled>,
    unchecked: Arc<[String]>,
}

impl Rules {
    /// The rules of a schema as CRDs write it; none where there are none.
    pub fn read(schema: &Schema, written: &Value) -> Option<Rules> {
        if !schema.has_rules() {
            return None;
        }
        #[cfg(feature = "cel")]
        {
            let compiled = evaluated::Compiled::read(written);
            let unchecked = compiled.unknown().into();
            Some(Rules { compiled: Arc::new(compiled), unchecked })
        }
        #[cfg(not(feature = "cel"))]
        {
            let _ = written;
            let mut all = Vec::new();
            schema.collect_rules(&mut all);
            Some(Rules { unchecked: all.into() })
        }
    }

    /// The rules that are not evaluated, as they are written.
    pub fn unchecked(&self) -> &[String] {
        &self.unchecked
    }

    /// What an object violates, beside what was found before. Where that is of a sort that makes rules fail by
    /// themselves, none is evaluated, and that is told.
    pub fn judge(&self, schema: &Schema, new: &Value, old: Option<&Value>, before: &[FieldError]) -> Vec<FieldError> {
        let blocks = |error: &FieldError| match error.kind {
            FieldErrorKind::NotSupported(_)
            | FieldErrorKind::Required
            | FieldErrorKind::TooLong
            | FieldErrorKind::TooMany
            | FieldErrorKind::TypeInvalid => true,
            FieldErrorKind::NotFound
            | FieldErrorKind::Duplicate
            | FieldErrorKind::Invalid
            | FieldErrorKind::Forbidden => false,
        };
        if before.iter().any(blocks) {
            let detail = "some validation rules were not checked because the object was invalid; correct the existing \
                          errors to complete validation";
            return vec![FieldError {
                path: "<nil>".to_owned(),
                kind: FieldErrorKind::Invalid,
                value: Value::Null,
                detail: detail.to_owned(),
            }];
        }
        self.evaluate(schema, new, old)
    }

    #[cfg(feature = "cel")]
    fn evaluate(&self, schema: &Schema, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
        self.compiled.evaluate(schema, new, old)
    }

    #[cfg(not(feature = "cel"))]
    fn evaluate(&self, _schema: &Schema, _new: &Value, _old: Option<&Value>) -> Vec<FieldError> {
        Vec::new()
    }
}

impl Schema {
    #[cfg(not(feature = "cel"))]
    fn collect_rules(&self, all: &mut Vec<String>) {
        all.extend(self.rules.iter().map(|rule| rule.rule.clone()));
        let limits = self.limits.iter().flat_map(|limits| &limits.all_of);
        let inner = self.properties.values().chain(self.additional.schema()).chain(self.items.as_deref()).chain(limits);
        inner.for_each(|schema| schema.collect_rules(all));
    }
}
