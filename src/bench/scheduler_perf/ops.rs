//! Works out what the ops of a test case do at one of its sizes.
//!
//! Where upstream waits until a namespace has as many scheduled pods as an op created, pods of earlier ops count: two
//! ops into one namespace would not wait for the second. Here they are waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as WireQuantity;
use serde_json::json;

use super::file::{
    AllocatableFile, BarrierFile, ChurnFile, ChurnMode, CreateAnyFile, CreateNamespacesFile, CreateNodesFile,
    CreatePodSetsFile, CreatePodsFile, DeletePodsFile, SleepFile, Stage, StartFile, StopFile, TestCaseFile,
};
use super::params::Params;
use super::plan::{Churn, Pods, Step, Wait};
use super::read::QPS;
use super::template::{Copy, Templates};
use crate::api::located::{InputError, InputErrors, Place};
use crate::api::{Kind, Labels, Name, Node, Obj, Object, Pod, Quantity, convert};
use crate::kernel::Span;

/// The opcodes that are run here.
const RUN: [&str; 11] = [
    "barrier",
    "churn",
    "createAny",
    "createNamespaces",
    "createNodes",
    "createPodSets",
    "createPods",
    "deletePods",
    "sleep",
    "startCollectingMetrics",
    "stopCollectingMetrics",
];
/// Upstream's others.
const NOT_RUN: [&str; 4] = ["allocResourceClaims", "createResourceClaims", "createResourceDriver", "updateAny"];
/// Upstream's interval of a churn that names none.
const CHURN_INTERVAL: Span = Span::from_millis(500);

/// What the ops so far come to.
pub(super) struct Program<'a> {
    pub(super) steps: Vec<Step>,
    pub(super) templates: Templates<'a>,
    /// The namespaces that are there.
    namespaces: BTreeSet<Name>,
    /// How many pods were to be scheduled in each namespace.
    pods: BTreeMap<Name, u64>,
    /// Namespaces with pods that nothing waits for yet.
    unawaited: BTreeSet<Name>,
    nodes: u32,
    is_collecting: bool,
    has_collected: bool,
}

impl<'a> Program<'a> {
    /// The ops of a test case at one of its sizes.
    pub(super) fn lower(
        file: &TestCaseFile,
        place: &Place<'_>,
        templates: Templates<'a>,
        params: &mut Params<'_>,
    ) -> Result<Program<'a>, InputErrors> {
        let mut program = Program {
            steps: Vec::new(),
            templates,
            namespaces: BTreeSet::from(["default".into()]),
            pods: BTreeMap::new(),
            unawaited: BTreeSet::new(),
            nodes: 0,
            is_collecting: false,
            has_collected: false,
        };
        let mut errors = Vec::new();
        let here = place.key("workloadTemplate");
        for index in 0..file.workload_template.len() {
            let op = Op { place: here.index(index), index, case: place };
            if let Err(more) = program.op(&op, file, params) {
                errors.extend(more.0);
            }
        }
        if errors.is_empty() && program.is_collecting {
            errors.push(here.error("it starts to collect metrics and never stops"));
        }
        if errors.is_empty() && !program.has_collected {
            let help = "write collectMetrics: true into the createPods that is to be measured";
            errors.push(here.error_help("no op collects metrics", help));
        }
        if errors.is_empty() { Ok(program) } else { Err(InputErrors(errors)) }
    }

    fn op(&mut self, op: &Op<'_>, file: &TestCaseFile, params: &mut Params<'_>) -> Result<(), InputErrors> {
        let here = op.place.key("opcode");
        match here.text() {
            Some("barrier") => self.barrier(op, &op.place.read()?),
            Some("churn") => self.churn(op, &op.place.read()?),
            Some("createAny") => self.create_any(op, &op.place.read()?, params),
            Some("createNamespaces") => self.create_namespaces(op, &op.place.read()?, params),
            Some("createNodes") => self.create_nodes(op, &op.place.read()?, params),
            Some("createPodSets") => self.create_pod_sets(op, &op.place.read()?, file, params),
            Some("createPods") => {
                let pods: CreatePodsFile = op.place.read()?;
                let namespace = pods.namespace.clone().unwrap_or_else(|| op.namespace());
                self.create_pods(op, &op.place, &pods, &namespace, file, params)
            }
            Some("deletePods") => self.delete_pods(op.place.read()?),
            Some("sleep") => {
                let sleep: SleepFile = op.place.read()?;
                let span = sleep.duration.map(|duration| duration.0);
                let span = params.span(span, sleep.duration_param.as_deref(), &op.place)?;
                self.steps.push(Step::Wait(Wait::For(span)));
                Ok(())
            }
            Some("startCollectingMetrics") => self.start(op, &op.place.read()?),
            Some("stopCollectingMetrics") => {
                let _: StopFile = op.place.read()?;
                self.stop(&here)
            }
            Some(known) if NOT_RUN.contains(&known) => {
                Err(here.error(format!("the opcode {known:?} is not run here yet")).into())
            }
            Some(other) => Err(here.unknown_name(format!("unknown opcode {other:?}"), other, &RUN).into()),
            None if here.value().is_some() => Err(here.error("an opcode is a text").into()),
            None => Err(op.place.error("missing required field \"opcode\"").into()),
        }
    }

    /// Creates a namespace unless it is there.
    fn need(&mut self, namespace: &str) {
        if self.namespaces.insert(namespace.into()) {
            self.steps.push(Step::Create(vec![namespace_of(namespace)]));
        }
    }

    fn create_nodes(
        &mut self,
        op: &Op<'_>,
        file: &CreateNodesFile,
        params: &mut Params<'_>,
    ) -> Result<(), InputErrors> {
        let count = params.count(file.count, file.count_param.as_deref(), 0, &op.place)?;
        let template = match &file.node_template_path {
            Some(_) => self.templates.object(&op.place.key("nodeTemplatePath"), Some(Kind::Node), None, None)?,
            None => base_node(&format!("node-{}-", op.index)),
        };
        let Object::Node(template) = template else { panic!("a template of nodes is one") };
        let strategies = [
            ("nodeAllocatableStrategy", file.node_allocatable_strategy.is_some()),
            ("labelNodePrepareStrategy", file.label_node_prepare_strategy.is_some()),
            ("uniqueNodeLabelStrategy", file.unique_node_label_strategy.is_some()),
        ];
        if let Some((second, _)) = strategies.iter().filter(|(_, given)| *given).nth(1) {
            return Err(op.place.key(second).error("there can be one strategy at most").into());
        }
        let mut template = Obj::clone(&template);
        if let Some(strategy) = &file.node_allocatable_strategy {
            allocate(&mut template, strategy, &op.place.key("nodeAllocatableStrategy"))?;
        }
        if file.label_node_prepare_strategy.as_ref().is_some_and(|strategy| strategy.label_values.is_empty()) {
            let place = op.place.key("labelNodePrepareStrategy").key("labelValues");
            return Err(place.error("there must be a value").into());
        }
        let mut nodes = Vec::with_capacity(count as usize);
        for index in 0..count as usize {
            let mut node = template.clone();
            if node.meta.name.is_empty() {
                node.meta.name = ecow::eco_format!("{}{}", node.meta.generate_name, self.nodes);
                self.nodes += 1;
            }
            let name = node.meta.name.clone();
            let mut label = |key: &str, value: &str| node.meta.labels = node.meta.labels.with(key, value);
            // As a kubelet does.
            label("kubernetes.io/hostname", &name);
            if let Some(strategy) = &file.label_node_prepare_strategy {
                label(&strategy.label_key, &strategy.label_values[index % strategy.label_values.len()]);
            }
            if let Some(strategy) = &file.unique_node_label_strategy {
                label(&strategy.label_key, &name);
            }
            nodes.push(Object::Node(Arc::new(node)));
        }
        self.steps.push(Step::Create(nodes));
        Ok(())
    }

    fn create_namespaces(
        &mut self,
        op: &Op<'_>,
        file: &CreateNamespacesFile,
        params: &mut Params<'_>,
    ) -> Result<(), InputErrors> {
        let count = params.count(file.count, file.count_param.as_deref(), 0, &op.place)?;
        let template = match &file.namespace_template_path {
            Some(_) => {
                let place = op.place.key("namespaceTemplatePath");
                self.templates.object(&place, Some(Kind::Namespace), None, None)?
            }
            None => namespace_of(&file.prefix),
        };
        let mut made = Vec::new();
        for number in 0..count {
            let name = ecow::eco_format!("{}-{number}", file.prefix);
            if self.namespaces.insert(name.clone()) {
                let mut namespace = template.clone();
                let meta = namespace.meta_mut();
                meta.labels = meta.labels.with("kubernetes.io/metadata.name", name.as_str());
                meta.name = name;
                made.push(namespace);
            }
        }
        self.steps.push(Step::Create(made));
        Ok(())
    }

    fn create_pods(
        &mut self,
        op: &Op<'_>,
        place: &Place<'_>,
        file: &CreatePodsFile,
        namespace: &str,
        case: &TestCaseFile,
        params: &mut Params<'_>,
    ) -> Result<(), InputErrors> {
        let not_yet = [
            ("steadyState", file.steady_state),
            ("duration", file.duration.is_some()),
            ("durationParam", file.duration_param.is_some()),
            ("persistentVolumeTemplatePath", file.persistent_volume_template_path.is_some()),
            ("persistentVolumeClaimTemplatePath", file.persistent_volume_claim_template_path.is_some()),
        ];
        if let Some((field, _)) = not_yet.iter().find(|(_, given)| *given) {
            return Err(place.key(field).error(format!("{field} of createPods is not run here yet")).into());
        }
        if file.collect_metrics && file.skip_wait_to_completion {
            let message = "collectMetrics and skipWaitToCompletion cannot be true at the same time";
            return Err(place.key("skipWaitToCompletion").error(message).into());
        }
        let count = params.count(file.count, file.count_param.as_deref(), 0, place)?;
        let template = match (&file.pod_template_path, &case.default_pod_template_path) {
            (Some(_), _) => self.pod(&place.key("podTemplatePath"), namespace)?,
            (None, Some(_)) => self.pod(&op.case.key("defaultPodTemplatePath"), namespace)?,
            (None, None) => base_pod(namespace),
        };
        self.need(namespace);
        let namespace = Name::from(namespace);
        if file.collect_metrics {
            let pods = Pods { namespace: namespace.clone(), labels: Labels::default() };
            self.begin(vec![pods], &place.key("collectMetrics"))?;
        }
        self.steps.push(Step::CreatePods { template, count });
        let pods = self.pods.entry(namespace.clone()).or_default();
        *pods += u64::from(count);
        if file.skip_wait_to_completion {
            self.unawaited.insert(namespace);
            return Ok(());
        }
        let wanted = BTreeMap::from([(namespace, *pods)]);
        self.steps.push(Step::Wait(Wait::Pods { stage: Stage::Scheduled, labels: Labels::default(), wanted }));
        if file.collect_metrics { self.stop(place) } else { Ok(()) }
    }

    fn pod(&mut self, place: &Place<'_>, namespace: &str) -> Result<Arc<Obj<Pod>>, InputErrors> {
        match self.templates.object(place, Some(Kind::Pod), Some(namespace), None)? {
            Object::Pod(mut pod) => {
                // The server gives each a name of its own.
                let meta = &mut Arc::make_mut(&mut pod).meta;
                if meta.generate_name.is_empty() {
                    meta.generate_name = ecow::eco_format!("{}-", meta.name);
                }
                meta.name = Name::new();
                Ok(pod)
            }
            other => panic!("a template of pods is one, not {:?}", other.kind()),
        }
    }

    fn create_pod_sets(
        &mut self,
        op: &Op<'_>,
        file: &CreatePodSetsFile,
        case: &TestCaseFile,
        params: &mut Params<'_>,
    ) -> Result<(), InputErrors> {
        let count = params.count(file.count, file.count_param.as_deref(), 0, &op.place)?;
        let place = op.place.key("createPodsOp");
        for number in 0..count {
            let namespace = format!("{}-{number}", file.namespace_prefix);
            self.create_pods(op, &place, &file.create_pods_op, &namespace, case, params)?;
        }
        Ok(())
    }

    fn create_any(&mut self, op: &Op<'_>, file: &CreateAnyFile, params: &mut Params<'_>) -> Result<(), InputErrors> {
        let count = params.count(file.count, file.count_param.as_deref(), 1, &op.place)?;
        let (place, namespace) = (op.place.key("templatePath"), file.namespace.as_deref());
        let mut objects = Vec::new();
        for index in 0..count {
            objects.push(self.templates.object(&place, None, namespace, Some(Copy { index, count }))?);
        }
        if let (Some(namespace), Some(first)) = (namespace, objects.first()) {
            if first.meta().namespace.is_empty() {
                let message = "it is given a namespace, and lives in none";
                return Err(op.place.key("namespace").error(message).into());
            }
            self.need(namespace);
        }
        self.steps.push(Step::Create(objects));
        Ok(())
    }

    fn churn(&mut self, op: &Op<'_>, file: &ChurnFile) -> Result<(), InputErrors> {
        if file.mode == ChurnMode::Recreate && file.number == 0 {
            let help = "write for how many ticks objects are created before they go again";
            return Err(op.place.error_help("number cannot be 0 when mode is recreate", help).into());
        }
        let paths = op.place.key("templatePaths");
        if file.template_paths.is_empty() {
            return Err(op.place.error("at least one template spec file needs to be specified").into());
        }
        let namespace = file.namespace.clone().unwrap_or_else(|| op.namespace());
        self.need(&namespace);
        let mut templates = Vec::new();
        for index in 0..file.template_paths.len() {
            templates.push(self.templates.object(&paths.index(index), None, Some(&namespace), None)?);
        }
        let interval = match file.interval_milliseconds {
            0 => CHURN_INTERVAL,
            // A year and a day: no churn is slower.
            millis => Span::from_millis(millis.min(366 * 86_400_000)),
        };
        self.steps.push(Step::Churn(Churn { mode: file.mode, number: file.number, interval, templates }));
        Ok(())
    }

    fn barrier(&mut self, op: &Op<'_>, file: &BarrierFile) -> Result<(), InputErrors> {
        let mut wanted = BTreeMap::new();
        for (index, namespace) in file.namespaces.iter().enumerate() {
            let namespace = Name::from(namespace.as_str());
            let Some(pods) = self.pods.get(&namespace) else {
                let place = op.place.key("namespaces").index(index);
                return Err(place.error(format!("no op has created pods in the namespace {namespace:?}")).into());
            };
            wanted.insert(namespace, *pods);
        }
        if wanted.is_empty() {
            wanted.extend(self.unawaited.iter().map(|namespace| (namespace.clone(), self.pods[namespace])));
        }
        let stage = file.stage_requirement.unwrap_or(Stage::Scheduled);
        if stage == Stage::Scheduled {
            self.unawaited.retain(|namespace| !wanted.contains_key(namespace));
        }
        let labels = labels(&file.label_selector);
        self.steps.push(Step::Wait(Wait::Pods { stage, labels, wanted }));
        Ok(())
    }

    fn start(&mut self, op: &Op<'_>, file: &StartFile) -> Result<(), InputErrors> {
        if file.namespaces.is_empty() {
            return Err(op.place.error("namespaces cannot be empty").into());
        }
        let labels = labels(&file.label_selector);
        let pods = |namespace: &String| Pods { namespace: namespace.into(), labels: labels.clone() };
        self.begin(file.namespaces.iter().map(pods).collect(), &op.place.key("opcode"))
    }

    fn begin(&mut self, pods: Vec<Pods>, place: &Place<'_>) -> Result<(), InputErrors> {
        if self.is_collecting {
            return Err(place.error("metrics are being collected already: stop that first").into());
        }
        self.is_collecting = true;
        self.steps.push(Step::Begin(pods));
        Ok(())
    }

    fn stop(&mut self, place: &Place<'_>) -> Result<(), InputErrors> {
        if !self.is_collecting {
            return Err(place.error("no metrics are being collected").into());
        }
        self.is_collecting = false;
        self.has_collected = true;
        self.steps.push(Step::End);
        Ok(())
    }

    fn delete_pods(&mut self, file: DeletePodsFile) -> Result<(), InputErrors> {
        let pods = Pods { namespace: file.namespace.into(), labels: labels(&file.label_selector) };
        let a_second = file.delete_pods_per_second;
        let interval = (1..QPS).contains(&a_second).then(|| Span::from_secs(1) / u64::from(a_second));
        self.steps.push(Step::DeletePods { pods, interval, waits: !file.skip_wait_to_completion });
        Ok(())
    }
}

/// An op at its place.
struct Op<'a> {
    place: Place<'a>,
    index: usize,
    /// The test case.
    case: &'a Place<'a>,
}

impl Op<'_> {
    /// The namespace of an op that names none.
    fn namespace(&self) -> String {
        format!("namespace-{}", self.index)
    }
}

fn labels(map: &BTreeMap<String, String>) -> Labels {
    map.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

fn namespace_of(name: &str) -> Object {
    let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    convert::from_json(Kind::Namespace, manifest).expect("a namespace with a name can be read")
}

/// Upstream: `makeBaseNode`.
fn base_node(generate_name: &str) -> Object {
    let manifest = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"generateName": generate_name},
        "status": {
            "capacity": {"cpu": "4", "memory": "32Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    });
    convert::from_json(Kind::Node, manifest).expect("a node of ours can be read")
}

/// Upstream: `makeBasePod`, with 100m and 500Mi.
fn base_pod(namespace: &str) -> Arc<Obj<Pod>> {
    let amounts = json!({"cpu": "100m", "memory": "500Mi"});
    let manifest = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "pod-", "namespace": namespace},
        "spec": {"containers": [{
            "name": "pause",
            "image": "registry.k8s.io/pause:3.10",
            "ports": [{"containerPort": 80}],
            "resources": {"requests": amounts, "limits": amounts},
        }]},
    });
    match convert::from_json(Kind::Pod, manifest) {
        Ok(Object::Pod(pod)) => pod,
        other => panic!("a pod of ours can be read: {other:?}"),
    }
}

fn allocate(node: &mut Obj<Node>, strategy: &AllocatableFile, place: &Place<'_>) -> Result<(), InputError> {
    let not_yet = [
        ("csiNodeAllocatable", strategy.csi_node_allocatable.is_some()),
        ("migratedPlugins", strategy.migrated_plugins.is_some()),
    ];
    if let Some((field, _)) = not_yet.iter().find(|(_, given)| *given) {
        return Err(place.key(field).error(format!("{field} is not run here yet")));
    }
    let status = Arc::make_mut(&mut node.body.status);
    for (name, amount) in &strategy.node_allocatable {
        let place = place.key("nodeAllocatable").key(name);
        let amount: Quantity = amount.0.parse().map_err(|_| place.error(format!("{:?} is no quantity", amount.0)))?;
        let allocatable = status.allocatable.get_or_insert_default();
        allocatable.insert(name.clone(), WireQuantity(amount.to_string()));
    }
    Ok(())
}
