//! The nodes by what is asked of them: a line each where they are few, the spread where they are many.

use rustc_hash::FxHashMap;
use serde::Serialize;

use super::table::Table;
use crate::api::{Kind, Name, Node, Obj, Object, Pod};
use crate::kernel::Time;
use crate::store::Store;

/// Up to how many nodes each has a line.
const LINES: usize = 20;

/// The nodes of a cluster.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodesReport {
    /// All of them.
    pub total: u64,
    /// Those with the condition `Ready`.
    pub ready: u64,
    /// Those that are cordoned.
    pub unschedulable: u64,
    /// Pods that are bound and have not ended, a node.
    pub pods: Spread,
    /// Requested CPU in percent of the allocatable, a node.
    pub cpu_percent: Spread,
    /// Requested memory in percent of the allocatable, a node.
    pub memory_percent: Spread,
    /// The nodes by name; none where there are more than twenty.
    pub lines: Vec<NodeLine>,
}

/// A node and what is asked of it.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeLine {
    /// The name.
    pub name: Name,
    /// `Ready`, `NotReady` or `Unknown`, with `,SchedulingDisabled` where it is cordoned, as kubectl has it.
    pub status: Name,
    /// Pods that are bound to it and have not ended.
    pub pods: i64,
    /// How many it takes.
    pub pods_allocatable: i64,
    /// CPU that its pods request, in thousandths of a core.
    pub milli_cpu_requested: i64,
    /// CPU that it offers to pods, in thousandths of a core.
    pub milli_cpu_allocatable: i64,
    /// Memory that its pods request, in bytes.
    pub memory_requested: i64,
    /// Memory that it offers to pods, in bytes.
    pub memory_allocatable: i64,
}

/// How a number spreads over the nodes; zeros where there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Spread {
    /// The least.
    pub min: i64,
    /// The middle one; of an even number the lower of the two.
    pub median: i64,
    /// The greatest.
    pub max: i64,
}

/// The nodes of a store at an instant.
pub fn nodes_report(store: &Store, at: Time) -> NodesReport {
    let nodes: Vec<Object> = store.objects(Kind::Node, at).collect();
    let pods = store.unordered(Kind::Pod).filter_map(Object::get::<Pod>);
    report_of(nodes.iter().filter_map(Object::get::<Node>).map(|node| &**node), pods.map(|pod| &**pod))
}

fn report_of<'a>(nodes: impl Iterator<Item = &'a Obj<Node>>, pods: impl Iterator<Item = &'a Obj<Pod>>) -> NodesReport {
    let mut report = NodesReport::default();
    let mut lines = Vec::new();
    let mut places: FxHashMap<Name, usize> = FxHashMap::default();
    for node in nodes {
        report.total += 1;
        report.ready += u64::from(node.body.is_ready());
        report.unschedulable += u64::from(node.body.is_unschedulable());
        places.insert(node.meta.name.clone(), lines.len());
        lines.push(line(node));
    }
    for pod in pods.filter(|pod| !pod.body.status.phase.is_finished()) {
        let Some(line) = places.get(&pod.body.node_name).and_then(|place| lines.get_mut(*place)) else { continue };
        line.pods += 1;
        line.milli_cpu_requested += pod.body.spec.requests.milli_cpu;
        line.memory_requested += pod.body.spec.requests.memory;
    }
    report.pods = Spread::of(lines.iter().map(|line| line.pods));
    report.cpu_percent = Spread::of(lines.iter().map(NodeLine::cpu_percent));
    report.memory_percent = Spread::of(lines.iter().map(NodeLine::memory_percent));
    if lines.len() <= LINES {
        lines.sort_by(|a, b| a.name.cmp(&b.name));
        report.lines = lines;
    }
    report
}

fn line(node: &Obj<Node>) -> NodeLine {
    let allocatable = node.body.allocatable();
    NodeLine {
        name: node.meta.name.clone(),
        status: node_status(&node.body),
        pods: 0,
        pods_allocatable: allocatable.pods,
        milli_cpu_requested: 0,
        milli_cpu_allocatable: allocatable.milli_cpu,
        memory_requested: 0,
        memory_allocatable: allocatable.memory,
    }
}

/// A node's STATUS as kubectl has it.
pub(super) fn node_status(node: &Node) -> Name {
    let ready = match node.condition("Ready") {
        Some(condition) if condition.status == "True" => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    let cordoned = if node.is_unschedulable() { ",SchedulingDisabled" } else { "" };
    ecow::eco_format!("{ready}{cordoned}")
}

impl NodeLine {
    fn cpu_percent(&self) -> i64 {
        percent(self.milli_cpu_requested, self.milli_cpu_allocatable)
    }

    fn memory_percent(&self) -> i64 {
        percent(self.memory_requested, self.memory_allocatable)
    }
}

impl Spread {
    fn of(numbers: impl Iterator<Item = i64>) -> Spread {
        let mut numbers: Vec<i64> = numbers.collect();
        numbers.sort_unstable();
        let (Some(min), Some(max)) = (numbers.first(), numbers.last()) else { return Spread::default() };
        Spread { min: *min, median: numbers[(numbers.len() - 1) / 2], max: *max }
    }

    fn cells(self, unit: &str) -> [String; 3] {
        [self.min, self.median, self.max].map(|number| format!("{number}{unit}"))
    }
}

impl NodesReport {
    /// A line a node, or the spread where they are many.
    pub(super) fn table(&self) -> Table {
        if self.lines.len() as u64 == self.total {
            return self.lines_table();
        }
        let mut table = Table::new(["PER NODE", "MIN", "MEDIAN", "MAX"]);
        let rows = [
            ("pods", self.pods, ""),
            ("cpu requested", self.cpu_percent, "%"),
            ("memory requested", self.memory_percent, "%"),
        ];
        for (what, spread, unit) in rows {
            let [min, median, max] = spread.cells(unit);
            table.add([what.to_owned(), min, median, max]);
        }
        table
    }

    fn lines_table(&self) -> Table {
        let mut table = Table::new(["NAME", "STATUS", "PODS", "CPU-REQUESTED", "MEM-REQUESTED"]);
        for line in &self.lines {
            table.add([
                line.name.to_string(),
                line.status.to_string(),
                format!("{}/{}", line.pods, line.pods_allocatable),
                format!("{} ({}%)", cpu(line.milli_cpu_requested), line.cpu_percent()),
                format!("{} ({}%)", memory(line.memory_requested), line.memory_percent()),
            ]);
        }
        table
    }
}

/// Whole percent, cut off as `kubectl describe node` does; zero of nothing.
fn percent(part: i64, whole: i64) -> i64 {
    if whole <= 0 { 0 } else { (i128::from(part) * 100 / i128::from(whole)) as i64 }
}

/// CPUs as in manifests.
pub(super) fn cpu(milli_cpu: i64) -> String {
    if milli_cpu % 1000 == 0 { (milli_cpu / 1000).to_string() } else { format!("{milli_cpu}m") }
}

/// Bytes in the largest unit that shows them exactly, or in whole MiB from one on.
pub(super) fn memory(bytes: i64) -> String {
    const MIB: i64 = 1 << 20;
    match bytes {
        0 => "0".to_owned(),
        _ if bytes % (MIB << 10) == 0 => format!("{}Gi", bytes / (MIB << 10)),
        _ if bytes >= MIB => format!("{}Mi", bytes / MIB),
        _ if bytes % 1024 == 0 => format!("{}Ki", bytes / 1024),
        _ => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use k8s_openapi::api::core::v1;
    use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

    use super::*;
    use crate::api::{Meta, PodPhase, PodSpec};
    use crate::report::pods::made_up;

    fn list(amounts: &[(&str, &str)]) -> Option<BTreeMap<String, Quantity>> {
        Some(amounts.iter().map(|(name, amount)| ((*name).to_owned(), Quantity((*amount).to_owned()))).collect())
    }

    fn node(name: &str, ready: &str, cordoned: bool) -> Obj<Node> {
        let condition = v1::NodeCondition { type_: "Ready".into(), status: ready.into(), ..Default::default() };
        let status = v1::NodeStatus {
            allocatable: list(&[("cpu", "4"), ("memory", "8Gi"), ("pods", "110")]),
            conditions: Some(vec![condition]),
            ..Default::default()
        };
        let spec = v1::NodeSpec { unschedulable: cordoned.then_some(true), ..Default::default() };
        let body = Node { spec: Arc::new(spec), status: Arc::new(status) };
        Obj { meta: Meta::new(Kind::Node, "", name), body }
    }

    fn pod_on(node: &str, phase: PodPhase) -> Obj<Pod> {
        let mut pod = made_up::pod("a", phase, Vec::new());
        let resources =
            v1::ResourceRequirements { requests: list(&[("cpu", "250m"), ("memory", "1Gi")]), ..Default::default() };
        let container = v1::Container { resources: Some(resources), ..Default::default() };
        pod.body.spec = PodSpec::new(v1::PodSpec { containers: vec![container], ..Default::default() });
        pod.body.node_name = node.into();
        pod
    }

    #[test]
    fn few_nodes_have_a_line_each() {
        let nodes = [node("n2", "Unknown", false), node("n1", "True", true)];
        let pods = [
            pod_on("n1", PodPhase::Running),
            pod_on("n1", PodPhase::Pending),
            pod_on("n1", PodPhase::Succeeded),
            pod_on("", PodPhase::Pending),
        ];
        let report = report_of(nodes.iter(), pods.iter());
        assert_eq!((report.total, report.ready, report.unschedulable), (2, 1, 1));
        assert_eq!(
            report.table().to_string(),
            "NAME   STATUS                     PODS    CPU-REQUESTED   MEM-REQUESTED\n\
             n1     Ready,SchedulingDisabled   2/110   500m (12%)      2Gi (25%)\n\
             n2     NotReady                   0/110   0 (0%)          0 (0%)\n"
        );
    }

    #[test]
    fn many_nodes_are_summed_up() {
        let nodes: Vec<Obj<Node>> = (0..21).map(|n| node(&format!("n{n}"), "True", false)).collect();
        let pods: Vec<Obj<Pod>> = (0..16).map(|n| pod_on(&format!("n{}", n % 11), PodPhase::Running)).collect();
        let report = report_of(nodes.iter(), pods.iter());
        assert_eq!(
            report.table().to_string(),
            "PER NODE           MIN   MEDIAN   MAX\n\
             pods               0     1        2\n\
             cpu requested      0%    6%       12%\n\
             memory requested   0%    12%      25%\n"
        );
    }

    #[test]
    fn no_nodes_are_no_trouble() {
        let report = report_of(std::iter::empty(), std::iter::empty());
        assert!(report.table().is_empty());
    }
}
