//! Real manifests, as their projects publish them: each loads whole and comes up as far as anything serves it.

use std::path::{Path, PathBuf};

use wavetank::api::manifest::{read_manifests, resolve};
use wavetank::scenario::{ExpectationStatus, run};

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

/// Applies files to three nodes and expects every Deployment to become available.
#[track_caller]
fn check_available(files: &[PathBuf], deployments: usize) {
    let scenario = load_files(files, &[]);
    let result = run(&scenario, scenario.seed, &mut |_| {});
    let count = result.sim.store().count(wavetank::api::Kind::Deployment);
    assert_eq!(count, deployments, "Deployments in {files:?}");
    for outcome in &result.outcomes {
        assert!(matches!(outcome.status, ExpectationStatus::Met { .. }), "{files:?}: {outcome:?}");
    }
    let errors: Vec<String> = result
        .sim
        .parts()
        .user
        .outcomes()
        .iter()
        .flat_map(|outcome| &outcome.errors)
        .map(ToString::to_string)
        .collect();
    assert!(errors.is_empty(), "{files:?}: {errors:?}");
}

#[test]
fn online_boutique_becomes_available() {
    let manifests = shared().join("manifests/online-boutique.yaml");
    check_available(&[root().join("scenarios/online-boutique.yaml"), manifests], 12);
}

#[test]
fn the_guestbook_becomes_available() {
    check_available(&[shared().join("manifests/examples/guestbook.yaml")], 3);
}

#[test]
fn custom_objects_go_with_their_namespace_and_with_their_owners() {
    let scenario = load_files(&[root().join("tests/it/custom.yaml")], &[]);
    let result = run(&scenario, scenario.seed, &mut |_| {});
    for outcome in &result.outcomes {
        assert!(matches!(outcome.status, ExpectationStatus::Met { .. }), "{outcome:?}");
    }
}
