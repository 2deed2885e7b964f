//! A workload as it is run: plain values, nothing of it to be looked up any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::file::{ChurnMode, Stage};
use crate::api::located::InputError;
use crate::api::{Labels, Name, Obj, Object, Pod};
use crate::kernel::Span;
use crate::scheduler::SchedulerSettings;

/// A test case at one of its sizes.
#[derive(Clone, Debug)]
pub struct Workload {
    /// The name of the test case.
    pub test_case: String,
    /// The name of the size.
    pub name: String,
    /// The labels of both, by which workloads are chosen.
    pub labels: Vec<String>,
    /// Scheduled pods a second below which upstream calls its own run failed.
    pub threshold: Option<f64>,
    /// Why it cannot be run as it asks.
    pub refused: Option<InputError>,
    /// How the scheduler works.
    pub settings: SchedulerSettings,
    /// What is done, one after the other.
    pub steps: Vec<Step>,
}

impl Workload {
    /// `testCase/workload`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.test_case, self.name)
    }

    /// How many nodes it creates, those that churn left aside.
    pub fn nodes(&self) -> usize {
        let nodes = |step: &Step| match step {
            Step::Create(objects) => objects.iter().filter(|object| matches!(object, Object::Node(_))).count(),
            Step::CreatePods { .. }
            | Step::DeletePods { .. }
            | Step::Churn(_)
            | Step::Wait(_)
            | Step::Begin(_)
            | Step::End => 0,
        };
        self.steps.iter().map(nodes).sum()
    }
}

/// One thing that is done.
#[derive(Clone, Debug)]
pub enum Step {
    /// Objects are created, and waited for until the server has them and the scheduler had time to see them.
    Create(Vec<Object>),
    /// Pods are created.
    CreatePods {
        /// What each is like; the server gives the name.
        template: Arc<Obj<Pod>>,
        /// How many.
        count: u32,
    },
    /// The pods that are there are deleted.
    DeletePods {
        /// Which.
        pods: Pods,
        /// How long after one the next; nothing: all at once.
        interval: Option<Span>,
        /// Whether what follows waits until the last deletion was sent.
        waits: bool,
    },
    /// From now on objects come and go, up to the end.
    Churn(Churn),
    /// What follows waits.
    Wait(Wait),
    /// From now on it is measured how many pods of these are scheduled.
    Begin(Vec<Pods>),
    /// The measurement is over.
    End,
}

/// Pods of a namespace.
#[derive(Clone, PartialEq, Debug)]
pub struct Pods {
    /// The namespace.
    pub namespace: Name,
    /// The labels that they have among theirs.
    pub labels: Labels,
}

impl Pods {
    /// Whether a pod is one of them.
    pub fn contain(&self, pod: &Obj<Pod>) -> bool {
        let has = |(key, value): (&Name, &Name)| pod.meta.labels.get(key) == Some(value);
        pod.meta.namespace == self.namespace && self.labels.iter().all(has)
    }
}

/// What is waited for.
#[derive(Clone, Debug)]
pub enum Wait {
    /// An amount of simulated time.
    For(Span),
    /// So many pods of each namespace have come so far.
    Pods {
        /// How far.
        stage: Stage,
        /// The labels that they have among theirs.
        labels: Labels,
        /// How many of each namespace, pods of earlier steps among them.
        wanted: BTreeMap<Name, u64>,
    },
}

/// Objects that come and go.
#[derive(Clone, Debug)]
pub struct Churn {
    /// Whether what was created is deleted again.
    pub mode: ChurnMode,
    /// For how many ticks objects are created; zero: for all, where none is deleted.
    pub number: u32,
    /// From one tick to the next.
    pub interval: Span,
    /// What is created at each tick, one of each; the name is filled in.
    pub templates: Vec<Object>,
}
