//! ImageLocality: the node that has the pod's images is better, less so where many nodes have them.

use crate::scheduler::{
    Cluster, Cycle, ExtensionPoint, NodeIndex, NodeScore, NodeView, Plugin, PluginEntry, PreScore, Reach,
};

/// The registry's line.
pub const ENTRY: PluginEntry = PluginEntry {
    name: "ImageLocality",
    points: &[ExtensionPoint::Score],
    weight: 1,
    doc: "prefers nodes that have images of the pod's containers, by size and by the share of nodes that have them; as \
          in 1.34, images of volumes do not count",
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
        let spec = &cycle.pod.body.spec;
        for container in spec.init_containers().iter().chain(spec.containers()) {
            let name = container.image.as_deref().unwrap_or_default();
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

    #[test]
    fn names_are_taken_as_they_are_but_for_a_missing_tag() {
        let node = |name: &str| {
            format!("{{status: {{images: [{{names: ['{name}', other:1], sizeBytes: {}}}]}}}}", 1023 * 1024 * 1024)
        };
        let nodes = [node("r.io/a@sha256:0"), node("r.io/a:1"), node("r.io:5000/a:latest")];
        let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
        // A third of 1023 MiB: (341 - 23) / (1000 - 23).
        for (image, expected) in [
            ("r.io/a@sha256:0", [32, 0, 0]),
            ("r.io/a:1", [0, 32, 0]),
            ("r.io:5000/a", [0, 0, 32]),
            ("a:1", [0, 0, 0]),
            ("r.io/a", [0, 0, 0]),
            ("other:1", [100, 100, 100]),
        ] {
            let pod = format!("{{containers: [{{name: c, image: '{image}'}}]}}");
            check_scores("ImageLocality", &pod, &nodes, Some(&expected));
        }
    }

    #[test]
    fn init_containers_count_and_volumes_do_not() {
        let node = format!("{{status: {{images: [{{names: ['a:1'], sizeBytes: {}}}]}}}}", 1000 * 1024 * 1024);
        let volume = "volumes: [{name: v, image: {reference: 'a:1'}}]";
        let nodes = [node.as_str()];
        check_scores(
            "ImageLocality",
            &format!("{{containers: [{{name: c, image: b}}], {volume}}}"),
            &nodes,
            Some(&[0]),
        );
        let init = "{containers: [{name: c, image: b}], initContainers: [{name: i, image: 'a:1'}]}";
        // (1000 - 23) / (2000 - 23).
        check_scores("ImageLocality", init, &nodes, Some(&[49]));
    }
}
