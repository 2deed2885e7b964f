//! The images of a node and the one pull that goes on at a time. Upstream: `pkg/kubelet/images`.
//!
//! Pulls are serial, as with `serializeImagePulls` (upstream's default). Images go only
//! under disk pressure ([`super::eviction`]). Left out: parallel pulls, pull secrets, registry outages and throttling
//! (`registry-qps`), image garbage collection by age and by `imageGCHighThresholdPercent`.

use std::collections::{BTreeMap, VecDeque};

use k8s_openapi::api::core::v1;

use super::behaviour::ImageBehaviour;
use super::settings::{KubeletSettings, PULL};
use crate::api::Name;
use crate::kernel::{Chance, Span, Time};

/// A pull that a container waits for.
#[derive(Clone, Debug)]
pub(super) struct Pull {
    /// The pod.
    pub(super) serial: u32,
    /// The container.
    pub(super) container: u16,
    /// The image under its full name.
    pub(super) image: Name,
    /// What it is like.
    pub(super) bytes: u64,
    /// When it was asked for.
    pub(super) asked: Time,
    /// How long the pull itself takes, apart from the download.
    overhead: Span,
    /// The whole time, where that is declared.
    whole: Option<Span>,
    /// Whether the registry lacks it.
    pub(super) missing: bool,
}

/// The images of a node.
#[derive(Clone, Debug, Default)]
pub(super) struct Images {
    present: BTreeMap<Name, u64>,
    queue: VecDeque<Pull>,
    /// When the first of the queue began, and when it is done.
    under_way: Option<(Time, Time)>,
    /// Whether the node's status does not show all images yet.
    pub(super) unreported: bool,
}

impl Pull {
    /// A pull of an image for a container; `attempt` counts the pulls of this container.
    #[expect(clippy::too_many_arguments, reason = "one value each of what a pull is made from; made in one place")]
    pub(super) fn new(
        place: (u32, u16),
        image: Name,
        behaviour: &ImageBehaviour,
        settings: &KubeletSettings,
        chance: Chance,
        path: u64,
        attempt: u64,
        now: Time,
    ) -> Pull {
        Pull {
            serial: place.0,
            container: place.1,
            image,
            bytes: behaviour.bytes.unwrap_or(settings.image_bytes),
            asked: now,
            overhead: settings.pull_overhead.draw(chance, PULL, path, attempt),
            whole: behaviour.pull_time.map(|range| range.draw(chance, PULL, path, attempt)),
            missing: behaviour.missing,
        }
    }
}

impl Images {
    /// What is on the disk when a process starts: all images; pulls ended with the process before.
    pub(super) fn kept(before: Images) -> Images {
        Images { present: before.present, unreported: before.unreported, ..Images::default() }
    }

    /// Whether an image, under its full name, is on the node.
    pub(super) fn has(&self, image: &str) -> bool {
        self.present.contains_key(image)
    }

    /// All that are on the node, by their full names.
    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        self.present.keys()
    }

    /// What they take of the disk.
    pub(super) fn bytes(&self) -> u64 {
        self.present.values().sum()
    }

    /// Removes images from the disk.
    pub(super) fn remove(&mut self, images: &[Name]) {
        self.present.retain(|name, _| !images.contains(name));
        self.unreported = true;
    }

    /// How many pulls wait or go on.
    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Puts a pull into the queue. Returns when it ends, if it begins at once.
    pub(super) fn ask(&mut self, pull: Pull, bandwidth: u64, now: Time) -> Option<Time> {
        self.queue.push_back(pull);
        if self.under_way.is_some() { None } else { self.begin(bandwidth, now) }
    }

    /// Begins the first pull of the queue. Returns when it ends.
    fn begin(&mut self, bandwidth: u64, now: Time) -> Option<Time> {
        let pull = self.queue.front()?;
        let missing_bytes = if pull.missing || self.has(&pull.image) { 0 } else { pull.bytes };
        let nanos = u128::from(missing_bytes) * 1_000_000_000 / u128::from(bandwidth.max(1));
        let download = Span::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 4));
        let ends = now.saturating_add(pull.whole.unwrap_or(pull.overhead + download));
        self.under_way = Some((now, ends));
        Some(ends)
    }

    /// Takes out the pull that ends now, with the time that it took itself, and begins the next: when does that end?
    /// `None` where no pull ends now.
    pub(super) fn finish(&mut self, bandwidth: u64, now: Time) -> Option<(Pull, Span, Option<Time>)> {
        let (began, ends) = self.under_way?;
        if ends > now {
            return None;
        }
        let pull = self.queue.pop_front()?;
        self.under_way = None;
        if !pull.missing && self.present.insert(pull.image.clone(), pull.bytes).is_none() {
            self.unreported = true;
        }
        let next = self.begin(bandwidth, now);
        Some((pull, now - began, next))
    }

    /// Takes the pulls of a pod out of the queue; the one that goes on goes on.
    pub(super) fn forget(&mut self, serial: u32) {
        let skip = usize::from(self.under_way.is_some());
        let mut at = 0;
        self.queue.retain(|pull| {
            at += 1;
            at <= skip || pull.serial != serial
        });
    }

    /// The images as a node reports them: the largest first, at most so many.
    pub(super) fn report(&self, max: usize) -> Vec<v1::ContainerImage> {
        let mut images: Vec<(&Name, u64)> = self.present.iter().map(|(name, bytes)| (name, *bytes)).collect();
        images.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        images
            .into_iter()
            .take(max)
            .map(|(name, bytes)| v1::ContainerImage {
                names: Some(vec![name.to_string()]),
                size_bytes: Some(i64::try_from(bytes).unwrap_or(i64::MAX)),
            })
            .collect()
    }

    /// Writes names of images and the length of the queue.
    pub(super) fn hash(&self, mut hasher: &mut dyn std::hash::Hasher) {
        use std::hash::Hash;
        self.present.hash(&mut hasher);
        hasher.write_usize(self.queue.len());
    }
}
