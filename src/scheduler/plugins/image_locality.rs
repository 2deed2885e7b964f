//! ImageLocality: the node that has the pod's images is better, less so where many nodes have them.

use crate::scheduler::nodes::images_of;
use crate::scheduler::{
    Cluster, Cycle, ExtensionPoint, NodeIndex, NodeScore, NodeView, Plugin, PluginEntry, PreScore, Reach,
};

/// The registry's line.
pub const ENTRY: PluginEntry = PluginEntry {
    name: "ImageLocality",
    points: &[ExtensionPoint::Score],
    weight: 1,
    doc: "prefers nodes that have images of the pod, by size and by the share of nodes that have them",
    source: "pkg/scheduler/framework/plugins/imagelocality/image_locality.go",
    events: &[],
    plugin: &ImageLocality,
};

const MIB: i64 = 1024 * 1024;
const MIN_BYTES: i64 = 23 * MIB;
const MAX_BYTES_EACH: i64 = 1000 * MIB;

#[derive(Debug)]
struct ImageLocality;

impl Plugin for ImageLocality {
    fn pre_score(&self, cycle: &Cycle, _feasible: &[NodeIndex]) -> PreScore {
        let nodes = &cycle.cluster.nodes;
        let mut wanted = 0;
        let mut images = Vec::new();
        for name in images_of(&cycle.pod.body.spec.full) {
            wanted += 1;
            let number = match name.rfind(':') > name.rfind('/') {
                true => nodes.images.number(name),
                false => nodes.images.number(&format!("{name}:latest")),
            };
            if let Some(number) = number {
                let share = f64::from(nodes.images.nodes(number)) / nodes.len() as f64;
                images.push((number, (nodes.images.bytes(number) as f64 * share) as i64));
            }
        }
        PreScore::Score(Box::new(Score { images, max_bytes: MAX_BYTES_EACH * wanted }))
    }
}

/// The pod's images that some node has, with their bytes scaled by the share of nodes that have them.
#[derive(Debug)]
struct Score {
    images: Vec<(u32, i64)>,
    max_bytes: i64,
}

impl NodeScore for Score {
    fn score(&self, _cluster: &Cluster, node: NodeView) -> i64 {
        if self.images.is_empty() {
            return 0;
        }
        let there = &node.info.images;
        let found = self.images.iter().filter(|(image, _)| there.binary_search(image).is_ok());
        let bytes: i64 = found.map(|(_, bytes)| bytes).sum();
        let bytes = if bytes < MIN_BYTES { MIN_BYTES } else { bytes.min(self.max_bytes) };
        100 * (bytes - MIN_BYTES) / (self.max_bytes - MIN_BYTES)
    }

    /// The number of nodes that have an image counts as well, but not what runs on them.
    fn reach(&self) -> Reach {
        Reach::Object
    }
}

#[cfg(test)]
mod tests {
    use crate::scheduler::testing::check_scores;

    #[track_caller]
    fn check(images: &[&str], expected: &[i64]) {
        let node = |name: &str, mib: i64| {
            format!("{{status: {{images: [{{names: ['{name}'], sizeBytes: {}}}]}}}}", mib * 1024 * 1024)
        };
        let nodes = [node("a:1", 600), node("b:latest", 90), node("reg:5000/c:latest", 2000), "{}".to_owned()];
        let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
        let containers: Vec<String> = images.iter().map(|image| format!("{{name: c, image: '{image}'}}")).collect();
        check_scores("ImageLocality", &format!("{{containers: [{}]}}", containers.join(", ")), &nodes, Some(expected));
    }

    #[test]
    fn bytes_count_by_the_share_of_nodes() {
        // 600 MiB on a quarter of the nodes: (150 - 23) / (1000 - 23).
        check(&["a:1"], &[12, 0, 0, 0]);
        check(&["a:1", "reg:5000/c"], &[6, 0, 24, 0]);
        // 90 MiB on a quarter of the nodes is below what counts.
        check(&["b"], &[0, 0, 0, 0]);
        check(&["a"], &[0, 0, 0, 0]);
    }
}
