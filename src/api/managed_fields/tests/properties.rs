//! What holds for any configuration.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::{Element, FieldSet, Resource, apply, fields_of, keep_times};
use super::{fields_of_manager, resource, writer};
use crate::api::Kind;

fn text() -> BoxedStrategy<Value> {
    prop::sample::select(vec!["a", "b", "c"]).prop_map(Value::from).boxed()
}

fn map_of(value: BoxedStrategy<Value>, least: usize) -> BoxedStrategy<Value> {
    let key = prop::sample::select(vec!["k1", "k2", "k3", "k<4"]);
    prop::collection::btree_map(key, value, least..4)
        .prop_map(|map| Value::Object(map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
        .boxed()
}

/// A list of objects with different keys.
fn keyed(key: &'static str, keys: Vec<Value>, fields: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let most = keys.len();
    (prop::sample::subsequence(keys, 1..=most).prop_shuffle(), prop::collection::vec(fields, most))
        .prop_map(move |(keys, fields)| {
            let item = |(value, mut fields): (Value, Value)| {
                fields[key] = value;
                fields
            };
            Value::Array(keys.into_iter().zip(fields).map(item).collect())
        })
        .boxed()
}

fn some_of(fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let fields: Vec<_> =
        fields.into_iter().map(|(name, value)| prop::option::of(value).prop_map(move |value| (name, value))).collect();
    fields
        .prop_map(|fields| {
            let there = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
            Value::Object(there.collect::<Map<String, Value>>())
        })
        .boxed()
}

fn container() -> BoxedStrategy<Value> {
    let port = some_of(vec![("name", text()), ("hostPort", (1..3).prop_map(Value::from).boxed())]);
    some_of(vec![
        ("image", text()),
        ("args", prop::collection::vec(text(), 1..3).prop_map(Value::from).boxed()),
        ("ports", keyed("containerPort", vec![json!(80), json!(81), json!(9)], port)),
        ("env", keyed("name", vec![json!("E"), json!("F")], some_of(vec![("value", text())]))),
        ("resources", some_of(vec![("limits", map_of(text(), 1))])),
    ])
}

fn configuration() -> BoxedStrategy<Value> {
    let metadata = some_of(vec![
        ("labels", map_of(text(), 1)),
        (
            "finalizers",
            prop::sample::subsequence(vec![json!("f/a"), json!("f/b")], 1..=2).prop_map(Value::from).boxed(),
        ),
    ]);
    let pod = some_of(vec![
        ("containers", keyed("name", vec![json!("c"), json!("d"), json!("e")], container())),
        ("nodeSelector", map_of(text(), 1)),
        ("tolerations", prop::collection::vec(some_of(vec![("key", text())]), 1..3).prop_map(Value::from).boxed()),
    ]);
    let spec = some_of(vec![
        ("replicas", (0..3).prop_map(Value::from).boxed()),
        ("selector", Just(json!({"matchLabels": {"a": "b"}})).boxed()),
        ("template", some_of(vec![("spec", pod)])),
    ]);
    (metadata, prop::option::of(spec))
        .prop_map(|(mut metadata, spec)| {
            metadata["name"] = json!("x");
            let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata});
            if let Some(spec) = spec {
                object["spec"] = spec;
            }
            object
        })
        .boxed()
}

fn element() -> BoxedStrategy<Element> {
    prop_oneof![
        prop::sample::select(vec!["a", "b", "x.y/z", ".", "k:{", ""]).prop_map(Element::field),
        prop::sample::select(vec![json!("v"), json!("<&>"), json!(1), json!(-2.5), json!(true), json!(null)])
            .prop_map(Element::Value),
        (0i64..4).prop_map(Element::Index),
        prop::sample::select(vec![json!("c"), json!(80), json!("\"")])
            .prop_map(|value| Element::Key(vec![("name".to_owned(), value), ("protocol".to_owned(), json!("TCP"))])),
    ]
    .boxed()
}

/// The configuration's own fields, without those that nobody owns.
fn owned(resource: &Resource<'_>, config: &Value) -> FieldSet {
    let nobodys = json!({
        "f:apiVersion": {}, "f:kind": {}, "f:metadata": {".": {}, "f:name": {}},
    });
    fields_of(resource, config).difference(&FieldSet::from_json(&nobodys).expect("it can be read"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_set_survives_json(paths in prop::collection::vec(prop::collection::vec(element(), 1..4), 0..12)) {
        let mut set = FieldSet::new();
        paths.iter().for_each(|path| set.insert(path));
        let written = set.to_json();
        let read = FieldSet::from_json(&written).expect("what was written can be read");
        prop_assert_eq!(&read, &set);
        let text: Value = serde_json::from_str(&written.to_string()).expect("it is JSON");
        prop_assert_eq!(FieldSet::from_json(&text).expect("it can be read"), set);
    }

    #[test]
    fn sets_are_sets(
        left in prop::collection::vec(prop::collection::vec(element(), 1..3), 0..8),
        right in prop::collection::vec(prop::collection::vec(element(), 1..3), 0..8),
    ) {
        let set = |paths: &[Vec<Element>]| {
            let mut set = FieldSet::new();
            paths.iter().for_each(|path| set.insert(path));
            set
        };
        let (a, b) = (set(&left), set(&right));
        for path in left.iter().chain(&right) {
            prop_assert_eq!(a.union(&b).has(path), a.has(path) || b.has(path));
            prop_assert_eq!(a.intersection(&b).has(path), a.has(path) && b.has(path));
            prop_assert_eq!(a.difference(&b).has(path), a.has(path) && !b.has(path));
        }
        prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a);
    }

    #[test]
    fn applying_again_changes_nothing(
        first in configuration(), second in configuration(), third in configuration(),
    ) {
        let resource = resource(Kind::Deployment);
        let mut live = apply(&resource, None, &first, &writer("one"), true).expect("it is applied");
        live = apply(&resource, Some(&live), &second, &writer("two"), true).expect("it is applied");
        live = apply(&resource, Some(&live), &third, &writer("one"), true).expect("it is applied");
        let mut again = apply(&resource, Some(&live), &third, &writer("one"), false).expect("it is no conflict");
        keep_times(&live, &mut again);
        prop_assert_eq!(again, live);
    }

    #[test]
    fn a_forced_configuration_owns_exactly_its_fields_and_has_its_values(
        first in configuration(), second in configuration(), third in configuration(),
    ) {
        let resource = resource(Kind::Deployment);
        let mut live = apply(&resource, None, &first, &writer("one"), true).expect("it is applied");
        live = apply(&resource, Some(&live), &second, &writer("two"), true).expect("it is applied");
        live = apply(&resource, Some(&live), &third, &writer("one"), true).expect("it is applied");
        let entry = fields_of_manager(&live, "one");
        let entry = if entry.is_null() { FieldSet::new() } else { FieldSet::from_json(&entry).expect("it can be read") };
        prop_assert_eq!(&entry, &owned(&resource, &third));
        // Nothing is left that nobody owns.
        let other = fields_of_manager(&live, "two");
        let other = if other.is_null() { FieldSet::new() } else { FieldSet::from_json(&other).expect("it can be read") };
        let unowned = owned(&resource, &live).leaves().difference(&entry.union(&other));
        let unowned: Vec<String> = unowned.paths().iter().map(|path| super::super::path_text(path)).collect();
        prop_assert!(
            unowned.iter().all(|path| path.starts_with(".metadata.managedFields")),
            "{unowned:?} belong to nobody"
        );
    }

    #[test]
    fn reading_a_set_never_panics(text in "\\PC{0,12}", kind in "[fkvi]?:?") {
        let mut map = Map::new();
        map.insert(format!("{kind}{text}"), json!({}));
        if let Ok(set) = FieldSet::from_json(&Value::Object(map)) {
            prop_assert!(set.paths().len() <= 1);
        }
    }
}
