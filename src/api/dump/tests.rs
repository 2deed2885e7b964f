//! What is read of files, in each of the ways in which they are read.

use super::*;

/// `Kind/name@file` of all objects, or the errors, and what was left out.
#[track_caller]
fn check(text: &str, expected: &[&str]) -> Notes {
    let mut notes = Notes::default();
    let wanted = |kind: Kind| kind != Kind::ConfigMap;
    let mut take = |printed: Printed| {
        object(printed.kind, printed.value).map(|object| format!("{:?}/{}", object.kind(), object.meta().name))
    };
    let found = match read("f", text, &wanted, &mut notes, &mut take) {
        Ok(found) => found,
        Err(errors) => errors.0.iter().map(|error| error.to_string().replace('\n', " ")).collect(),
    };
    assert_eq!(found, expected, "{text}");
    notes
}

const POD: &str = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": []}}"#;

#[test]
fn lists_and_documents_give_their_objects() {
    check(POD, &["Pod/a"]);
    check(&format!("{POD}\n{}", POD.replace("\"a\"", "\"b\"")), &["Pod/a", "Pod/b"]);
    check(&format!(r#"{{"apiVersion": "v1", "items": [{POD}], "kind": "List"}}"#), &["Pod/a"]);
    check(
        &format!(
            r#"{{"apiVersion": "v1", "items": [{{"apiVersion": "v1", "items": [{POD}], "kind": "List"}}], "kind": "List"}}"#
        ),
        &["Pod/a"],
    );
    check(
        r#"{"kind": "PodList", "apiVersion": "v1", "items": [{"metadata": {"name": "a"}, "spec": {"containers": []}}]}"#,
        &["Pod/a"],
    );
    check(
        r#"{"items": [{"metadata": {"name": "a"}, "spec": {"containers": []}}], "kind": "PodList", "apiVersion": "v1"}"#,
        &["Pod/a"],
    );
    check(
        "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Node\n  metadata:\n    name: one\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: s}\nkind: List\n---\napiVersion: v1\nkind: Node\nmetadata: {name: m}\n",
        &["Node/one", "Namespace/s", "Node/m"],
    );
    check(
        "kind: NodeList\napiVersion: v1\nitems:\n  - metadata: {name: one}\n  # and\n\n  - metadata:\n      name: m\n",
        &["Node/one", "Node/m"],
    );
    check("apiVersion: v1\nkind: List\nitems: []\n", &[]);
    check("", &[]);
    check("%YAML 1.2\n---\napiVersion: v1\nkind: Node\nmetadata: {name: one}\n", &["Node/one"]);
}

#[test]
fn an_alias_reaches_other_items() {
    check(
        "apiVersion: v1\nitems:\n- &node\n  apiVersion: v1\n  kind: Node\n  metadata: &m {name: one}\n- {apiVersion: v1, kind: Namespace, metadata: *m}\nkind: List\n",
        &["Node/one", "Namespace/one"],
    );
}

#[test]
fn mistakes_have_their_place_in_the_file() {
    let list = "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Node\n  metadata:\n    name: one\n- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: p\n  spec:\n    contaners: []\nkind: List\n";
    check(list, &["f:12:5: unknown field \"spec.contaners\"   help: did you mean \"containers\"?"]);
    check("---\napiVersion: v1\nkind: Node\nmetadata: {}\n", &["f:4:11: metadata: the name is missing"]);
    check("kind: Node\nmetadata: {name: one}\n", &["f:1:1: apiVersion is not set"]);
    check("apiVersion: v1\nitems:\n- {apiVersion: v1\nkind: List\n", &["f:3:3: unclosed bracket '{'"]);
    let amount = POD.replace("[]", r#"[{"name": "c", "resources": {"requests": {"cpu": "x"}}}]"#);
    check(
        &format!("{POD}\n---\n{amount}"),
        &[
            "f:3:136: spec.containers[0].resources.requests.cpu: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ],
    );
}

#[test]
fn what_a_server_has_printed_may_have_fields_of_its_own() {
    let printed = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, uid: u, managedFields: [{manager: k}]}\nspec: {containers: [{name: c, newer: 1}]}\nstatus: {phase: Pending}\n";
    let notes = check(printed, &["Pod/p"]);
    let field = ("Pod".to_owned(), "spec.containers.newer".to_owned());
    assert_eq!(notes.unknown_fields, BTreeSet::from([field]));
}

#[test]
fn kinds_that_are_not_known_are_counted() {
    let text = "apiVersion: x.dev/v1\nkind: Yak\nmetadata: {name: yak}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n";
    let notes = check(text, &[]);
    assert_eq!(notes.unknown_kinds, BTreeMap::from([(("Yak".to_owned(), "x.dev/v1".to_owned()), 1)]));
}
