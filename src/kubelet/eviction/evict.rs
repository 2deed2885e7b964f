//! What a kubelet does about a threshold that is met: images that nobody uses go, then one pod.
//! Upstream: `eviction_manager.go` (`reclaimNodeLevelResources`, `evictPod`), `helpers.go` (`evictionMessage`).

use super::is_critical;
use super::rank::{Candidate, rank};
use super::stats::{Observation, Reach};
use super::thresholds::{Starved, Threshold};
use crate::api::quantity::Format;
use crate::api::{EventType, Name, Quantity};
use crate::client::Outbox;
use crate::kernel::Span;
use crate::kubelet::Kubelet;
use crate::kubelet::pod::{Life, PodRecord};
use crate::kubelet::termination::grace_span;
use crate::kubelet::texts;
use crate::kubelet::usage::Usage;

/// The reason of evictions. Upstream: `eviction.Reason`.
pub(in crate::kubelet) const REASON: &str = "Evicted";
/// The least that a pod's end is waited for. Upstream: `minTimeout` of `killPodNow`.
pub(super) const PATIENCE_MIN: Span = Span::from_secs(10);
/// How long the manager then waits for what is left of the pod. Upstream: `podCleanupTimeout`.
pub(super) const CLEANUP_TIMEOUT: Span = Span::from_secs(30);
/// The grace of pods that a hard threshold evicts, in seconds. Upstream: `immediateEvictionGracePeriodSeconds`.
const IMMEDIATE_SECONDS: i64 = 1;

/// What has been done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reclaimed {
    /// Images have gone, and nothing is short any more.
    Images,
    /// This pod is being evicted, with so much grace.
    Pod(u32, Span),
    /// There is nobody to evict.
    Nothing,
}

impl Kubelet {
    /// Reclaims what a threshold is about.
    pub(super) fn reclaim(
        &mut self,
        threshold: &Threshold,
        acting: &[Threshold],
        seen: &Observation,
        out: &mut Outbox,
    ) -> Reclaimed {
        let starved = threshold.signal.starved();
        if let Some(node) = &self.node.object {
            let message = ecow::eco_format!("Attempting to reclaim {}", starved.word());
            self.say(out, node.meta.reference(), EventType::Warning, "EvictionThresholdMet", message);
        }
        if matches!(starved, Starved::Disk | Starved::Inodes) && self.drop_images(out) {
            return Reclaimed::Images;
        }
        let mut candidates = self.candidates(out);
        rank(&mut candidates, starved);
        let mut ranked = candidates.into_iter().filter_map(|pod| self.at(pod.serial));
        let Some(at) = ranked.find(|at| !is_critical(&self.pods[*at].pod)) else { return Reclaimed::Nothing };
        let serial = self.pods[at].serial;
        let grace = if threshold.is_hard() {
            IMMEDIATE_SECONDS
        } else {
            self.settings().eviction.max_pod_grace_seconds.min(self.pods[at].pod.body.spec.grace_seconds)
        };
        let message = self.message(at, starved, acting, seen, out);
        let reference = self.pods[at].pod.meta.reference();
        self.say(out, reference, EventType::Warning, REASON, message.clone());
        self.pods[at].evicted = Some(Box::new(message));
        self.kill_pod(at, out.now + grace_span(grace), out);
        Reclaimed::Pod(serial, grace_span(grace))
    }

    /// Removes the images that no pod uses. Whether that is enough: nothing is short any more.
    fn drop_images(&mut self, out: &mut Outbox) -> bool {
        let used = |image: &Name| {
            let records = self.pods.iter().filter(|record| record.takes_room());
            records
                .flat_map(|record| (0..record.containers.len()).map(move |index| record.spec(index)))
                .any(|container| texts::full_image(container.image.as_deref().unwrap_or_default()) == *image)
        };
        let unused: Vec<Name> = self.images.names().filter(|image| !used(image)).cloned().collect();
        if !unused.is_empty() {
            self.images.remove(&unused);
            self.arm_node_status(out);
        }
        let declared = self.declared();
        let seen = self.demand(&declared, out).observe(&self.capacity(), out.now);
        self.settings().eviction.thresholds.iter().all(|threshold| !seen.meets(threshold, Reach::Reclaim))
    }

    fn candidates(&self, out: &Outbox) -> Vec<Candidate> {
        let active = self.pods.iter().filter(|record| record.confirmed && record.life != Life::Finished);
        active
            .map(|record| {
                let containers =
                    (0..record.containers.len()).filter_map(|at| self.used_by(record, at, out.now, out.chance));
                let usage = containers.fold(None, |sum: Option<Usage>, container| {
                    let mut sum = sum.unwrap_or_default();
                    sum.add(&container);
                    Some(sum)
                });
                let spec = &record.pod.body.spec;
                let requests = &spec.requests;
                Candidate {
                    serial: record.serial,
                    priority: spec.priority,
                    usage,
                    memory: requests.memory,
                    disk: requests.ephemeral_storage,
                }
            })
            .collect()
    }

    fn message(&self, at: usize, starved: Starved, acting: &[Threshold], seen: &Observation, out: &Outbox) -> Name {
        let record = &self.pods[at];
        let word = starved.word();
        let mut message = ecow::eco_format!("The node was low on resource: {word}. ");
        if let Some(threshold) = acting.iter().find(|threshold| threshold.signal.starved() == starved) {
            let quantity = threshold.least.text(seen.capacity(threshold.signal));
            let available = Quantity::from_value(seen.available(threshold.signal) as i64, starved.format());
            message.push_str(&format!("Threshold quantity: {quantity}, available: {available}. "));
        }
        let inits = record.inits();
        let containers = (inits..record.containers.len()).chain(0..inits);
        for index in containers {
            let Some(used) = self.used_by(record, index, out.now, out.chance) else { continue };
            let used = match starved {
                Starved::Memory => used.memory,
                Starved::Disk => used.disk,
                Starved::Inodes | Starved::Pids => continue,
            };
            let used = Quantity::from_value(used as i64, Format::BinarySI);
            let request = request(record, index, word);
            if used > request {
                let name = &record.spec(index).name;
                message.push_str(&format!(
                    "Container {name} was using {used}, request is {request}, has larger consumption of {word}. "
                ));
            }
        }
        message
    }
}

/// What a container requests of a resource.
fn request(record: &PodRecord, index: usize, resource: &str) -> Quantity {
    let requests = record.spec(index).resources.as_ref().and_then(|resources| resources.requests.as_ref());
    let quantity = requests.and_then(|requests| requests.get(resource));
    quantity.and_then(|quantity| Quantity::try_from(quantity).ok()).unwrap_or_else(Quantity::zero)
}
