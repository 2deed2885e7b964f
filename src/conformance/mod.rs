//! Recorded behaviour of real control planes, done again in the tank and compared field by field.
//!
//! A case is a folder: `manifests/*.yaml`, `steps.yaml` (what was done, and how long was waited after it) and
//! `expected.json` (what a real kube-apiserver, kube-controller-manager and kube-scheduler of v1.23 had come to after
//! each step). The format is that of the recording's README; what is read, done, waited for and dumped follows it.
//!
//! | file | what it is |
//! |---|---|
//! | `case` | the folder, read strictly |
//! | `tank` | the cluster of the recording, with its flags, and the clock that drives it |
//! | `kubelet`, `behaviour` | the stand-in kubelet: its nodes, its pods, what an image does |
//! | `ops`, `evictions`, `rollback` | what each op sends |
//! | `names` | generated names, uids, times and addresses as the recording writes them |
//! | `timeline` | what the watches showed in a step |
//! | `dump` | a step's end state |
//! | `compare`, `differences` | what is equal, what is different by design, what is different |
//!
//! The driver stands outside of the cluster: it handles the tank's events one by one, looks at the API server's change
//! log after each, and sends its own requests in between. So it needs no watches and no latency of its own.
//!
//! Done differently: the stand-in kubelet sees changes when they are committed, not some milliseconds later. Ops that
//! the recording's tools sent one after the other without a pause are 5 ms apart. The scheduler takes the first of
//! several best nodes, where the recording's drew one.

mod behaviour;
mod case;
mod compare;
mod differences;
mod dump;
mod evictions;
mod kubelet;
mod names;
mod ops;
mod rollback;
mod tank;
mod timeline;

use serde_json::{Value, json};

pub use case::{Case, Files};
pub use compare::{Comparison, Difference};
pub use differences::{DIFFERENCES, Known, REWORDED, Reworded};

use case::StepFile;
use tank::Tank;

/// What became of a case.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The case's name.
    pub name: String,
    /// A step each, in the format of `expected.json`.
    pub steps: Vec<Value>,
    /// How the steps compare with the recording; `None` where the folder holds none.
    pub comparison: Option<Comparison>,
}

impl Outcome {
    /// `{"name":…,"steps":[…]}`.
    pub fn to_json(&self) -> Value {
        json!({"name": self.name, "steps": self.steps})
    }
}

/// Does what a case says, under a seed of all draws, and compares.
pub fn run(case: &Case, seed: u64) -> Outcome {
    let mut tank = Tank::new(case, seed);
    let mut steps = Vec::new();
    for (number, step) in case.steps.iter().enumerate() {
        if let StepFile::WaitSecond { second, .. } = step {
            tank.wait_for_second(*second);
            continue;
        }
        tank.begin_step();
        let result = ops::carry_out(&mut tank, step);
        tank.wait(step.wait());
        steps.push(dump::step(&tank, number, step.op(), result));
    }
    let comparison = case.expected.as_ref().map(|expected| compare::compare(&case.name, expected, &steps));
    Outcome { name: case.name.clone(), steps, comparison }
}
