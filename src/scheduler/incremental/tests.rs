//! What must always hold: whatever has happened to a cluster, an incremental decision is the one from scratch, and no
//! placement breaks a law.

mod cards;
mod laws;

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::api::{Kind, Labels, Node, ObjectId, PodSpec, PodStatus, Timestamp};
use crate::scheduler::testing::{node, object};
use crate::scheduler::{Decision, Nominator, decide};

/// What happens to the cluster.
#[derive(Clone, Debug)]
enum Step {
    /// A node is set to one of the shapes.
    Node { number: u8, shape: u8 },
    /// A node goes.
    NodeGone { number: u8 },
    /// A pod of a template comes and is placed, if it can be.
    Pod { template: u8, sampled: Option<(u8, u8)>, first: bool, draw: u64 },
    /// One of the pods goes.
    PodGone { which: u16 },
    /// One of the pods begins to terminate.
    PodTerminates { which: u16 },
    /// A Service comes, which spreads the pods of templates without constraints, or goes.
    Service { exists: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let sampled = prop::option::of((0u8..130, 0u8..101));
    prop_oneof![
        3 => (0u8..130, 0u8..9).prop_map(|(number, shape)| Step::Node { number, shape }),
        1 => (0u8..130).prop_map(|number| Step::NodeGone { number }),
        20 => (0u8..TEMPLATES.len() as u8, sampled, any::<bool>(), any::<u64>())
            .prop_map(|(template, sampled, first, draw)| Step::Pod { template, sampled, first, draw }),
        4 => any::<u16>().prop_map(|which| Step::PodGone { which }),
        1 => any::<u16>().prop_map(|which| Step::PodTerminates { which }),
        1 => any::<bool>().prop_map(|exists| Step::Service { exists }),
    ]
}

fn shape_of(number: u8, shape: u8) -> Arc<crate::api::Obj<Node>> {
    let zone = match shape {
        7 => String::new(),
        _ => format!("topology.kubernetes.io/zone: z{}, ", number % 3),
    };
    let labels = format!("{{{zone}kubernetes.io/hostname: n{number}, disk: d{}}}", number % 2);
    let spec = match shape {
        1 => "{unschedulable: true}",
        2 => "{taints: [{key: a, value: b, effect: NoSchedule}]}",
        3 => "{taints: [{key: a, effect: PreferNoSchedule}]}",
        4 => "{taints: [{key: a, effect: PreferNoSchedule}, {key: c, effect: PreferNoSchedule}]}",
        _ => "{}",
    };
    let (cpu, pods) = if shape == 5 { (2, 3) } else { (4, 12) };
    let images = if shape == 6 { "images: [{names: ['web:1'], sizeBytes: 900000000}], " } else { "" };
    let status =
        format!("{{{images}allocatable: {{cpu: '{cpu}', memory: 4Gi, pods: '{pods}', example.com/gpu: '1'}}}}");
    node(&format!("n{number}"), &format!("{{metadata: {{labels: {labels}}}, spec: {spec}, status: {status}}}"))
}

/// Labels and spec.
const TEMPLATES: &[(&str, &str)] = &[
    ("a", "{containers: [{name: c, image: 'web:1', resources: {requests: {cpu: 300m, memory: 128Mi}}}]}"),
    ("b", "{containers: [{name: c, image: 'db:1', resources: {requests: {cpu: '1', memory: 2Gi}}}]}"),
    ("c", "{containers: [{name: c}], tolerations: [{key: a, operator: Exists}]}"),
    (
        "d",
        "{containers: [{name: c, ports: [{containerPort: 80, hostPort: 80}], resources: {requests: {example.com/gpu: '1'}}}]}",
    ),
    (
        "e",
        "{containers: [{name: c, resources: {requests: {cpu: 100m}}}], affinity: {nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: disk, operator: In, values: [d1]}]}]},
          preferredDuringSchedulingIgnoredDuringExecution: [
            {weight: 3, preference: {matchExpressions: [{key: topology.kubernetes.io/zone, operator: In, values: [z0]}]}},
            {weight: 2, preference: {matchExpressions: [{key: topology.kubernetes.io/zone, operator: NotIn, values: [z2]}]}}]}}}",
    ),
    ("f", "{nodeSelector: {disk: d0}, containers: [{name: c, resources: {requests: {cpu: 200m}}}]}"),
    (
        "g",
        "{containers: [{name: c}], affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [
          {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: g}}},
          {topologyKey: disk, labelSelector: {matchExpressions: [{key: app, operator: In, values: [d, h]}]}}]}}}",
    ),
    (
        "h",
        "{containers: [{name: c}], affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [
          {topologyKey: topology.kubernetes.io/zone, labelSelector: {matchLabels: {app: h}}},
          {topologyKey: disk, labelSelector: {matchLabels: {app: h}}}]}}}",
    ),
    (
        "i",
        "{containers: [{name: c}], affinity: {
          podAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: [
              {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: a}}}],
            preferredDuringSchedulingIgnoredDuringExecution: [
              {weight: 7, podAffinityTerm: {topologyKey: topology.kubernetes.io/zone, labelSelector: {matchLabels: {app: b}}}}]},
          podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [
            {weight: 5, podAffinityTerm: {topologyKey: kubernetes.io/hostname, labelSelector: {}}},
            {weight: 7, podAffinityTerm: {topologyKey: topology.kubernetes.io/zone, labelSelector: {matchLabels: {app: b}}}}]}}}",
    ),
    (
        "j",
        "{containers: [{name: c}], affinity: {
          podAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [
            {weight: 3, podAffinityTerm: {topologyKey: disk, labelSelector: {matchLabels: {app: c}}}}]},
          podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [
            {topologyKey: topology.kubernetes.io/zone, labelSelector: {matchExpressions: [{key: app, operator: In, values: [e, j]}]}}]}}}",
    ),
    (
        "k",
        "{containers: [{name: c}], topologySpreadConstraints: [
          {maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: k}}}]}",
    ),
    (
        "k",
        "{containers: [{name: c}], tolerations: [{key: c, operator: Exists}], topologySpreadConstraints: [
          {maxSkew: 2, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, nodeTaintsPolicy: Honor,
           labelSelector: {matchExpressions: [{key: app, operator: In, values: [a, k]}]}},
          {maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: k}}}]}",
    ),
    (
        "l",
        "{nodeSelector: {disk: d1}, containers: [{name: c, resources: {requests: {cpu: 100m}}}], topologySpreadConstraints: [
          {maxSkew: 3, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: l}}},
          {maxSkew: 1, topologyKey: disk, whenUnsatisfiable: DoNotSchedule, minDomains: 2, labelSelector: {matchLabels: {app: l}}},
          {maxSkew: 1, topologyKey: disk, whenUnsatisfiable: ScheduleAnyway, nodeAffinityPolicy: Ignore, labelSelector: {matchLabels: {app: a}}}]}",
    ),
    ("m", "{priority: 5, containers: [{name: c, resources: {requests: {cpu: '2'}}}]}"),
    (
        "n",
        "{priority: 9, containers: [{name: c, ports: [{containerPort: 80, hostPort: 80}], resources: {requests: {cpu: '3'}}}],
          topologySpreadConstraints: [
            {maxSkew: 2, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchExpressions: [{key: app, operator: In, values: [a, m, n]}]}}],
          affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [
            {topologyKey: kubernetes.io/hostname, labelSelector: {matchExpressions: [{key: app, operator: In, values: [a, g]}]}}]}}}",
    ),
    ("o", "{containers: [{name: c}], volumes: [{name: v, rbd: {monitors: [x], image: i}}]}"),
    ("p", "{containers: [{name: c}], volumes: [{name: v, persistentVolumeClaim: {claimName: one}}]}"),
    ("q", "{containers: [{name: c}], volumes: [{name: v, persistentVolumeClaim: {claimName: missing}}]}"),
];

/// What claims of the templates need.
const STORAGE: [&str; 2] = [
    "{kind: StorageClass, metadata: {name: wait}, provisioner: d, volumeBindingMode: WaitForFirstConsumer}",
    "{kind: PersistentVolumeClaim, metadata: {name: one, namespace: default}, spec: {storageClassName: wait, accessModes: [ReadWriteOncePod]}}",
];

/// A cluster that is decided about both ways.
struct Both {
    cluster: Cluster,
    incremental: Incremental,
    profile: Profile,
    specs: Vec<Arc<PodSpec>>,
    pods: Vec<Arc<Obj<Pod>>>,
    slots: u32,
}

impl Both {
    fn new() -> Both {
        let spec = |text: &str| PodSpec::new(serde_saphyr::from_str(text).expect("the test's pod can be read"));
        let mut cluster = Cluster::default();
        STORAGE.iter().for_each(|text| cluster.apply(&object(text)));
        Both {
            cluster,
            incremental: Incremental::default(),
            profile: Profile::upstream(),
            specs: TEMPLATES.iter().map(|(_, text)| spec(text)).collect(),
            pods: Vec::new(),
            slots: 0,
        }
    }

    fn pod(&mut self, template: u8) -> Arc<Obj<Pod>> {
        self.slots += 1;
        let mut meta = crate::api::Meta::new(Kind::Pod, "default", format!("p{}", self.slots));
        meta.id = ObjectId { kind: Kind::Pod, slot: self.slots };
        meta.uid = Uid(u128::from(self.slots));
        meta.labels = Labels::default().with("app", TEMPLATES[usize::from(template)].0);
        let spec = self.specs[usize::from(template)].clone();
        Arc::new(Obj { meta, body: Pod { spec, node_name: Name::new(), status: PodStatus::default() } })
    }

    fn bound(&self, which: u16) -> Option<usize> {
        (!self.pods.is_empty()).then(|| usize::from(which) % self.pods.len())
    }

    /// Does a step, and says how the two decisions differ.
    fn step(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::Node { number, shape } => {
                self.cluster.nodes.set(&shape_of(number, shape));
            }
            Step::NodeGone { number } => self.cluster.nodes.remove(&format!("n{number}")),
            Step::PodGone { which } => {
                if let Some(at) = self.bound(which) {
                    let pod = self.pods.swap_remove(at);
                    self.cluster.remove_pod(pod.meta.id.slot);
                }
            }
            Step::PodTerminates { which } => {
                if let Some(at) = self.bound(which) {
                    let mut pod = Obj::clone(&self.pods[at]);
                    pod.meta.deletion = Some(crate::api::Deletion { timestamp: Timestamp(0), grace_seconds: Some(30) });
                    self.pods[at] = Arc::new(pod);
                    self.cluster.set_pod(&self.pods[at]);
                }
            }
            Step::Service { exists } => {
                let service = object(
                    "{apiVersion: v1, kind: Service, metadata: {name: s, namespace: default}, spec: {selector: {app: a}}}",
                );
                if exists { self.cluster.apply(&service) } else { self.cluster.forget(&service) }
            }
            Step::Pod { template, sampled, first, draw } => {
                if draw % 3 == 0 {
                    self.cluster.nominated = Nominator::default();
                }
                let pod = self.pod(template);
                let scope = match sampled {
                    None => Scope::Everything,
                    Some((start, percentage)) => Scope::Sampled {
                        start: usize::from(start),
                        percentage: i64::from(percentage),
                        luck: (!first).then_some(draw),
                    },
                };
                let tie = if first { Tie::First } else { Tie::Draw };
                return self.place(&pod, scope, tie, draw);
            }
        }
        Ok(())
    }

    fn place(&mut self, pod: &Arc<Obj<Pod>>, scope: Scope, tie: Tie, draw: u64) -> Result<(), String> {
        self.cluster.nodes.refresh();
        let expected: Decision = decide(&self.cluster, &self.profile, pod, scope);
        let profile = (0, &self.profile);
        let outcome = self.incremental.decide(&self.cluster, profile, pod, scope, (tie, |among| draw % among));
        let node = expected.choose(&self.cluster, tie, |among| draw % among);
        match (node, outcome) {
            (Some(node), Outcome::Placed { node: chosen, next_start }) => {
                if node != chosen || next_start != expected.next_start {
                    let names = (self.cluster.nodes.name(node), self.cluster.nodes.name(chosen));
                    let starts = (expected.next_start, next_start);
                    return Err(format!("{:?} {scope:?}: {names:?} {starts:?} {expected:?}", pod.meta.labels));
                }
                if let Some(what) = laws::broken(&self.cluster, pod, node) {
                    return Err(format!("{:?} {scope:?}: {what}", pod.meta.labels));
                }
                self.bind(pod, node);
                Ok(())
            }
            (None, Outcome::Unplaced(decision)) if *decision == expected => self.preempt(pod, &decision, draw),
            (_, outcome) => Err(format!("{:?} {scope:?}: {expected:?} is not {outcome:?}", pod.meta.labels)),
        }
    }

    fn bind(&mut self, pod: &Arc<Obj<Pod>>, node: NodeIndex) {
        let mut bound = Obj::clone(pod);
        bound.body.node_name = self.cluster.nodes.name(node).clone();
        let bound = Arc::new(bound);
        self.cluster.set_pod(&bound);
        self.pods.push(bound);
    }

    /// Lets the pod wait for its node now and then; mostly its victims go at once, and it must fit there. With pods that
    /// terminate it need not: upstream's spread constraints count those out twice when they go in thought.
    fn preempt(&mut self, pod: &Arc<Obj<Pod>>, decision: &Decision, draw: u64) -> Result<(), String> {
        let Some(nomination) = decision.nomination() else { return Ok(()) };
        if draw.is_multiple_of(7) {
            let node = self.cluster.nodes.name(nomination.node).clone();
            self.cluster.nominate(pod, &node);
            return Ok(());
        }
        let victims_terminate = nomination.victims.iter().any(|victim| victim.meta.is_terminating());
        for victim in &nomination.victims {
            self.pods.retain(|other| other.meta.uid != victim.meta.uid);
            self.cluster.remove_pod(victim.meta.id.slot);
        }
        let again = decide(&self.cluster, &self.profile, pod, Scope::Everything);
        if !again.feasible.contains(&nomination.node) {
            if self.cluster.pods.iter().any(|entry| entry.pod.meta.is_terminating()) || victims_terminate {
                return Ok(());
            }
            return Err(format!(
                "{:?} does not fit once its victims are gone: {nomination:?} {again:?}",
                pod.meta.labels
            ));
        }
        self.bind(pod, nomination.node);
        Ok(())
    }
}

proptest! {
    #[test]
    fn an_incremental_decision_is_the_one_from_scratch_and_breaks_no_law(
        nodes in 0u8..130,
        steps in prop::collection::vec(step(), 1..250),
    ) {
        let mut both = Both::new();
        for number in 0..nodes {
            both.cluster.nodes.set(&shape_of(number, number % 11));
        }
        for (number, step) in steps.iter().enumerate() {
            let done = both.step(step);
            prop_assert!(done.is_ok(), "step {number}, {step:?}: {}", done.unwrap_err());
        }
    }
}
