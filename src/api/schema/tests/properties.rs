//! Whatever the schema and the object: pruning and defaulting are done once and for all.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::api::schema::{Additional, Schema};

/// Values of few names, so that schemas and objects meet.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..9).prop_map(Value::from),
        "[ab]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::btree_map("[a-d]", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn schema() -> impl Strategy<Value = Value> {
    let words = (any::<bool>(), prop::option::weighted(0.3, (-3i64..9).prop_map(Value::from)));
    let leaf =
        (prop::sample::select(vec!["string", "integer", "boolean"]), words).prop_map(|(kind, (nullable, default))| {
            let mut schema = json!({"type": kind, "nullable": nullable});
            if let Some(default) = default.filter(|_| kind == "integer") {
                schema["default"] = default;
            }
            schema
        });
    leaf.prop_recursive(4, 24, 4, |inner| {
        let object =
            (prop::collection::btree_map("[a-d]", inner.clone(), 0..4), any::<bool>(), prop::bool::weighted(0.2));
        prop_oneof![
            inner.clone().prop_map(|items| json!({"type": "array", "items": items})),
            inner.prop_map(|values| json!({"type": "object", "additionalProperties": values})),
            object.prop_map(|(properties, has_default, preserves)| {
                let mut schema = json!({"type": "object", "properties": properties});
                if has_default {
                    schema["default"] = json!({});
                }
                if preserves {
                    schema["x-kubernetes-preserve-unknown-fields"] = json!(true);
                }
                schema
            }),
        ]
    })
}

/// Whether a value holds nothing that its schema does not know.
fn is_known(schema: &Schema, value: &Value) -> bool {
    match value {
        Value::Object(fields) => {
            fields.iter().all(|(name, value)| match (schema.properties.get(name), &schema.additional) {
                (Some(schema), _) => is_known(schema, value),
                (None, Additional::Like(schema)) => is_known(schema, value),
                (None, Additional::Unsaid | Additional::Any | Additional::None) => schema.preserves,
            })
        }
        Value::Array(items) => items.iter().all(|item| match &schema.items {
            Some(schema) => is_known(schema, item),
            None => schema.preserves || item.as_object().is_none_or(|fields| fields.is_empty()),
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn what_is_pruned_and_filled_stays_as_it_is(spec in schema(), object in value()) {
        let schema = Schema::read(&json!({"type": "object", "properties": {"spec": spec}}));
        let mut once = json!({"kind": "Tank", "spec": object});
        schema.prune(&mut once);
        prop_assert!(is_known(&schema.properties["spec"], &once["spec"]), "{once}");
        let mut pruned_twice = once.clone();
        schema.prune(&mut pruned_twice);
        prop_assert_eq!(&pruned_twice, &once);
        schema.fill(&mut once);
        let mut again = once.clone();
        schema.fill(&mut again);
        prop_assert_eq!(&again, &once);
        schema.prune(&mut again);
        prop_assert_eq!(&again, &once, "defaults hold nothing unknown");
        schema.judge(&once);
    }
}
