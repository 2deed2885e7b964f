//! Profiles: which plugins decide, with which weights and arguments. Upstream: `KubeSchedulerProfile`.

use super::plugins;
use super::{EventKind, ExtensionPoint, PluginArgs, PluginEntry};
use crate::api::Name;

/// A plugin of a profile.
#[derive(Clone, Copy, Debug)]
pub struct Enabled {
    /// Its line in the registry.
    pub entry: &'static PluginEntry,
    /// What its scores are multiplied with.
    pub weight: i64,
}

/// A profile. Plugins are asked in this order at every extension point; a plugin's number is its place here.
#[derive(Clone, Debug)]
pub struct Profile {
    /// `schedulerName`: the pods whose `spec.schedulerName` is this.
    pub scheduler_name: Name,
    /// The plugins, at most 64.
    pub plugins: Vec<Enabled>,
    /// What the plugins are told.
    pub args: PluginArgs,
    /// `percentageOfNodesToScore`; absent: the scheduler's setting.
    pub percentage_of_nodes_to_score: Option<i64>,
}

impl Profile {
    /// The default profile: all plugins there are, with upstream's weights.
    pub fn upstream() -> Profile {
        Profile {
            scheduler_name: "default-scheduler".into(),
            plugins: plugins::ALL.iter().map(|entry| Enabled { entry, weight: entry.weight }).collect(),
            args: PluginArgs::upstream(),
            percentage_of_nodes_to_score: None,
        }
    }

    /// The plugins of an extension point, with their numbers.
    pub fn at(&self, point: ExtensionPoint) -> impl Iterator<Item = (u8, &Enabled)> {
        let asked = move |(_, enabled): &(usize, &Enabled)| enabled.entry.points.contains(&point);
        self.plugins.iter().enumerate().filter(asked).map(|(number, enabled)| (number as u8, enabled))
    }

    /// The name of a plugin by its number.
    pub fn name(&self, plugin: u8) -> &'static str {
        self.plugins[usize::from(plugin)].entry.name
    }

    /// The plugins that take an interest in a kind of event, as a set of numbers.
    pub fn interested(&self, kind: EventKind) -> u64 {
        let interested = |enabled: &Enabled| enabled.entry.events.contains(&kind);
        let numbers = self.plugins.iter().enumerate().filter(|(_, enabled)| interested(enabled));
        numbers.fold(0, |set, (number, _)| set | 1 << number)
    }
}
