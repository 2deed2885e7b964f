//! What a real control plane came to, and what the tank comes to: recorded scenarios that agree in every field, but for
//! those that are different by design.
//!
//! The folders under `tests/it/conformance/controllers` are in the format that `wavetank run --conformance` takes.

use std::fs;
use std::path::{Path, PathBuf};

use wavetank::conformance::{self, Case, Comparison, Files};

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/conformance/controllers")
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(name: &str) -> Files {
    let folder = home().join(name);
    let inside = fs::read_dir(folder.join("manifests")).expect("a case has manifests");
    let manifests = inside.map(|entry| entry.expect("the entry can be read").path());
    Files {
        folder: name.to_owned(),
        steps: text(&folder.join("steps.yaml")),
        expected: Some(text(&folder.join("expected.json"))),
        manifests: manifests
            .map(|path| (path.file_name().expect("a file has a name").to_string_lossy().into_owned(), text(&path)))
            .collect(),
    }
}

fn compared(name: &str) -> Comparison {
    let case = Case::read(&files(name)).unwrap_or_else(|errors| panic!("{errors}"));
    conformance::run(&case, 1).comparison.expect("the case says what is expected")
}

/// Every field agrees.
#[track_caller]
fn check(name: &str) {
    let comparison = compared(name);
    let told: Vec<String> = comparison
        .differences
        .iter()
        .filter(|difference| difference.known.is_none())
        .map(|difference| {
            let wanted = difference.wanted.as_ref().map(ToString::to_string);
            let got = difference.got.as_ref().map(ToString::to_string);
            format!("step {} {}: wanted {wanted:?}, got {got:?}", difference.step, difference.path.join(" > "))
        })
        .collect();
    assert!(told.is_empty(), "{name}:\n  {}", told.join("\n  "));
    assert!(comparison.equal > 20, "{name}: {} fields are equal", comparison.equal);
}

macro_rules! agree {
    ($($test:ident = $name:literal;)*) => {
        /// Those that have a test of their own below.
        const AGREEING: &[&str] = &[$($name),*];
        $(
            #[test]
            fn $test() {
                check($name);
            }
        )*
    };
}

agree! {
    a_deployment_is_made_scaled_and_deleted = "dep-basic";
    a_bad_image_stalls_and_is_undone = "dep-badimage-undo";
    history_is_kept_to_its_limit = "dep-history";
    a_paused_deployment_waits = "dep-pause";
    a_stalled_rollout_scales_in_proportion = "dep-proportional";
    recreate_ends_all_before_it_begins = "dep-recreate";
    a_rollout_surges_by_one = "ru-1-0";
    a_rollout_surges_and_lacks_three_of_ten = "ru-3of10";
    a_rollout_takes_a_quarter = "ru-default";
    a_replica_set_adopts_and_releases = "rs-adopt";
    owners_take_their_dependents_along = "gc-cascade";
    an_unschedulable_pod_gets_a_new_node = "x-unsched-node-add";
    a_pod_of_high_priority_preempts = "x-preempt";
    a_forbidden_run_starts_when_the_last_ends = "cron-forbid";
    a_daemon_set_rolls_out = "ds-rolling";
    a_job_backs_off_until_its_limit = "job-backoff";
    jobs_count_their_completions = "job-basic";
    a_job_has_a_deadline = "job-deadline";
    an_indexed_job_has_each_index_once = "job-indexed";
    a_finished_job_lives_for_its_time = "job-ttl";
    a_limit_range_defaults_and_refuses = "limitrange";
    a_namespace_takes_all_along = "ns-delete";
    a_budget_allows_so_many_evictions = "pdb-evict";
    a_quota_refuses_pods = "quota-pods";
    a_bad_image_stalls_a_stateful_set = "sts-badimage";
    a_stateful_set_goes_in_order = "sts-basic";
    a_parallel_stateful_set_updates_one_by_one = "sts-parallel";
    a_partition_holds_back_an_update = "sts-partition";
    services_have_two_families = "svc-dual";
    a_drain_waits_for_a_budget = "x-drain-pdb";
    a_daemon_set_follows_nodes = "x-ds-nodes";
    pods_of_a_lost_node_are_evicted = "x-node-lost";
    claims_are_bound_at_once = "x-pv-immediate";
}

#[test]
fn every_recording_has_its_test() {
    let inside = fs::read_dir(home()).expect("there are recordings");
    let mut names: Vec<String> =
        inside.map(|entry| entry.expect("the entry can be read").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let mut tested: Vec<&str> = AGREEING.to_vec();
    tested.sort_unstable();
    assert_eq!(names, tested);
}

#[track_caller]
fn check_refused(steps: &str, expected: &str) {
    let files = Files { folder: "case".to_owned(), steps: steps.to_owned(), ..Files::default() };
    let errors = Case::read(&files).expect_err("the case is wrong").to_string();
    assert!(errors.contains(expected), "{errors}");
}

#[test]
fn a_mistake_in_a_case_is_told_with_file_and_field() {
    let case = |steps: &str| format!("name: a\ncluster: shared\nnodes: []\nsteps:\n{steps}");
    check_refused("name: a\n", "case/steps.yaml:1:1: missing");
    check_refused(&case("- op: aply\n"), "case/steps.yaml:5:7: steps[0].op: no op is called \"aply\"");
    check_refused(&case("- op: apply\n  files: [a.yaml]\n"), "steps[0].files[0]: there is no manifests/a.yaml");
    check_refused(&case("- op: sleep\n  waits: 3\n"), "steps[0].waits: unknown field \"waits\" of sleep");
    check_refused(&case("- op: sleep\n  wait: -1\n"), "steps[0].wait: -1: must be from 0 to 86400 seconds");
    check_refused(&case("- op: scale\n  kind: Deployment\n  name: a\n"), "steps[0]: scale: missing field `replicas`");
    check_refused(&case("- op: pause\n  kind: Deploiment\n  name: a\n"), "steps[0].kind: no kind is called");
}
