//! The incremental form: for each topology key the pods that attract, are repelled, repel, and what pods are worth.

use std::sync::Arc;

use super::filtering::{self, Reason};
use super::scoring;
use crate::api::Name;
use crate::scheduler::spanning::{Axis, Place, Reading, Weigh};
use crate::scheduler::{AffinityTerm, AffinityTerms, Cluster, Cycle, PodClass, Spanning, Status};

/// What the plugin needs to know for the pods of a template.
#[derive(Debug)]
pub(super) struct Form {
    filtering: Arc<filtering::Incoming>,
    /// Absent where preferences are not looked at.
    scoring: Option<Arc<scoring::Incoming>>,
    /// Keys of the incoming pod's affinity.
    attracts: Vec<Name>,
    /// Keys of its anti-affinity.
    is_repelled: Vec<Name>,
    /// Keys of the anti-affinity of others.
    repels: Vec<Name>,
    /// Keys of what is worth something.
    worth: Vec<Name>,
}

fn add<'k>(keys: &mut Vec<Name>, more: impl IntoIterator<Item = &'k Name>) {
    for key in more {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
}

impl Form {
    /// The form for a pod, with the keys that the classes of now bring.
    pub(super) fn of(cycle: &Cycle) -> Form {
        let terms = AffinityTerms::of(cycle.pod);
        let incoming = filtering::Incoming::of(cycle, &terms);
        let scoring = super::scores(cycle).then(|| Arc::new(scoring::Incoming::of(cycle, &terms)));
        let (mut attracts, mut is_repelled, mut repels, mut worth) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let key = |term: &'_ AffinityTerm| term.topology_key.clone();
        add(&mut attracts, &incoming.affinity.iter().map(key).collect::<Vec<_>>());
        add(&mut is_repelled, &incoming.anti_affinity.iter().map(key).collect::<Vec<_>>());
        add(&mut worth, &terms.preferred.iter().chain(&terms.anti_preferred).map(key).collect::<Vec<_>>());
        let classes = &cycle.cluster.classes;
        for class in classes.with_terms() {
            let class = classes.get(*class);
            add(&mut repels, incoming.repelled_by(&class.terms));
            if let Some(scoring) = &scoring {
                add(&mut worth, scoring.worth(class).iter().map(|(key, _)| key));
            }
        }
        Form { filtering: Arc::new(incoming), scoring, attracts, is_repelled, repels, worth }
    }

    fn axis(key: &Name, weigh: Weigh) -> Axis {
        Axis { key: key.clone(), eligible: None, by_node: false, with_min: false, weigh }
    }
}

impl Spanning for Form {
    fn axes(&mut self) -> Vec<Axis> {
        let mut axes = Vec::new();
        let incoming = || self.filtering.clone();
        for key in &self.attracts {
            let incoming = incoming();
            let weigh = move |_: &Cluster, class: &PodClass| i64::from(incoming.relation_to(class).attracts);
            axes.push(Form::axis(key, Box::new(weigh)));
        }
        for key in &self.is_repelled {
            let (incoming, of) = (incoming(), key.clone());
            let weigh =
                move |_: &Cluster, class: &PodClass| i64::from(incoming.relation_to(class).is_repelled.contains(&of));
            axes.push(Form::axis(key, Box::new(weigh)));
        }
        for key in &self.repels {
            let (incoming, of) = (incoming(), key.clone());
            let weigh = move |_: &Cluster, class: &PodClass| {
                i64::from(incoming.repelled_by(&class.terms).any(|key| *key == of))
            };
            axes.push(Form::axis(key, Box::new(weigh)));
        }
        for key in &self.worth {
            let Some(scoring) = self.scoring.clone() else { continue };
            let of = key.clone();
            let weigh = move |_: &Cluster, class: &PodClass| {
                let worth = scoring.worth(class);
                worth.iter().filter(|(key, _)| *key == of).map(|(_, weight)| weight).sum()
            };
            axes.push(Form::axis(key, Box::new(weigh)));
        }
        axes
    }

    fn covers(&self, _cluster: &Cluster, class: &PodClass) -> bool {
        class.terms.is_empty()
            || self.filtering.repelled_by(&class.terms).all(|key| self.repels.contains(key))
                && self
                    .scoring
                    .as_ref()
                    .is_none_or(|scoring| scoring.worth(class).iter().all(|(key, _)| self.worth.contains(key)))
    }

    fn check(&self, readings: &[Reading]) -> Option<Status> {
        let (attracts, rest) = readings.split_at(self.attracts.len());
        let (is_repelled, rest) = rest.split_at(self.is_repelled.len());
        let repels = &rest[..self.repels.len()];
        let is_first = self.filtering.meets_itself && attracts.iter().all(|reading| reading.matches == 0);
        let is_attracted = attracts.iter().all(|reading| reading.domain.is_some())
            && (is_first || attracts.iter().all(|reading| reading.sum > 0));
        if !is_attracted {
            return Some(Reason::Affinity.status());
        }
        if is_repelled.iter().any(|reading| reading.sum > 0) {
            return Some(Reason::AntiAffinity.status());
        }
        repels.iter().any(|reading| reading.sum > 0).then(|| Reason::Existing.status())
    }

    fn scores(&self) -> bool {
        self.scoring.is_some() && !self.worth.is_empty()
    }

    fn score(&self, places: &[Place], scores: &mut Vec<i64>) {
        let others = self.attracts.len() + self.is_repelled.len() + self.repels.len();
        scores
            .extend(places.iter().map(|place| place.readings[others..].iter().map(|reading| reading.sum).sum::<i64>()));
        scoring::normalize(scores);
    }
}
