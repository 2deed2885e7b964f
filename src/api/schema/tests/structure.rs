//! Which schemas a CRD may have.

use serde_json::{Value, json};

use crate::api::schema::violations;

#[track_caller]
fn check(schema: Value, expected: &[&str]) {
    let found: Vec<String> = violations("s", &schema).iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

#[track_caller]
fn check_field(field: Value, expected: &[&str]) {
    check(json!({"type": "object", "properties": {"x": field}}), expected);
}

#[test]
fn types_must_be_said() {
    check(json!({"properties": {}}), &["s.type: Required value: must not be empty at the root"]);
    check(json!({"type": "string"}), &["s.type: Invalid value: \"string\": must be object at the root"]);
    check_field(json!({}), &["s.properties[x].type: Required value: must not be empty for specified object fields"]);
    check_field(
        json!({"type": "array", "items": {}}),
        &["s.properties[x].items.type: Required value: must not be empty for specified array items"],
    );
    check_field(json!({"type": "array"}), &["s.properties[x].items: Required value: must be specified"]);
    check_field(json!({"x-kubernetes-int-or-string": true}), &[]);
    check_field(json!({"x-kubernetes-preserve-unknown-fields": true}), &[]);
}

#[test]
fn words_that_are_not_supported_are_forbidden() {
    check_field(
        json!({"type": "array", "uniqueItems": true, "items": {"type": "string"}}),
        &[
            "s.properties[x].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ],
    );
    check_field(
        json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}}),
        &["s.properties[x].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"],
    );
    check_field(json!({"$ref": "#/definitions/a"}), &["s.properties[x].$ref: Forbidden: $ref is not supported"]);
    check(
        json!({"type": "object", "additionalProperties": {"type": "string"}}),
        &["s.additionalProperties: Forbidden: must not be used at the root"],
    );
    check_field(
        json!({"type": "string", "pattern": "("}),
        &[
            "s.properties[x].pattern: Invalid value: \"(\": must be a valid regular expression, but isn't: error parsing regexp: unclosed group",
        ],
    );
}

#[test]
fn junctors_judge_values_alone() {
    check_field(
        json!({"type": "object", "properties": {"a": {"type": "string"}}, "oneOf": [{"type": "object"}, {"required": ["a"], "description": "d"}]}),
        &[
            "s.properties[x].oneOf[0].type: Forbidden: must be empty to be structural",
            "s.properties[x].oneOf[1].description: Forbidden: must be empty to be structural",
        ],
    );
    check_field(
        json!({"type": "object", "anyOf": [{"properties": {"b": {"minimum": 1}}}]}),
        &[
            "s.properties[x].properties[b]: Required value: because it is defined in s.properties[x].anyOf[0].properties[b]",
        ],
    );
    let int_or_string = json!([{"type": "integer"}, {"type": "string"}]);
    check_field(json!({"x-kubernetes-int-or-string": true, "anyOf": int_or_string}), &[]);
    check_field(
        json!({"x-kubernetes-int-or-string": true, "allOf": [{"anyOf": int_or_string}, {"maxLength": 5}]}),
        &[],
    );
}

#[test]
fn metadata_is_not_to_be_specified() {
    check(json!({"type": "object", "properties": {"metadata": {"type": "object"}, "kind": {"type": "string"}}}), &[]);
    check(
        json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 9}}}}}),
        &[],
    );
    check(
        json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}}),
        &[
            "s.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified",
        ],
    );
}

#[test]
fn lists_that_are_maps_have_keys() {
    let list = |keys: Value, items: Value| json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys, "items": items});
    let item = json!({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "port": {"type": "integer"}}});
    check_field(list(json!(["name"]), item.clone()), &[]);
    check_field(
        list(json!([]), item.clone()),
        &[
            "s.properties[x].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map",
        ],
    );
    check_field(
        list(json!(["port", "host"]), item),
        &[
            "s.properties[x].items.properties[port].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
            "s.properties[x].x-kubernetes-list-map-keys[1]: Invalid value: \"host\": entries must all be names of item properties",
        ],
    );
}

#[test]
fn embedded_resources_are_objects() {
    check_field(
        json!({"type": "string", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}),
        &["s.properties[x].type: Invalid value: \"string\": must be object if x-kubernetes-embedded-resource is true"],
    );
    check_field(
        json!({"type": "object", "x-kubernetes-embedded-resource": true}),
        &[
            "s.properties[x].properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
        ],
    );
}

#[test]
fn defaults_fit_their_schemas() {
    check_field(json!({"type": "integer", "default": 1}), &[]);
    check_field(
        json!({"type": "integer", "default": "one"}),
        &["s.properties[x].default: Invalid value: \"string\":  in body must be of type integer: \"string\""],
    );
}
