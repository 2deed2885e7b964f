//! Trees out of text: scalars, places, limits, typed reading, and texts of all kinds that must not panic.
use super::*;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;

#[track_caller]
fn check(text: &str, expected: Value) {
    let documents = parse("f.yaml", text).unwrap();
    let found: Vec<Value> = documents.iter().map(Located::to_json).collect();
    assert_eq!(Value::Array(found), expected, "{text}");
}

#[track_caller]
fn check_error(text: &str, expected: &str) {
    assert_eq!(parse("f.yaml", text).unwrap_err().to_string(), expected, "{text}");
}

#[test]
fn scalars_mean_what_they_mean_to_kubectl() {
    check(
        "[yes, No, on, OFF, y, N, true, False, yEs]",
        json!([[true, false, true, false, true, false, true, false, "yEs"]]),
    );
    check("[~, null, Null, NULL, nULL]", json!([[null, null, null, null, "nULL"]]));
    check("[0644, 0o644, 0x1F, 0b101, -0b11, +5, 1_000, 00, 0, -0]", json!([[420, 420, 31, 5, -3, 5, 1000, 0, 0, 0]]));
    check(
        "[08, 1.5, 1., .5, 1e3, 1.0, -2.5E-1, 1e400, 1.2.3, 12:30]",
        json!([[8, 1.5, 1, 0.5, 1000, 1, -0.25, "1e400", "1.2.3", "12:30"]]),
    );
    check(
        "[9223372036854775807, 9223372036854775808, -9223372036854775808]",
        json!([[9_223_372_036_854_775_807_i64, 9_223_372_036_854_775_808_u64, i64::MIN]]),
    );
    check(
        "[2001-12-14, 1.2.3.4, 500m, 2Gi, '1', \"yes\", +, -x, 0x, 0xZ, ++1, 0_]",
        json!([["2001-12-14", "1.2.3.4", "500m", "2Gi", "1", "yes", "+", "-x", "0x", "0xZ", "++1", 0]]),
    );
    check("[!!str 1, !!int \"3\", !mine 4, !!float 2, ! 5]", json!([["1", 3, 4, 2, "5"]]));
    check("a: |\n  1\n", json!([{"a": "1\n"}]));
    check_error("a: .inf", "f.yaml:1:4: .inf has no form in JSON");
    check_error("a: !!int x", "f.yaml:1:10: cannot read \"x\" as !!int");
    check_error("a: !!binary aGk=", "f.yaml:1:13: the tag !!binary is not supported");
}

#[test]
fn keys_are_texts() {
    check("{1: a, yes: b, 1.5: c, 'no': d}", json!([{"1": "a", "true": "b", "1.5": "c", "no": "d"}]));
    check_error("? [a]\n: b\n", "f.yaml:1:3: a key must be a plain text");
    check_error("~: b\n", "f.yaml:1:1: a key must not be null");
}

#[test]
fn documents_are_told_apart_and_empty_ones_skipped() {
    check("---\na: 1\n---\n---\n# only words\n---\nb: 2\n...\n", json!([{"a": 1}, {"b": 2}]));
    check("", json!([]));
    check("\u{feff}a: 1\n", json!([{"a": 1}]));
    check("{\"a\":\t{\"b\": [1,\t2.0, \"\\u00e9\\/\"]}\n}\n", json!([{"a": {"b": [1, 2, "é/"]}}]));
    check("a: 1\r\nb: 2\r\n", json!([{"a": 1, "b": 2}]));
}

#[test]
fn a_key_given_twice_is_refused() {
    check_error(
        "a: 1\nb:\n  c: 1\n  c: 2\n",
        "f.yaml:4:3: key \"c\" is already set in this mapping\n  help: it was set first in line 3",
    );
    check_error(
        "yes: 1\ntrue: 2\n",
        "f.yaml:2:1: key \"true\" is already set in this mapping\n  help: it was set first in line 1",
    );
}

#[test]
fn anchors_aliases_and_merges_are_honoured() {
    check(
        "a: &x {p: 1}\nb: *x\nc: {<<: *x, q: 2}\nd: {p: 3, <<: *x}\n",
        json!([{"a": {"p": 1}, "b": {"p": 1}, "c": {"p": 1, "q": 2}, "d": {"p": 3}}]),
    );
    check(
        "a: &x {p: 1}\nb: &y {p: 2, q: 2}\nc:\n  <<: [*x, *y]\n",
        json!([{"a": {"p": 1}, "b": {"p": 2, "q": 2}, "c": {"p": 1, "q": 2}}]),
    );
    check("'<<': 1\n", json!([{"<<": 1}]));
    check_error("<<: 1\n", "f.yaml:1:5: a merge key (<<) takes a mapping or a list of mappings");
    check_error("a: &x [*x]\n", "f.yaml:1:8: this alias stands inside the value that it names");
}

#[test]
fn a_file_cannot_grow_or_nest_without_end() {
    let mut bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
    for level in 1..12 {
        let names = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{names}]\n"));
    }
    let error = parse("f.yaml", &bomb).unwrap_err();
    assert_eq!(error.message, "aliases make this file larger by more than 100000 values");
    assert!(parse("f.yaml", &format!("{}{}", "[".repeat(100), "]".repeat(100))).is_ok());
    check_error(&format!("{}{}", "[".repeat(101), "]".repeat(101)), "f.yaml:1:101: nested deeper than 100 levels");
    let mut tower = format!("a0: &a0 {}1{}\n", "[".repeat(60), "]".repeat(60));
    tower.push_str(&format!("a1: {}*a0{}\n", "[".repeat(60), "]".repeat(60)));
    assert_eq!(parse("f.yaml", &tower).unwrap_err().message, "nested deeper than 100 levels");
}

#[test]
fn places_lead_to_keys_and_values() {
    let documents = parse("f.yaml", "---\nspec:\n  containers:\n  - name: é\n    image: x\n").unwrap();
    let path = |keys: &[&str]| {
        Path(
            keys.iter()
                .map(|key| match key.parse() {
                    Ok(index) => Segment::Index(index),
                    Err(_) => Segment::Key((*key).to_owned()),
                })
                .collect(),
        )
    };
    let image = path(&["spec", "containers", "0", "image"]);
    assert_eq!(image.to_string(), "spec.containers[0].image");
    assert_eq!(documents[0].locate(&image), (5, 12));
    assert_eq!(documents[0].locate_place(&image, Half::Key), (5, 5));
    assert_eq!(documents[0].locate(&path(&["spec", "containers", "0", "none", "x"])), (4, 5));
    assert_eq!(
        documents[0].locate(&path(&["spec", "containers", "7"])),
        documents[0].locate(&path(&["spec", "containers"]))
    );
    assert_eq!(documents[0].locate(&Path::default()), (2, 1));
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Plan {
    title: String,
    #[serde(default)]
    steps: Vec<Step>,
    limit: Option<u32>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Step {
    Wait,
    Crash { node: String },
    Scale(i32),
}

#[track_caller]
fn check_plan(text: &str, expected: &str) {
    let documents = parse("f.yaml", text).unwrap();
    let found = match from_located::<Plan>("f.yaml", &documents[0]) {
        Ok(plan) => format!("{plan:?}"),
        Err(errors) => errors.to_string(),
    };
    assert_eq!(found, expected);
}

#[test]
fn our_own_types_are_read_strictly() {
    check_plan(
        "title: t\nsteps: [wait, {crash: {node: w}}, {scale: -3}]\nlimit: 4\n",
        "Plan { title: \"t\", steps: [Wait, Crash { node: \"w\" }, Scale(-3)], limit: Some(4) }",
    );
    check_plan(
        "titel: t\nlimmit: 3\n",
        "f.yaml:1:1: unknown field \"titel\"\n  help: did you mean \"title\"?\nf.yaml:1:1: missing required field \"title\"\nf.yaml:2:1: unknown field \"limmit\"\n  help: did you mean \"limit\"?",
    );
    check_plan(
        "title: yes\n",
        "f.yaml:1:8: title: expected a string, found the boolean true\n  help: write it in quotes: \"true\"",
    );
    check_plan("title:\n", "f.yaml:1:6: title: expected a string, found null");
    check_plan(
        "title: t\nsteps: [wayt]\n",
        "f.yaml:2:9: steps[0]: unknown value \"wayt\"\n  help: did you mean \"wait\"?",
    );
    check_plan(
        "title: t\nsteps: [{crash: {nod: w}}]\n",
        "f.yaml:2:17: steps[0].crash: missing required field \"node\"\nf.yaml:2:18: unknown field \"steps[0].crash.nod\"\n  help: did you mean \"node\"?",
    );
    check_plan("title: t\nsteps: [{wait: 1}]\n", "f.yaml:2:9: steps[0]: wait takes no content");
    check_plan("title: t\nsteps: [crash]\n", "f.yaml:2:9: steps[0]: crash needs a mapping");
    check_plan("title: t\nsteps: [{}]\n", "f.yaml:2:9: steps[0]: expected exactly one of wait, crash, scale");
    check_plan(
        "title: t\nsteps: [3]\n",
        "f.yaml:2:9: steps[0]: expected one of wait, crash, scale, found the number 3",
    );
    check_plan(
        "title: t\nlimit: -1\n",
        "f.yaml:2:8: limit: expected an integer from 0 to 4294967295, found integer `-1`",
    );
    check_plan("title: t\nlimit: 1.5\n", "f.yaml:2:8: limit: expected an integer not below 0, found the number 1.5");
    check_plan("[a]", "f.yaml:1:1: expected a mapping (Plan), found a list");
}

/// A manifest to spoil.
const SAMPLE: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: &n web\n  labels: {app: *n, <<: {a: 'b'}}\nspec:\n  replicas: 3\n  template:\n    spec:\n      containers:\n      - name: \"c\\u00e9\"\n        command: [sh, -c, |\n          x]\n        args:\n        - >-\n          folded\n          text\n        # words\n---\n{\"a\": [1, 0644, !!str 2]}\n";

fn read_everything(text: &str) {
    if let Ok(manifests) = crate::api::manifest::read_manifests("f", text) {
        for manifest in manifests {
            let _ = manifest.error(&Issue::whole("x")).to_string();
        }
    }
    if let Ok(documents) = parse("f", text) {
        for document in documents {
            let _ = from_located::<Plan>("f", &document).map_err(|errors| errors.to_string());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,80}") {
        read_everything(&text);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        read_everything(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn yaml_like_text_is_read_or_refused(text in "[-:?#&*!|>{}\\[\\],\"'%@`~<ab01xo._eE+ \n\t]{0,60}") {
        read_everything(&text);
    }

    #[test]
    fn a_spoiled_manifest_is_read_or_refused(cuts in proptest::collection::vec((0..SAMPLE.len(), 0..9_usize, "[-:&*!|>{}\\[\\]\"' \n\t01é]{0,3}"), 1..5)) {
        let mut letters: Vec<char> = SAMPLE.chars().collect();
        for (at, length, insert) in cuts {
            let at = at.min(letters.len());
            let end = (at + length).min(letters.len());
            letters.splice(at..end, insert.chars());
        }
        read_everything(&letters.into_iter().collect::<String>());
    }

    #[test]
    fn json_survives_its_way_through_yaml(text in "\\PC{0,30}", number in any::<i64>(), float in -1e6..1e6_f64) {
        let value = json!({"t": text, "n": number, "f": float, "l": [null, true, {}]});
        let documents = parse("f", &value.to_string()).unwrap();
        prop_assert_eq!(documents[0].get("t").and_then(Located::as_str), Some(text.as_str()));
        prop_assert_eq!(&documents[0].to_json()["n"], &value["n"]);
    }
}
