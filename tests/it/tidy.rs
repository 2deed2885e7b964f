//! The house rules that no compiler checks: room order, sizes, door texts, banned words, paths that the README names.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, lowest first. A room may import rooms before it, but for the exceptions below.
const ROOMS: &[&str] = &[
    "kernel",
    "api",
    "event",
    "rest",
    "store",
    "client",
    "net",
    "record",
    "trace",
    "scheduler",
    "kubelet",
    "controllers",
    "network",
    "fault",
    "check",
    "sim",
    "scenario",
    "conformance",
    "explore",
    "bench",
    "report",
    "cli",
];

/// Imports that the order would allow and the design does not.
const FORBIDDEN: &[(&str, &str)] = &[
    ("store", "rest"),
    ("client", "rest"),
    ("client", "store"),
    ("net", "store"),
    ("net", "client"),
    ("record", "store"),
    ("record", "client"),
    ("record", "net"),
    ("trace", "event"),
    ("trace", "store"),
    ("trace", "client"),
    ("trace", "net"),
    ("trace", "record"),
    ("scheduler", "trace"),
    ("scheduler", "store"),
    ("scheduler", "net"),
    ("scheduler", "record"),
    ("kubelet", "store"),
    ("kubelet", "net"),
    ("kubelet", "record"),
    ("kubelet", "scheduler"),
    ("controllers", "store"),
    ("controllers", "net"),
    ("controllers", "record"),
    ("controllers", "scheduler"),
    ("controllers", "kubelet"),
    ("network", "store"),
    ("network", "net"),
    ("network", "record"),
    ("network", "trace"),
    ("network", "scheduler"),
    ("network", "kubelet"),
    ("network", "controllers"),
    ("fault", "store"),
    ("fault", "record"),
    ("fault", "client"),
    ("fault", "scheduler"),
    ("fault", "kubelet"),
    ("fault", "controllers"),
    ("fault", "network"),
    ("check", "net"),
    ("check", "client"),
    ("check", "scheduler"),
    ("check", "kubelet"),
    ("check", "controllers"),
    ("check", "network"),
    ("check", "fault"),
];

/// Words that do not belong into sources, each with what belongs there instead.
const BANNED: &[(&str, &str)] = &[
    ("HashMap::new", "rustc_hash for look-ups that are never iterated, BTreeMap otherwise"),
    ("Instant::now", "kernel::Time"),
    ("SystemTime::now", "kernel::Time"),
    ("thread::sleep", "a timer of the simulation"),
    ("dyn Any", "a closed enum"),
    ("#[ignore", "a test that runs"),
    ("mod util;", "the name of what it does"),
    ("mod utils;", "the name of what it does"),
];

const MAX_LINES: usize = 600;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn all_sources() -> Vec<(PathBuf, String)> {
    ["src", "tests", "benches"]
        .iter()
        .flat_map(|folder| sources(&root().join(folder)))
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a source can be read");
            (path.strip_prefix(root()).expect("a source lies in the project").to_path_buf(), text)
        })
        .collect()
}

#[track_caller]
fn check(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

#[test]
fn a_room_imports_only_rooms_below_it() {
    let mut broken = Vec::new();
    for (path, text) in all_sources() {
        let mut parts = path.iter().map(|part| part.to_string_lossy().into_owned());
        if parts.next().as_deref() != Some("src") {
            continue;
        }
        let Some(room) = parts.next().filter(|part| !part.ends_with(".rs")) else { continue };
        let Some(place) = ROOMS.iter().position(|known| *known == room) else {
            broken.push(format!("{}: the room {room} is not in the list of rooms", path.display()));
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            for (index, other) in ROOMS.iter().enumerate() {
                let imported = line.split("crate::").skip(1).any(|rest| {
                    rest.strip_prefix(other)
                        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
                });
                let is_doc = line.trim_start().starts_with("//");
                let allowed = index <= place && !FORBIDDEN.contains(&(room.as_str(), other));
                if imported && !is_doc && !allowed {
                    broken.push(format!("{}:{}: {room} imports {other}", path.display(), number + 1));
                }
            }
        }
    }
    check("rooms import only what DESIGN allows", &broken);
}

#[test]
fn every_file_opens_with_what_it_is_and_stays_small() {
    let mut broken = Vec::new();
    for (path, text) in all_sources() {
        if !text.starts_with("//! ") {
            broken.push(format!("{}: does not open with a //! sentence", path.display()));
        }
        let lines = text.lines().count();
        if lines > MAX_LINES {
            broken.push(format!("{}: {lines} lines, more than {MAX_LINES}", path.display()));
        }
    }
    check("every file opens with //! and has one idea", &broken);
}

#[test]
fn no_banned_word_stands_in_a_source() {
    let mut broken = Vec::new();
    for (path, text) in all_sources() {
        if path.ends_with("tests/it/tidy.rs") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            for (word, instead) in BANNED {
                if line.contains(word) {
                    broken.push(format!("{}:{}: {word:?}; instead: {instead}", path.display(), number + 1));
                }
            }
        }
    }
    check("banned words", &broken);
}

#[test]
fn every_path_that_the_readme_names_is_there() {
    let readme = fs::read_to_string(root().join("README.md")).expect("there is a README");
    let mut broken = Vec::new();
    for word in readme.split(|c: char| c.is_whitespace() || "`()[],;\"'".contains(c)) {
        let word = word.trim_end_matches(['.', ':']);
        let named = ["src/", "scenarios/", "benches/", "tests/"].iter().any(|folder| word.starts_with(folder));
        if named && !word.contains(['<', '*', '…']) && !root().join(word).exists() {
            broken.push(format!("README.md names {word}"));
        }
    }
    check("paths in the README exist", &broken);
}
