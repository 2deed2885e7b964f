//! A study: workloads, conditions, policies and seeds, and every run that they make.

use std::sync::Arc;

use super::{Conditions, KubeScheduler, Outcome, Placer, Plan, Run, Scored};
use crate::explore::Seeds;
use crate::scheduler::Profile;
use crate::scheduler::policies::Policy;
use crate::trace::synthetic::{SyntheticFile, generate};
use crate::trace::{Machine, Trace};

/// A study.
pub struct Study<'a> {
    /// The workloads.
    pub workloads: Vec<Workload>,
    /// How runs go.
    pub conditions: Vec<Conditions>,
    /// Who places.
    pub policies: Vec<Contender<'a>>,
    /// The seeds of each.
    pub seeds: Seeds,
    /// When nodes are looked at one by one: after so many percent have arrived.
    pub moment: f64,
}

/// Machines and what comes to them.
#[derive(Clone, Debug)]
pub struct Workload {
    /// What results call it.
    pub name: String,
    /// Where it comes from.
    pub source: Source,
}

/// Where a workload comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// It is the same for all seeds.
    Recorded(Arc<Trace>),
    /// It is made anew for each seed, with sizes of a trace where the file says so. Machines of its own go before these.
    Made(Arc<SyntheticFile>, Option<Arc<Trace>>, Arc<[Machine]>),
}

/// Who places.
#[derive(Clone)]
pub enum Contender<'a> {
    /// A policy.
    Policy(&'a dyn Policy),
    /// kube-scheduler's own code, under a name, with a profile.
    KubeScheduler(String, Arc<Profile>),
}

/// A run of a study.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Case {
    /// The number of the workload.
    pub workload: usize,
    /// The number of the conditions.
    pub conditions: usize,
    /// The number of the policy.
    pub policy: usize,
    /// The seed.
    pub seed: u64,
}

impl Contender<'_> {
    /// What results call it.
    pub fn name(&self) -> &str {
        match self {
            Contender::Policy(policy) => policy.name(),
            Contender::KubeScheduler(name, _) => name,
        }
    }

    fn placer<'a>(&'a self, plan: &Plan) -> Box<dyn Placer + 'a> {
        match self {
            Contender::Policy(policy) => Box::new(Scored::new(*policy, plan)),
            Contender::KubeScheduler(_, profile) => Box::new(KubeScheduler::new(Profile::clone(profile), plan)),
        }
    }
}

impl Source {
    /// Whether there are cards on its machines.
    pub fn has_cards(&self) -> bool {
        let has_cards = |machines: &[Machine]| machines.iter().any(|machine| machine.cards > 0);
        match self {
            Source::Recorded(trace) => has_cards(&trace.machines),
            Source::Made(file, _, machines) if file.machines.is_empty() => has_cards(machines),
            Source::Made(file, ..) => file.machines.iter().any(|pool| pool.gpus > 0),
        }
    }

    /// The trace for a seed.
    pub fn trace(&self, seed: u64) -> Arc<Trace> {
        match self {
            Source::Recorded(trace) => trace.clone(),
            Source::Made(file, observed, machines) => {
                let mut trace = generate(file, observed.as_deref(), seed);
                if trace.machines.is_empty() {
                    trace.machines = machines.to_vec();
                }
                Arc::new(trace)
            }
        }
    }
}

impl Study<'_> {
    /// All runs: by workload, conditions, policy, and seed, the last fastest.
    pub fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for workload in 0..self.workloads.len() {
            for conditions in 0..self.conditions.len() {
                for policy in 0..self.policies.len() {
                    let case = |seed| Case { workload, conditions, policy, seed };
                    cases.extend((self.seeds.first..=self.seeds.last).map(case));
                }
            }
        }
        cases
    }

    /// How many pods the policy takes at once that takes most.
    pub(super) fn largest_batch(&self) -> usize {
        let batch = |contender: &Contender<'_>| match contender {
            Contender::Policy(policy) => policy.batch(),
            Contender::KubeScheduler(..) => 1,
        };
        self.policies.iter().map(batch).max().unwrap_or(1)
    }

    /// The plan of a case: the same for all policies.
    ///
    /// # Errors
    /// What no study can be made of.
    pub fn plan(&self, case: Case) -> Result<Plan, String> {
        let trace = self.workloads[case.workload].source.trace(case.seed);
        Plan::new(&trace, self.conditions[case.conditions].arrivals, case.seed)
    }

    /// Does a run.
    ///
    /// # Errors
    /// What no study can be made of.
    pub fn run(&self, case: Case) -> Result<Outcome, String> {
        let plan = self.plan(case)?;
        let placer = self.policies[case.policy].placer(&plan);
        Ok(Run::new(&plan, self.conditions[case.conditions], placer, self.moment).finish())
    }
}
