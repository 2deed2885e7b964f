//! Real manifests, as their projects publish them: each loads whole and comes up as far as anything serves it.

use std::path::{Path, PathBuf};

use wavetank::api::Kind;
use wavetank::api::manifest::{read_manifests, resolve};
use wavetank::check::ExpectationStatus;
use wavetank::report::{Looks, Story, Summary, write_text};
use wavetank::scenario::run;
use wavetank::sim::Sim;

use crate::story::{load_files, root, shared};

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn every_file_loads_whole_with_no_field_ignored() {
    let mut manifests = Vec::new();
    for path in files(&shared().join("manifests")) {
        let text = std::fs::read_to_string(&path).expect("a text");
        let name = path.display().to_string();
        manifests.extend(read_manifests(&name, &text).unwrap_or_else(|errors| panic!("{errors}")));
    }
    assert!(manifests.len() > 100, "only {} objects", manifests.len());
    resolve(&mut manifests, &mut Vec::new()).unwrap_or_else(|errors| panic!("{errors}"));
}

/// What a run of files showed.
struct Shown {
    summary: Summary,
    sim: Sim,
}

impl Shown {
    fn of(files: &[PathBuf]) -> Shown {
        let scenario = load_files(files, &[]);
        let result = run(&scenario, scenario.seed, &mut |_| {});
        for outcome in &result.outcomes {
            assert!(matches!(outcome.status, ExpectationStatus::Met { .. }), "{files:?}: {outcome:?}");
        }
        let story = Story {
            failed_actions: Vec::new(),
            scenario: scenario.name.as_str().into(),
            seed: scenario.seed,
            ended: String::new(),
            expectations: Vec::new(),
            machines: Vec::new(),
            currency: None,
            repeat: String::new(),
        };
        Shown { summary: Summary::of(&result.sim, story), sim: result.sim }
    }

    /// What the API server refused, in kubectl's words.
    fn errors(&self) -> Vec<&str> {
        self.summary.actions.iter().filter(|line| line.is_error).map(|line| line.text.as_str()).collect()
    }

    /// `Service 3, DaemonSet 1`: what is stored and nothing acts on.
    fn unserved(&self) -> String {
        let kinds = self.summary.unserved.iter().map(|of| format!("{} {}", of.kind, of.count));
        kinds.collect::<Vec<String>>().join(", ")
    }
}

/// Applies files to the cluster of a scenario among them, or to three nodes: the API server refuses nothing, every
/// Deployment becomes available, and what nothing acts on is said.
#[track_caller]
fn check(files: &[PathBuf], deployments: usize, unserved: &str) {
    let shown = Shown::of(files);
    assert_eq!(shown.errors(), Vec::<&str>::new(), "{files:?}");
    assert_eq!(shown.sim.store().count(Kind::Deployment), deployments, "Deployments in {files:?}");
    assert_eq!(shown.unserved(), unserved, "{files:?}");
    let mut text = Vec::new();
    write_text(&shown.summary, Looks::Plain, &mut text).expect("a summary can be written");
    let text = String::from_utf8(text).expect("a summary is text");
    assert_eq!(text.contains("stored; no controller serves th"), !unserved.is_empty(), "{text}");
}

#[test]
fn online_boutique_becomes_available() {
    let manifests = shared().join("manifests/online-boutique.yaml");
    check(&[root().join("scenarios/online-boutique.yaml"), manifests], 12, "");
}

#[test]
fn the_guestbook_becomes_available() {
    check(&[shared().join("manifests/examples/guestbook.yaml")], 3, "");
}

#[test]
fn ingress_nginx_becomes_available_and_its_jobs_end() {
    check(&[shared().join("manifests/ingress-nginx.yaml")], 1, "");
}

#[test]
fn cassandra_is_given_volumes_for_its_pods() {
    let cassandra = ["cassandra-service", "cassandra-statefulset"];
    let files = cassandra.map(|name| shared().join(format!("manifests/examples/{name}.yaml")));
    check(&files, 0, "");
}

/// Its README applies `setup` with `--server-side`, since client-side apply keeps each manifest in an annotation and
/// some CRDs are larger than annotations may be. wavetank applies as plain kubectl does, so the API server is right to
/// refuse these, and kubectl finds no kind for the objects that are of theirs.
#[test]
fn kube_prometheus_becomes_available_but_for_crds_too_large_for_client_side_apply() {
    let folder = shared().join("manifests/kube-prometheus");
    let shown = Shown::of(&[folder.join("setup"), folder, root().join("tests/it/grafana.yaml")]);
    for error in shown.errors() {
        let too_large = "is invalid: metadata.annotations: Too long: may not be more than 262144 bytes";
        let is_too_large = error.contains("CustomResourceDefinition") && error.ends_with(too_large);
        assert!(is_too_large || error.contains("no matches for kind"), "{error}");
    }
    assert_eq!(shown.errors().len(), 8, "six CRDs, and an object each of two of them");
    assert_eq!(shown.sim.store().count(Kind::Deployment), 5);
    assert_eq!(shown.summary.pods.ready, 9, "six of Deployments, and one of the DaemonSet on each of three nodes");
    assert_eq!(shown.unserved(), "NetworkPolicy 8, APIService 1, ServiceMonitor 13");
    // Pods come before their ServiceAccounts in the order of the files: refused at first, created when they are there.
    let refused = shown.summary.notable_events.iter().filter(|event| event.reason == "FailedCreate");
    let refused: Vec<&str> = refused.map(|event| event.message.as_str()).collect();
    let expected = refused.iter().all(|told| told.contains("error looking up service account"));
    assert!(!refused.is_empty() && expected, "{refused:?}");
}

/// What is added to the folder is applied here too.
#[test]
fn every_folder_of_manifests_is_applied_by_a_test_here() {
    let entries = std::fs::read_dir(shared().join("manifests")).expect("the folder is there");
    let names = entries.map(|entry| entry.expect("an entry").file_name().display().to_string());
    let mut found: Vec<String> = names.filter(|name| name != "README.md").collect();
    found.sort();
    assert_eq!(found, ["examples", "ingress-nginx.yaml", "kube-prometheus", "online-boutique.yaml"]);
}

#[test]
fn custom_objects_go_with_their_namespace_and_with_their_owners() {
    let scenario = load_files(&[root().join("tests/it/custom.yaml")], &[]);
    let result = run(&scenario, scenario.seed, &mut |_| {});
    for outcome in &result.outcomes {
        assert!(matches!(outcome.status, ExpectationStatus::Met { .. }), "{outcome:?}");
    }
}
