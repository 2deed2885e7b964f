//! Objects against schemas, and schemas against the rules for schemas, with the messages that kubectl shows.

mod properties;
mod structure;

use serde_json::{Value, json};

use super::Schema;

/// Judges a value as `spec` of an object.
#[track_caller]
fn check(spec_schema: Value, spec: Value, expected: &[&str]) {
    let schema = Schema::read(&json!({"type": "object", "properties": {"spec": spec_schema}}));
    let object = json!({"apiVersion": "example.com/v1", "kind": "Tank", "metadata": {"name": "t"}, "spec": spec});
    let mut found: Vec<String> = schema.judge(&object).iter().map(ToString::to_string).collect();
    found.extend(schema.duplicates(&object).iter().map(ToString::to_string));
    assert_eq!(found, expected);
}

#[track_caller]
fn check_field(field_schema: Value, value: Value, expected: &[&str]) {
    let schema = json!({"type": "object", "properties": {"x": field_schema}});
    check(schema, json!({"x": value}), expected);
}

#[test]
fn values_are_of_their_type() {
    let integer = || json!({"type": "integer"});
    check_field(integer(), json!(3), &[]);
    check_field(integer(), json!(3.0), &[]);
    let text = "spec.x: Invalid value: \"string\": spec.x in body must be of type integer: \"string\"";
    check_field(integer(), json!("3"), &[text]);
    let half = "spec.x: Invalid value: \"number\": spec.x in body must be of type integer: \"number\"";
    check_field(integer(), json!(3.5), &[half]);
    let half = "spec.x: Invalid value: \"double\": spec.x in body must be of type int32: \"double\"";
    check_field(json!({"type": "integer", "format": "int32"}), json!(3.5), &[half]);
    check_field(json!({"type": "integer", "format": "int32"}), json!(3), &[]);
    check_field(json!({"type": "number"}), json!(3), &[]);
    let yes = "spec.x: Invalid value: \"string\": spec.x in body must be of type boolean: \"string\"";
    check_field(json!({"type": "boolean"}), json!("yes"), &[yes]);
    let list = "spec.x: Invalid value: \"object\": spec.x in body must be of type array: \"object\"";
    check_field(json!({"type": "array", "items": {"type": "string"}}), json!({}), &[list]);
    let null = "spec.x: Invalid value: \"null\": spec.x in body must be of type string: \"null\"";
    check_field(json!({"type": "string"}), Value::Null, &[null]);
    check_field(json!({"type": "string", "nullable": true}), Value::Null, &[]);
    let whole = "spec: Invalid value: \"string\": spec in body must be of type object: \"string\"";
    check(json!({"type": "object"}), json!("tank"), &[whole]);
}

#[test]
fn a_number_or_a_text_is_neither_anything_else() {
    let schema = || json!({"x-kubernetes-int-or-string": true});
    check_field(schema(), json!(80), &[]);
    check_field(schema(), json!("http"), &[]);
    let message = "spec.x: Invalid value: \"boolean\": spec.x in body must be of type integer,string: \"boolean\"";
    check_field(schema(), json!(true), &[message]);
}

#[test]
fn fields_that_must_be_there_are_missed() {
    let schema = json!({"type": "object", "required": ["size", "kind"], "properties": {"size": {"type": "integer"}}});
    check(schema.clone(), json!({"size": 1, "kind": "x"}), &[]);
    check(schema, json!({}), &["spec.size: Required value", "spec.kind: Required value"]);
}

#[test]
fn enums_name_what_is_supported() {
    let schema = || json!({"type": "string", "enum": ["small", "large"]});
    check_field(schema(), json!("large"), &[]);
    let message = "spec.x: Unsupported value: \"huge\": supported values: \"small\", \"large\"";
    check_field(schema(), json!("huge"), &[message]);
    let message = "spec.x: Unsupported value: 3: supported values: \"1\", \"2\"";
    check_field(json!({"type": "integer", "enum": [1, 2]}), json!(3), &[message]);
}

#[test]
fn numbers_keep_within_their_bounds() {
    let schema = || json!({"type": "integer", "minimum": 1, "maximum": 10});
    check_field(schema(), json!(10), &[]);
    let low = "spec.x: Invalid value: 0: spec.x in body should be greater than or equal to 1";
    check_field(schema(), json!(0), &[low]);
    let high = "spec.x: Invalid value: 11: spec.x in body should be less than or equal to 10";
    check_field(schema(), json!(11), &[high]);
    let schema =
        || json!({"type": "number", "minimum": 0, "exclusiveMinimum": true, "maximum": 1, "exclusiveMaximum": true});
    check_field(schema(), json!(0), &["spec.x: Invalid value: 0: spec.x in body should be greater than 0"]);
    check_field(schema(), json!(1.0), &["spec.x: Invalid value: 1: spec.x in body should be less than 1"]);
    let message = "spec.x: Invalid value: 7: spec.x in body should be a multiple of 5";
    check_field(json!({"type": "integer", "multipleOf": 5}), json!(7), &[message]);
}

#[test]
fn texts_keep_their_length_pattern_and_format() {
    let schema = || json!({"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[a-z]+$"});
    check_field(schema(), json!("abc"), &[]);
    check_field(schema(), json!("abcde"), &["spec.x: Too long: may not be more than 4 bytes"]);
    let short = "spec.x: Invalid value: \"a\": spec.x in body should be at least 2 chars long";
    check_field(schema(), json!("a"), &[short]);
    let other = "spec.x: Invalid value: \"aB\": spec.x in body should match '^[a-z]+$'";
    check_field(schema(), json!("aB"), &[other]);
    let time = || json!({"type": "string", "format": "date-time"});
    check_field(time(), json!("2026-01-01T00:00:00Z"), &[]);
    let message = "spec.x: Invalid value: \"noon\": spec.x in body must be of type date-time: \"noon\"";
    check_field(time(), json!("noon"), &[message]);
    for (format, good, bad) in [
        ("ipv4", "10.0.0.1", "10.0.0"),
        ("ipv6", "::1", "1::2::3"),
        ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("uuid", "a3bb189e-8bf9-3888-9912-ace4e6543002", "a3bb189e"),
        ("mac", "00:1b:44:11:3a:b7", "00:1b"),
        ("date", "2026-01-31", "2026-1-31"),
        ("byte", "aGk=", "h!"),
        ("duration", "1h30m", "soon"),
        ("hostname", "tank.example.com", "tank_"),
    ] {
        let schema = || json!({"type": "string", "format": format});
        check_field(schema(), json!(good), &[]);
        let message = format!("spec.x: Invalid value: \"{bad}\": spec.x in body must be of type {format}: \"{bad}\"");
        check_field(schema(), json!(bad), &[&message]);
    }
    // A format that nobody knows says nothing.
    check_field(json!({"type": "string", "format": "poem"}), json!("x"), &[]);
}

#[test]
fn lists_keep_their_number_and_hold_nothing_twice() {
    let schema = |list: &str| {
        json!({
            "type": "array", "minItems": 1, "maxItems": 2, "x-kubernetes-list-type": list, "items": {"type": "string"},
        })
    };
    check_field(schema("atomic"), json!(["a", "a"]), &[]);
    let few = "spec.x: Invalid value: 0: spec.x in body should have at least 1 items";
    check_field(schema("atomic"), json!([]), &[few]);
    check_field(schema("atomic"), json!(["a", "b", "c"]), &["spec.x: Too many: 3: must have at most 2 items"]);
    check_field(schema("set"), json!(["a", "a"]), &["spec.x[1]: Duplicate value: \"a\""]);
    let item = "spec.x[1]: Invalid value: \"integer\": spec.x[1] in body must be of type string: \"integer\"";
    check_field(schema("atomic"), json!(["a", 1]), &[item]);
    let map = || {
        json!({
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name", "port"],
            "items": {"type": "object", "properties": {"name": {"type": "string"}, "port": {"type": "integer"}}},
        })
    };
    check_field(map(), json!([{"name": "a", "port": 1}, {"name": "a", "port": 2}]), &[]);
    check_field(
        map(),
        json!([{"name": "a", "port": 1}, {"name": "b"}, {"name": "a", "port": 1}, {"name": "a", "port": 1}]),
        &["spec.x[2]: Duplicate value: {\"name\":\"a\",\"port\":1}"],
    );
}

#[test]
fn maps_judge_their_values() {
    let schema = || {
        json!({
            "type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 1, "maxProperties": 2,
        })
    };
    check_field(schema(), json!({"a": 1}), &[]);
    let message = "spec.x.a: Invalid value: \"string\": spec.x.a in body must be of type integer: \"string\"";
    check_field(schema(), json!({"a": "1"}), &[message]);
    let few = "spec.x: Invalid value: 0: spec.x in body should have at least 1 properties";
    check_field(schema(), json!({}), &[few]);
    let many = "spec.x: Too many: 3: must have at most 2 items";
    check_field(schema(), json!({"a": 1, "b": 2, "c": 3}), &[many]);
}

#[test]
fn junctors_tell_which_alternatives_fail() {
    let one = || {
        json!({
            "type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
            "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        })
    };
    check(one(), json!({"a": "x"}), &[]);
    let none = "<nil>: Invalid value: \"\": \"spec\" must validate one and only one schema (oneOf). Found none valid";
    check(one(), json!({}), &[none, "spec.a: Required value"]);
    let both = "<nil>: Invalid value: \"\": \"spec\" must validate one and only one schema (oneOf). Found 2 valid alternatives";
    check(one(), json!({"a": "x", "b": "y"}), &[both]);
    let any = || json!({"type": "integer", "anyOf": [{"maximum": 0}, {"minimum": 10}]});
    check_field(any(), json!(10), &[]);
    check_field(
        any(),
        json!(5),
        &[
            "<nil>: Invalid value: \"\": \"spec.x\" must validate at least one schema (anyOf)",
            "spec.x: Invalid value: 5: spec.x in body should be less than or equal to 0",
        ],
    );
    let all = || json!({"type": "integer", "allOf": [{"maximum": 9}, {"minimum": 1}]});
    check_field(
        all(),
        json!(0),
        &[
            "spec.x: Invalid value: 0: spec.x in body should be greater than or equal to 1",
            "<nil>: Invalid value: \"\": \"spec.x\" must validate all the schemas (allOf)",
        ],
    );
    let not = || json!({"type": "string", "not": {"enum": ["root"]}});
    check_field(not(), json!("user"), &[]);
    let message = "<nil>: Invalid value: \"\": \"spec.x\" must not validate the schema (not)";
    check_field(not(), json!("root"), &[message]);
}

#[track_caller]
fn check_pruned(schema: Value, mut object: Value, expected: Value) {
    Schema::read(&schema).prune(&mut object);
    assert_eq!(object, expected);
}

#[test]
fn unknown_fields_go_away() {
    let spec = json!({"type": "object", "properties": {"size": {"type": "integer"}, "list": {
        "type": "array", "items": {"type": "object", "properties": {"a": {"type": "integer"}}},
    }}});
    check_pruned(
        json!({"type": "object", "properties": {"spec": spec}}),
        json!({"kind": "Tank", "metadata": {"name": "t"}, "status": 1, "spec": {"size": 1, "sizee": 2, "list": [{"a": 1, "b": 2}]}}),
        json!({"kind": "Tank", "metadata": {"name": "t"}, "spec": {"size": 1, "list": [{"a": 1}]}}),
    );
    check_pruned(
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"spec": spec}}),
        json!({"status": {"a": 1}, "spec": {"size": 1, "b": 2}}),
        json!({"status": {"a": 1}, "spec": {"size": 1}}),
    );
    let embedded = json!({"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"spec": spec}});
    check_pruned(
        json!({"type": "object", "properties": {"template": embedded}}),
        json!({"template": {"kind": "Pod", "metadata": {"name": "p"}, "odd": 1, "spec": {"size": 1, "b": 1}}}),
        json!({"template": {"kind": "Pod", "metadata": {"name": "p"}, "spec": {"size": 1}}}),
    );
    check_pruned(
        json!({"type": "object", "properties": {"map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"a": {"type": "string"}}}}}}),
        json!({"map": {"x": {"a": "1", "b": "2"}}}),
        json!({"map": {"x": {"a": "1"}}}),
    );
}

#[track_caller]
fn check_filled(schema: Value, mut object: Value, expected: Value) {
    Schema::read(&schema).fill(&mut object);
    assert_eq!(object, expected);
}

#[test]
fn defaults_fill_in_what_is_missing_or_null() {
    let schema = json!({"type": "object", "properties": {
        "replicas": {"type": "integer", "default": 1},
        "note": {"type": "string", "nullable": true, "default": "none"},
        "plain": {"type": "string"},
        "pool": {"type": "object", "default": {}, "properties": {"size": {"type": "integer", "default": 3}}},
        "ports": {"type": "array", "items": {"type": "object", "properties": {"protocol": {"type": "string", "default": "TCP"}}}},
        "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"on": {"type": "boolean", "default": true}}}},
    }});
    check_filled(
        schema.clone(),
        json!({"ports": [{}], "map": {"a": {}}}),
        json!({"replicas": 1, "note": "none", "pool": {"size": 3}, "ports": [{"protocol": "TCP"}], "map": {"a": {"on": true}}}),
    );
    check_filled(
        schema,
        json!({"replicas": null, "note": null, "plain": null, "pool": {"size": 4}}),
        json!({"replicas": 1, "note": null, "pool": {"size": 4}}),
    );
}

#[test]
fn patterns_are_read_as_go_reads_them() {
    for (pattern, good, bad) in [
        (r"^\d+$", "12", "١٢"),
        (r"^[\w.-]+$", "a.b-c_d", "a b"),
        (r"^[[]x[]]$", "[x]", "x"),
        (r"^([0-9]+(\.[0-9]+)?(ms|s))+$", "1.5s", "1.5"),
        (r"^[a&&b]+$", "a&b", "c"),
        (r"^[[:alpha:]]+$", "ab", "a1"),
        (r"^(?P<name>a)\.$", "a.", "ab"),
    ] {
        let pattern = super::Pattern::new(pattern).unwrap_or_else(|why| panic!("{pattern}: {why}"));
        assert!(pattern.matches(good) && !pattern.matches(bad), "{}", pattern.text);
    }
    assert!(super::Pattern::new("(?=a)").is_err() && super::Pattern::new("[").is_err());
}
