//! Names, uids, times and addresses as the recording writes them.
//!
//! Generated names are replaced by what can be expected again: `web-<hash1>`, `web-<hash1>-<r>`, `db-<rev2>`,
//! `f-<t1>`, numbers in the order in which they were first seen. A name keeps its replacement for good, also where its
//! owner is gone, so a message can be read after the fact.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{Kind, Meta, Name, Object};

/// The letters of generated suffixes. Upstream: `apimachinery/pkg/util/rand`.
const LETTERS: &str = "bcdfghjklmnpqrstvwxz2456789";
const SUFFIX: usize = 5;

/// What raw names are replaced by.
#[derive(Clone, Debug)]
pub(super) struct Names {
    namespace: String,
    /// Exact names: ReplicaSets of Deployments, ControllerRevisions, Jobs of CronJobs.
    known: BTreeMap<Name, String>,
    /// How many were numbered, by kind and owner.
    numbered: BTreeMap<(Kind, Name), u32>,
    /// The objects whose pods and slices get a generated suffix.
    bases: BTreeSet<Name>,
    /// The Deployment of a ReplicaSet, and the set's number.
    sets: BTreeMap<Name, (Name, u32)>,
}

impl Names {
    pub(super) fn new(namespace: &str) -> Names {
        Names {
            namespace: namespace.to_owned(),
            known: BTreeMap::new(),
            numbered: BTreeMap::new(),
            bases: BTreeSet::new(),
            sets: BTreeMap::new(),
        }
    }

    /// Takes notice of an object of the namespace.
    pub(super) fn see(&mut self, object: &Object) {
        let meta = object.meta();
        let owner = meta.controller().map(|owner| (owner.kind.as_str(), owner.name.clone()));
        match (object.kind(), owner) {
            (Kind::ReplicaSet, Some(("Deployment", owner))) => {
                if let Some(number) = self.numbers(meta, &owner, "hash") {
                    self.sets.insert(meta.name.clone(), (owner, number));
                }
            }
            (Kind::ControllerRevision, Some((_, owner))) => {
                self.numbers(meta, &owner, "rev");
            }
            (Kind::Job, Some(("CronJob", owner))) => {
                self.numbers(meta, &owner, "t");
            }
            _ => {}
        }
        let has_pods = [Kind::ReplicaSet, Kind::Job, Kind::DaemonSet, Kind::ReplicationController, Kind::Service];
        if has_pods.contains(&object.kind()) {
            self.bases.insert(meta.name.clone());
        }
    }

    /// Gives an object its number, unless it has one.
    fn numbers(&mut self, meta: &Meta, owner: &Name, word: &str) -> Option<u32> {
        if self.known.contains_key(&meta.name) {
            return None;
        }
        let number = self.numbered.entry((meta.id.kind, owner.clone())).or_default();
        *number += 1;
        self.known.insert(meta.name.clone(), format!("{owner}-<{word}{number}>"));
        Some(*number)
    }

    /// The Deployment that a ReplicaSet belongs to or belonged to, and the set's number.
    pub(super) fn deployment_of(&self, set: &str) -> Option<(&Name, u32)> {
        self.sets.get(set).map(|(deployment, number)| (deployment, *number))
    }

    /// A name or another word.
    pub(super) fn word(&self, word: &str) -> String {
        self.replaced(word).unwrap_or_else(|| word.to_owned())
    }

    fn replaced(&self, word: &str) -> Option<String> {
        if word == self.namespace {
            return Some("<ns>".to_owned());
        }
        if let Some(known) = self.known.get(word) {
            return Some(known.clone());
        }
        if is_uid(word) {
            return Some("<uid>".to_owned());
        }
        let (base, suffix) = word.rsplit_once('-')?;
        if suffix.len() != SUFFIX || !suffix.chars().all(|letter| LETTERS.contains(letter)) {
            return None;
        }
        if self.bases.contains(base) {
            return Some(format!("{}-<r>", self.word(base)));
        }
        // The pods of an indexed Job.
        let (job, index) = base.rsplit_once('-')?;
        let is_index = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
        (is_index && self.bases.contains(job)).then(|| format!("{}-{index}-<r>", self.word(job)))
    }

    /// A whole message.
    pub(super) fn text(&self, text: &str) -> String {
        let mut written = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
            if end > 0 {
                written.push_str(&self.token(&rest[..end]));
                rest = &rest[end..];
            }
            let gap = rest.find(is_word).unwrap_or(rest.len());
            written.push_str(&rest[..gap]);
            rest = &rest[gap..];
        }
        match written.strip_prefix("Successfully assigned ").and_then(|rest| rest.rsplit_once(" to ")) {
            Some((pod, _)) => format!("Successfully assigned {pod} to <node>"),
            None => written,
        }
    }

    /// A run of letters, digits, dots, colons and hyphens: an address, a time, or words with punctuation.
    fn token(&self, token: &str) -> String {
        let bare = token.trim_end_matches(['.', ':']);
        let tail = &token[bare.len()..];
        if bare.parse::<std::net::Ipv4Addr>().is_ok() {
            return format!("<ip>{tail}");
        }
        if bare.contains(':') && bare.parse::<std::net::Ipv6Addr>().is_ok() {
            return format!("<ip6>{tail}");
        }
        if bare.len() >= 20 && bare.parse::<jiff::Timestamp>().is_ok() {
            return format!("<time>{tail}");
        }
        let parts: Vec<String> = token.split('.').map(|part| self.colons(part)).collect();
        parts.join(".")
    }

    fn colons(&self, token: &str) -> String {
        let parts: Vec<String> = token.split(':').map(|part| self.word(part)).collect();
        parts.join(":")
    }

    /// `<hash1>` or `<rev1>` of a pod, from its labels.
    pub(super) fn revision_of(&self, meta: &Meta) -> Option<String> {
        let label = |key: &str| meta.labels.get(key);
        let hash = label("pod-template-hash").or_else(|| label("controller-revision-hash"))?;
        self.revision(&meta.generate_name, hash)
    }

    /// `<hash1>` or `<rev1>`: of the name that a label holds, or that ends with what it holds.
    fn revision(&self, generate_name: &str, hash: &str) -> Option<String> {
        let base = generate_name.trim_end_matches('-');
        let by_base = [hash.to_owned(), base.to_owned(), format!("{base}-{hash}")];
        let exact = by_base.iter().find_map(|name| self.known.get(name.as_str()));
        let ending = || {
            let ending = format!("-{hash}");
            self.known.iter().find(|(name, _)| name.ends_with(&ending)).map(|(_, known)| known)
        };
        let known = exact.or_else(ending)?;
        known.find('<').map(|at| known[at..].to_owned())
    }
}

/// Whether the server has made up the end of a name.
pub(super) fn is_generated(meta: &Meta) -> bool {
    let suffix =
        (!meta.generate_name.is_empty()).then(|| meta.name.strip_prefix(meta.generate_name.as_str())).flatten();
    suffix.is_some_and(|suffix| suffix.len() == SUFFIX && suffix.chars().all(|letter| LETTERS.contains(letter)))
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-.:".contains(c)
}

fn is_uid(word: &str) -> bool {
    let lengths = word.split('-').map(str::len);
    word.len() == 36
        && lengths.eq([8, 4, 4, 4, 12])
        && word.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::convert;

    fn object(kind: Kind, name: &str, owner: Value) -> Object {
        let labels = json!({"a": "b"});
        let (api_version, kind_name) = match kind {
            Kind::ReplicaSet => ("apps/v1", "ReplicaSet"),
            Kind::Job => ("batch/v1", "Job"),
            _ => ("apps/v1", "ControllerRevision"),
        };
        let mut manifest = json!({
            "apiVersion": api_version, "kind": kind_name,
            "metadata": {"name": name, "namespace": "case", "ownerReferences": [owner]},
        });
        match kind {
            Kind::ControllerRevision => manifest["revision"] = json!(1),
            _ => {
                manifest["spec"] = json!({
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": {
                        "restartPolicy": "Always", "containers": [{"name": "c", "image": "app:ok"}]}},
                });
            }
        }
        convert::from_json(kind, manifest).expect("a good manifest")
    }

    fn owner(kind: &str, name: &str) -> Value {
        let uid = "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d";
        json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true})
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let mut names = Names::new("case");
        names.see(&object(Kind::ReplicaSet, "web-7d4b9c", owner("Deployment", "web")));
        names.see(&object(Kind::ReplicaSet, "web-55c9f", owner("Deployment", "web")));
        names.see(&object(Kind::ControllerRevision, "db-5d7f", owner("StatefulSet", "db")));
        names.see(&object(Kind::Job, "f-29453760", owner("CronJob", "f")));
        assert_eq!(names.text(text), expected);
    }

    #[test]
    fn generated_names_become_what_can_be_expected_again() {
        check("Created pod: web-7d4b9c-x2x5k", "Created pod: web-<hash1>-<r>");
        check(
            "ReplicaSet \"web-55c9f\" has timed out progressing.",
            "ReplicaSet \"web-<hash2>\" has timed out progressing.",
        );
        check(
            "Successfully assigned case/web-7d4b9c-x2x5k to n1",
            "Successfully assigned <ns>/web-<hash1>-<r> to <node>",
        );
        check("Saw completed job: f-29453760, status: Complete", "Saw completed job: f-<t1>, status: Complete");
        check("f-29453760-0-bbbbb f-29453760-bbbbb", "f-<t1>-0-<r> f-<t1>-<r>");
        check("Preempted by pod 9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d.", "Preempted by pod <uid>.");
        check("10.0.0.1:80, fd00::1 and 10.0.0.2.", "10.0.0.1:80, <ip6> and <ip>.");
        check("since 2026-01-01T00:00:00Z: never", "since <time>: never");
        check("0/2 nodes are available: 2 Insufficient cpu.", "0/2 nodes are available: 2 Insufficient cpu.");
        check("web-7d4b9c-bare1", "web-7d4b9c-bare1");
    }
}
