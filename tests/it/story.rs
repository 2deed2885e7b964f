//! What stories share: clusters from a few lines, actions as a user takes them, and what the cluster shows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use wavetank::api::{Kind, Name, Object, Pod, convert};
use wavetank::kernel::{Span, Time};
use wavetank::scenario::{Found, RunResult, Scenario, load, run};
use wavetank::sim::{Action, Resource, Sim};

/// Reads files as the command line does.
pub(crate) fn read(path: &Path) -> Result<Found, String> {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(|error| error.to_string())?;
        return Ok(Found::Folder(entries.map(|entry| entry.expect("an entry").path()).collect()));
    }
    std::fs::read_to_string(path).map(Found::File).map_err(|error| error.to_string())
}

/// The project's own folder.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The manifests of other projects, which are not part of this one.
pub(crate) fn shared() -> PathBuf {
    let shared = std::env::var_os("WAVETANK_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    assert!(shared.is_dir(), "{} is missing: set WAVETANK_SHARED to the folder with manifests/", shared.display());
    shared
}

/// Loads files with replacements.
pub(crate) fn load_files(files: &[PathBuf], sets: &[&str]) -> Scenario {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    load(files, &sets, &read).unwrap_or_else(|errors| panic!("{errors}"))
}

/// A scenario of `scenarios/`, small enough for a test.
pub(crate) fn shipped(name: &str) -> Scenario {
    let sets: &[&str] = match name {
        "scale-5k" => &["nodes.0.count=100", "manifests.0.repeat.count=1"],
        "faulty-day" => &["nodes.0.count=30", "manifests.0.repeat.count=2", "expect.1.eventually.count.atLeast=200"],
        _ => &[],
    };
    load_files(&[root().join("scenarios").join(format!("{name}.yaml"))], sets)
}

/// Runs a scenario under its own seed, its journal kept. Fails where an invariant does not hold.
#[track_caller]
pub(crate) fn run_kept(scenario: &Scenario, seed: u64) -> RunResult {
    let mut scenario = scenario.clone();
    scenario.setup.keep_journal = true;
    let result = run(&scenario, seed, &mut |_| {});
    assert_eq!(result.sim.violations(), [], "{}", scenario.name);
    result
}

/// A cluster that a story is told about.
pub(crate) struct Story {
    /// The simulation.
    pub(crate) sim: Sim,
}

impl Story {
    /// A cluster of so many nodes with 4 CPUs and 16Gi each, and behaviours as a scenario writes them.
    pub(crate) fn of_nodes(count: u32, behaviours: &str) -> Story {
        let pool = format!("- {{name: node, count: {count}, capacity: {{cpu: 4, memory: 16Gi, pods: 110}}}}");
        Story::of_pools(&pool, behaviours)
    }

    /// A cluster of these node pools, and more sections as a scenario writes them.
    pub(crate) fn of_pools(pools: &str, sections: &str) -> Story {
        let text = format!(
            "apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {{name: story}}\nnodes:\n{pools}\n{sections}\n"
        );
        let read = |_: &Path| Ok(Found::File(text.clone()));
        let mut scenario = load(&[PathBuf::from("story.yaml")], &[], &read).unwrap_or_else(|errors| panic!("{errors}"));
        scenario.setup.keep_journal = true;
        Story { sim: scenario.setup.build(7) }
    }

    /// `kubectl apply` of YAML documents.
    pub(crate) fn apply(&mut self, yaml: &str) {
        let manifests =
            wavetank::api::manifest::read_manifests("story.yaml", yaml).unwrap_or_else(|errors| panic!("{errors}"));
        let documents: Vec<(Kind, Value)> = manifests
            .into_iter()
            .map(|manifest| (manifest.kind.expect("stories use built-in kinds"), manifest.json))
            .collect();
        self.act(Action::Apply(documents.into()));
    }

    /// Any action, now.
    pub(crate) fn act(&mut self, action: Action) {
        self.sim.act(action);
    }

    /// Runs on for so many seconds.
    pub(crate) fn run_for(&mut self, seconds: u64) {
        self.sim.run_for(Span::from_secs(seconds));
    }

    /// Runs until nothing is going to happen any more; an hour at most.
    #[track_caller]
    pub(crate) fn run_until_quiet(&mut self) {
        let until = self.sim.now() + Span::from_hours(1);
        assert!(self.sim.run_until_quiet(until), "still busy after an hour");
    }

    /// What kubectl printed so far, errors included.
    pub(crate) fn printed(&self) -> String {
        self.sim.parts().user.printed().iter().map(|line| format!("{}\n", line.text)).collect()
    }

    /// An object as `kubectl get -o json` shows it.
    pub(crate) fn get(&self, kind: Kind, name: &str) -> Option<Value> {
        let namespace = if kind.info().is_some_and(|info| info.namespaced) { "default" } else { "" };
        self.sim.store().by_name(kind, namespace, name).map(convert::to_json)
    }

    /// The pods of all namespaces.
    pub(crate) fn pods(&self) -> Vec<Arc<wavetank::api::Obj<Pod>>> {
        let pods = self.sim.store().objects(Kind::Pod, self.sim.now());
        pods.filter_map(|object| if let Object::Pod(pod) = object { Some(pod) } else { None }).collect()
    }

    /// The pods with this label `app`.
    pub(crate) fn pods_of(&self, app: &str) -> Vec<Arc<wavetank::api::Obj<Pod>>> {
        let mut pods = self.pods();
        pods.retain(|pod| pod.meta.labels.get("app").is_some_and(|label| label == app));
        pods
    }

    /// Fails unless so many pods with this label `app` are ready.
    #[track_caller]
    pub(crate) fn expect_ready(&self, app: &str, count: usize) {
        let ready = self.pods_of(app).iter().filter(|pod| pod.body.is_ready()).count();
        assert_eq!(ready, count, "ready pods of {app} at {}; kubectl said:\n{}", self.sim.now(), self.printed());
    }

    /// Fails unless this is what a Deployment's condition says: its status and reason.
    #[track_caller]
    pub(crate) fn expect_condition(&self, deployment: &str, condition: &str, status: &str, reason: &str) {
        let object = self.get(Kind::Deployment, deployment).expect("the Deployment is there");
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let found = conditions.iter().find(|found| found["type"] == condition);
        let found = found.map(|found| (found["status"].as_str(), found["reason"].as_str()));
        assert_eq!(found, Some((Some(status), Some(reason))), "{condition} at {}: {conditions:?}", self.sim.now());
    }

    /// When kubectl said this, and nothing where it did not.
    pub(crate) fn said_at(&self, text: &str) -> Option<Time> {
        self.sim.parts().user.printed().iter().find(|line| line.text == text).map(|line| line.at)
    }

    /// The messages of Events of a reason.
    pub(crate) fn events(&self, reason: &str) -> Vec<String> {
        let events = self.sim.store().objects(Kind::Event, self.sim.now());
        events
            .filter_map(|object| match object {
                Object::Event(event) if event.body.reason == reason => Some(event.body.message.to_string()),
                _ => None,
            })
            .collect()
    }

    /// The instant that the simulation has reached.
    pub(crate) fn now(&self) -> Time {
        self.sim.now()
    }
}

/// An object of the namespace `default`, or a cluster-scoped one.
pub(crate) fn resource(kind: Kind, name: &str) -> Resource {
    let namespace = if kind.info().is_some_and(|info| info.namespaced) { "default" } else { "" };
    Resource { kind, namespace: Name::from(namespace), name: name.into() }
}

/// A Deployment called `web` with so many replicas of an image.
pub(crate) fn web(replicas: u32, image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  replicas: {replicas}\n  selector: \
         {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: {{app: web}}}}\n    spec:\n      containers:\n\
         \x20     - {{name: c, image: '{image}', resources: {{requests: {{cpu: 500m, memory: 256Mi}}}}}}\n"
    )
}
