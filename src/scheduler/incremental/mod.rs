//! Decisions by what has changed: the same as those of [`decide`], for a fraction of the work.
//!
//! For each template of pods (same profile, namespace, labels, controller and spec) it keeps what every node says by
//! itself, and the sums that spread and affinity need, and brings them up to date from the log of changes when the next
//! pod of the template comes. A decision then looks at groups of nodes. Where a pod, a plugin or the state of the
//! cluster has no such form (claims, nominated pods, plugins of others), the decision is made from scratch.
//!
//! It is a cache: what it holds never changes an answer, and a copy of it is empty.

mod board;
mod counter;
mod decide;
mod template;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use rustc_hash::FxHashMap;

use self::decide::Scratch;
use self::template::{Positions, Template};
use super::cards::CardAsk;
use super::{Cluster, Decision, NodeIndex, Profile, Scope, Tie, wanted_feasible};
use crate::api::{Labels, Name, Obj, Pod, Uid};

/// How many nodes all templates together may hold: some 40 bytes each.
const MAX_ENTRIES: usize = 1 << 21;
/// How many different keys are remembered.
const MAX_KEYS: usize = 1 << 13;

/// What was decided.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    /// The pod goes to a node.
    Placed {
        /// The node.
        node: NodeIndex,
        /// Where the next decision starts to look.
        next_start: usize,
    },
    /// No node can take the pod.
    Unplaced(Box<Decision>),
}

/// What the pods of a template have in common, but for their spec.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Key {
    profile: u8,
    namespace: Name,
    labels: Labels,
    controller: Option<Uid>,
    milli_cpu: i64,
    memory: i64,
    /// What it asks of cards, which no spec says.
    cards: Option<CardAsk>,
}

impl Key {
    /// Nothing where the pod asks for cards in a way that makes no sense.
    fn of(profile: u8, pod: &Obj<Pod>) -> Option<Key> {
        Some(Key {
            profile,
            namespace: pod.meta.namespace.clone(),
            labels: pod.meta.labels.clone(),
            controller: pod.meta.controller().map(|owner| owner.uid),
            milli_cpu: pod.body.spec.requests.milli_cpu,
            memory: pod.body.spec.requests.memory,
            cards: CardAsk::of(&pod.meta.annotations).ok()?,
        })
    }
}

/// The templates of late, and what is known for them.
#[derive(Debug, Default)]
pub struct Incremental {
    templates: Vec<Template>,
    /// Templates by key; empty where a key was seen once: a template is worth its work from the second pod on, where a
    /// decision looks at a sample of the nodes only.
    index: FxHashMap<Key, Vec<usize>>,
    positions: Positions,
    uses: u64,
    scratch: Scratch,
}

impl Clone for Incremental {
    fn clone(&self) -> Incremental {
        Incremental::default()
    }
}

impl Incremental {
    /// Decides about a pod, and chooses among the best nodes; `draw` gives a number below its argument. The order of
    /// nodes must be up to date ([`super::Nodes::refresh`]). `number` is that of the profile.
    pub fn decide(
        &mut self,
        cluster: &Cluster,
        (number, profile): (u8, &Profile),
        pod: &Arc<Obj<Pod>>,
        scope: Scope,
        (tie, draw): (Tie, impl FnOnce(u64) -> u64),
    ) -> Outcome {
        let is_plain = cluster.nominated.is_empty() && pod.body.status.nominated_node_name.is_empty();
        if is_plain
            && !cluster.nodes.is_empty()
            && let Some(template) = self.template(cluster, (number, profile), pod, scope)
        {
            let template = &self.templates[template];
            return template.decide(cluster, profile, pod, scope, (tie, draw), &mut self.scratch);
        }
        let decision = super::decide(cluster, profile, pod, scope);
        match decision.choose(cluster, tie, draw) {
            Some(node) => Outcome::Placed { node, next_start: decision.next_start },
            None => Outcome::Unplaced(Box::new(decision)),
        }
    }

    /// The template of a pod, up to date.
    fn template(
        &mut self,
        cluster: &Cluster,
        (number, profile): (u8, &Profile),
        pod: &Arc<Obj<Pod>>,
        scope: Scope,
    ) -> Option<usize> {
        self.positions.follow(cluster);
        self.uses += 1;
        let key = Key::of(number, pod)?;
        let is_new = !self.index.contains_key(&key);
        if is_new && self.index.len() >= MAX_KEYS {
            self.index.clear();
            self.templates.clear();
        }
        let known = self.index.entry(key.clone()).or_default();
        // A decision that looks at all nodes anyway is no cheaper.
        let looks_at_all = match scope {
            Scope::Everything => true,
            Scope::Sampled { percentage, .. } => {
                let nodes = cluster.nodes.len();
                let percentage = profile.percentage_of_nodes_to_score.unwrap_or(percentage);
                wanted_feasible(nodes, percentage) == nodes
            }
        };
        if is_new && !looks_at_all {
            return None;
        }
        let spec = &pod.body.spec;
        let same = |at: &&usize| Arc::ptr_eq(&self.templates[**at].pod.body.spec, spec);
        let equal = |at: &&usize| self.templates[**at].pod.body.spec == *spec;
        let found = known.iter().find(same).or_else(|| known.iter().find(equal)).copied();
        if let Some(at) = found {
            let template = &mut self.templates[at];
            template.used = self.uses;
            if template.follow(cluster, &self.positions) {
                return Some(at);
            }
            let mut anew = Template::new(cluster, &mut self.positions, (number, profile), pod)?;
            anew.used = self.uses;
            self.templates[at] = anew;
            return Some(at);
        }
        let mut template = Template::new(cluster, &mut self.positions, (number, profile), pod)?;
        template.used = self.uses;
        self.make_room(cluster.nodes.len());
        self.templates.push(template);
        self.index.entry(key).or_default().push(self.templates.len() - 1);
        Some(self.templates.len() - 1)
    }

    /// Drops the older half of the templates where there are too many.
    fn make_room(&mut self, nodes: usize) {
        if (self.templates.len() + 1) * nodes <= MAX_ENTRIES || self.templates.len() < 2 {
            return;
        }
        let mut uses: Vec<u64> = self.templates.iter().map(|template| template.used).collect();
        uses.sort_unstable();
        let oldest = uses[uses.len() / 2];
        self.templates.retain(|template| template.used >= oldest);
        self.index.clear();
        for (at, template) in self.templates.iter().enumerate() {
            if let Some(key) = Key::of(template.profile, &template.pod) {
                self.index.entry(key).or_default().push(at);
            }
        }
    }
}
