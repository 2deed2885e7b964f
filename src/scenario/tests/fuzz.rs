//! Nothing that a file may hold makes loading panic, and every error has a place.

use proptest::prelude::*;

use super::{SHIPPED, load_from, shipped_text};

/// Loads a text; every error must name the file, a line that it has, and what is wrong.
fn survives(text: &str, sets: &[&str]) {
    if let Err(errors) = load_from(&[("s.yaml", text)], sets) {
        assert!(!errors.0.is_empty());
        // YAML ends a line at a carriage return too.
        let lines = text.matches(['\n', '\r']).count() + 2;
        for error in errors.0 {
            assert!(!error.file.is_empty() && !error.message.is_empty(), "{error:?}");
            assert!((1..=lines).contains(&error.line) && error.column >= 1, "{error:?}");
        }
    }
}

/// Words that are likely to be put where they do not belong.
const WORDS: &[&str] = &[
    "null",
    "[]",
    "{}",
    "0",
    "-1",
    "9223372036854775807",
    "1e400",
    "~",
    "'",
    "\"",
    "\n",
    "- ",
    ": ",
    "&a ",
    "*a",
    "!!str ",
    "name",
    "count",
    "nodes",
    "$(n)",
    "9999999h",
    "1ns",
    "100E",
    "\u{0}",
    "ü",
    "deployment/",
    "/",
    "..",
    "a[",
    "True",
    "---\n",
    "kind: Scenario\n",
    "    ",
    "1Gi",
    "=",
    "!",
    "10.0.0.0/0",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        survives(&String::from_utf8_lossy(&bytes), &[]);
    }

    #[test]
    fn mutated_scenarios_never_panic(
        which in 0..SHIPPED.len(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..12usize, 0..WORDS.len()), 1..4),
    ) {
        // A repeated object of many copies costs time and shows nothing here.
        let mut text = shipped_text(SHIPPED[which]).replace("count: 50,", "count: 2,").replace("count: 5000", "count: 50");
        for (at, word_at, length, word) in edits {
            let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            let start = starts[at.index(starts.len())];
            let end = starts.iter().copied().find(|end| *end >= start + length).unwrap_or(text.len());
            text.replace_range(start..end, WORDS[(word + word_at.index(WORDS.len())) % WORDS.len()]);
        }
        survives(&text, &[]);
    }

    #[test]
    fn replacements_never_panic(path in "[a-z0-9.\\[\\]=]{0,24}", value in "[a-z0-9{}:, \\[\\]\"'-]{0,16}") {
        survives(&shipped_text("hello"), &[&format!("{path}={value}"), &format!("nodes.0.{path}={value}")]);
    }

    #[test]
    fn values_put_anywhere_never_panic(path in 0..PATHS.len(), value in 0..WORDS.len()) {
        survives(&shipped_text("drain"), &[&format!("{}={}", PATHS[path], WORDS[value])]);
    }
}

/// Places of `drain.yaml` where a value of any kind may be put.
const PATHS: &[&str] = &[
    "seed",
    "start",
    "duration",
    "stopWhenMet",
    "axes",
    "axes.nodes",
    "nodeTypes",
    "nodeTypes.0.capacity",
    "components.kubelet.event-qps",
    "nodes",
    "nodes.0",
    "nodes.0.type",
    "nodes.0.count",
    "nodes.0.capacity",
    "nodes.0.capacity.cpu",
    "nodes.0.taints",
    "nodes.0.zones",
    "nodes.0.pricePerHour",
    "manifests",
    "components",
    "components.x",
    "latency",
    "behaviours.0.match",
    "behaviours.0.match.selector",
    "behaviours.0.stop",
    "behaviours.0.image.size",
    "behaviours.0.exit",
    "behaviours.0.exit.probability",
    "behaviours.0.hangs",
    "behaviours.0.unready.0.lasts",
    "behaviours.0.usage.cpu",
    "behaviours.0.usage.memory",
    "timeline",
    "timeline.0.at",
    "timeline.0.drain",
    "timeline.0.apply",
    "timeline.2.scale.resource",
    "timeline.2.scale.replicas",
    "expect",
    "expect.0.within",
    "expect.0.eventually",
    "expect.1.eventually.field",
    "expect.1.eventually.equals",
    "expect.4.always.count",
    "expect.4.always.count.atLeast",
    "expect.4.always.selector",
    "expect.4.until",
];
