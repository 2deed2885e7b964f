//! Profiles: which plugins decide, where and in which order, with which weights and arguments.
//! Upstream: `KubeSchedulerProfile`, as `pkg/scheduler/framework/runtime/framework.go` holds it when it has been read.

use super::plugins;
use super::plugins::placement_policy::{self, Chosen};
use super::{EventKind, ExtensionPoint, PluginArgs, PluginEntry};
use crate::api::Name;

const POINTS: usize = ExtensionPoint::ALL.len();

/// A plugin of a profile.
#[derive(Clone, Copy, Debug)]
pub struct Enabled {
    /// Its line in the registry.
    pub entry: &'static PluginEntry,
    /// What its scores are multiplied with; zero where it does not score.
    pub weight: i64,
}

/// The plugins of each extension point, in the order in which they are asked.
#[derive(Clone, Debug, Default)]
pub struct PluginOrders([Vec<&'static PluginEntry>; POINTS]);

impl PluginOrders {
    /// The same order everywhere, for each plugin at all extension points that it has.
    pub fn same(plugins: &[&'static PluginEntry]) -> PluginOrders {
        let mut orders = PluginOrders::default();
        for point in ExtensionPoint::ALL {
            let asked = plugins.iter().copied().filter(|entry| entry.points.contains(&point));
            orders.at_mut(point).extend(asked);
        }
        orders
    }

    /// The plugins of an extension point.
    pub fn at(&self, point: ExtensionPoint) -> &[&'static PluginEntry] {
        &self.0[point as usize]
    }

    /// The plugins of an extension point, to be changed.
    pub fn at_mut(&mut self, point: ExtensionPoint) -> &mut Vec<&'static PluginEntry> {
        &mut self.0[point as usize]
    }

    /// Whether a plugin is asked at an extension point.
    pub fn has(&self, point: ExtensionPoint, entry: &PluginEntry) -> bool {
        self.at(point).iter().any(|asked| asked.name == entry.name)
    }

    /// The plugins that are asked anywhere, in the order of the registry, but those of PreFilter in their order there.
    fn all(&self) -> Vec<&'static PluginEntry> {
        let is_asked = |entry: &&PluginEntry| ExtensionPoint::ALL.iter().any(|point| self.has(*point, entry));
        let mut pre_filter = self.at(ExtensionPoint::PreFilter).iter().copied();
        let in_place = |entry: &'static PluginEntry| match self.has(ExtensionPoint::PreFilter, entry) {
            true => pre_filter.next().unwrap_or(entry),
            false => entry,
        };
        plugins::ALL.iter().copied().filter(is_asked).map(in_place).collect()
    }
}

/// A profile. A plugin's number is its place in `plugins`; of two plugins of PreFilter the one that is asked first has
/// the lower number.
#[derive(Clone, Debug)]
pub struct Profile {
    /// `schedulerName`: the pods whose `spec.schedulerName` is this.
    pub scheduler_name: Name,
    /// The plugins by number, at most 64.
    pub plugins: Vec<Enabled>,
    /// The numbers of the plugins of each extension point, in the order in which they are asked.
    pub orders: [Vec<u8>; POINTS],
    /// What the plugins are told.
    pub args: PluginArgs,
    /// `percentageOfNodesToScore`; absent: the scheduler's setting.
    pub percentage_of_nodes_to_score: Option<i64>,
}

impl Profile {
    /// The default profile: all plugins that upstream has, with its weights.
    pub fn upstream() -> Profile {
        Profile::of(&PluginOrders::same(&plugins::of_upstream().collect::<Vec<_>>()), |entry| entry.weight)
    }

    /// The default profile with a placement policy in place of all that score, GPUs that are shared, and every node
    /// looked at.
    pub fn placing(policy: Chosen) -> Profile {
        let mut orders = PluginOrders::same(plugins::ALL);
        orders.at_mut(ExtensionPoint::PreScore).clear();
        orders.at_mut(ExtensionPoint::Score).retain(|entry| entry.name == placement_policy::ENTRY.name);
        let mut profile = Profile::of(&orders, |entry| entry.weight);
        profile.args.placement.policy = Some(policy);
        profile.percentage_of_nodes_to_score = Some(100);
        profile
    }

    /// A profile of plugins, with upstream's name and arguments.
    pub fn of(orders: &PluginOrders, weight: impl Fn(&PluginEntry) -> i64) -> Profile {
        let enabled = |entry: &'static PluginEntry| {
            let scores = orders.has(ExtensionPoint::Score, entry);
            Enabled { entry, weight: if scores { weight(entry) } else { 0 } }
        };
        let plugins: Vec<Enabled> = orders.all().into_iter().map(enabled).collect();
        let number = |entry: &&PluginEntry| {
            let position = plugins.iter().position(|enabled| enabled.entry.name == entry.name);
            position.map(|position| position as u8)
        };
        Profile {
            scheduler_name: "default-scheduler".into(),
            orders: ExtensionPoint::ALL.map(|point| orders.at(point).iter().filter_map(number).collect()),
            plugins,
            args: PluginArgs::upstream(),
            percentage_of_nodes_to_score: None,
        }
    }

    /// The plugins of an extension point, with their numbers, in the order in which they are asked.
    pub fn at(&self, point: ExtensionPoint) -> impl Iterator<Item = (u8, &Enabled)> {
        self.orders[point as usize].iter().map(|number| (*number, &self.plugins[usize::from(*number)]))
    }

    /// The place of a plugin in the order of an extension point, if it is asked there.
    pub fn place(&self, point: ExtensionPoint, plugin: u8) -> Option<usize> {
        self.orders[point as usize].iter().position(|number| *number == plugin)
    }

    /// The plugins that prepare something for a pod before the nodes are looked at: those of PreFilter, and then those
    /// that have a Filter and no PreFilter.
    pub fn preparing(&self) -> impl Iterator<Item = (u8, &Enabled)> {
        let only_filter = self
            .at(ExtensionPoint::Filter)
            .filter(|(number, _)| self.place(ExtensionPoint::PreFilter, *number).is_none());
        self.at(ExtensionPoint::PreFilter).chain(only_filter)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> &'static PluginEntry {
        plugins::ALL.iter().find(|entry| entry.name == name).expect("the plugin is registered")
    }

    fn names(profile: &Profile, point: ExtensionPoint) -> Vec<&'static str> {
        profile.at(point).map(|(_, enabled)| enabled.entry.name).collect()
    }

    #[test]
    fn each_extension_point_has_an_order_of_its_own() {
        let mut orders = PluginOrders::default();
        let [fit, taints, ports] = ["NodeResourcesFit", "TaintToleration", "NodePorts"].map(entry);
        orders.at_mut(ExtensionPoint::PreFilter).extend([fit, ports]);
        orders.at_mut(ExtensionPoint::Filter).extend([fit, ports, taints]);
        orders.at_mut(ExtensionPoint::Score).push(fit);
        let profile = Profile::of(&orders, |_| 7);
        assert_eq!(names(&profile, ExtensionPoint::Filter), ["NodeResourcesFit", "NodePorts", "TaintToleration"]);
        assert_eq!(names(&profile, ExtensionPoint::Score), ["NodeResourcesFit"]);
        assert_eq!(names(&profile, ExtensionPoint::Bind), [""; 0]);
        let prepared: Vec<&str> = profile.preparing().map(|(_, enabled)| enabled.entry.name).collect();
        assert_eq!(prepared, ["NodeResourcesFit", "NodePorts", "TaintToleration"]);
        let numbered: Vec<(&str, i64)> =
            profile.plugins.iter().map(|enabled| (enabled.entry.name, enabled.weight)).collect();
        assert_eq!(numbered, [("TaintToleration", 0), ("NodeResourcesFit", 7), ("NodePorts", 0)]);
    }
}
