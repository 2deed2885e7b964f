//! Which plugins a profile comes to: upstream's defaults, what `multiPoint` says, and what each extension point says.
//!
//! Upstream: `pkg/scheduler/apis/config/v1/default_plugins.go` (`mergePlugins`), then
//! `pkg/scheduler/framework/runtime/framework.go` (`updatePluginList`, `expandMultiPointPlugins`, `getScoreWeights`).
//! Stricter than upstream: a name that is disabled must be one that a profile can have, and a plugin that filters or
//! scores with what it prepares before may not be without that, where upstream fails each pod with an error.

use super::file::{PluginFile, PluginSetFile, PluginsFile};
use super::{Complaints, REMOVED_PLUGINS};
use crate::api::located::Place;
use crate::scheduler::{ExtensionPoint, PluginEntry, PluginOrders, plugins};

/// The plugins that score the same without PreScore: upstream computes what is missing.
const SCORE_ALONE: [&str; 3] = ["NodeResourcesFit", "NodeResourcesBalancedAllocation", "NodeAffinity"];

const EVERY: &str = "*";

/// A plugin that is enabled; a weight of zero is none.
#[derive(Clone, Copy, Debug)]
struct Listed {
    entry: &'static PluginEntry,
    weight: i64,
}

/// What is enabled and disabled.
#[derive(Clone, Debug, Default)]
struct Set {
    enabled: Vec<Listed>,
    disabled: Vec<String>,
}

impl Set {
    fn enables(&self, entry: &PluginEntry) -> bool {
        self.enabled.iter().any(|listed| listed.entry.name == entry.name)
    }

    fn disables(&self, name: &str) -> bool {
        self.disabled.iter().any(|disabled| disabled == name)
    }
}

/// The plugins of a profile with the weights of those that score.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) orders: PluginOrders,
    pub(super) weights: Vec<(&'static str, i64)>,
}

/// What the section `plugins` of a profile comes to.
pub(super) fn choose(
    file: &PluginsFile,
    place: &Place<'_>,
    scheduler_name: &str,
    complaints: &mut Complaints,
) -> Chosen {
    let before = complaints.count();
    let multi_point = with_defaults(read(file.multi_point.as_ref(), None, &place.key("multiPoint"), complaints));
    let sets = ExtensionPoint::ALL.map(|point| {
        let (name, set) = of_point(file, point);
        read(set, Some(point), &place.key(name), complaints)
    });
    let mut orders = PluginOrders::default();
    for (point, set) in ExtensionPoint::ALL.into_iter().zip(&sets) {
        orders.at_mut(point).extend(expand(&multi_point, set, point));
    }
    if complaints.count() == before {
        check(&orders, place, scheduler_name, complaints);
        check_cards(&orders, place, complaints);
    }
    let scoring = &sets[ExtensionPoint::Score as usize];
    let weights = scoring.enabled.iter().chain(&multi_point.enabled);
    // The first that is said of a plugin holds.
    let weights =
        weights.map(|listed| (listed.entry.name, if listed.weight == 0 { 1 } else { listed.weight })).collect();
    Chosen { orders, weights }
}

impl Chosen {
    pub(super) fn weight(&self, entry: &PluginEntry) -> i64 {
        self.weights.iter().find(|(name, _)| *name == entry.name).map_or(1, |(_, weight)| *weight)
    }
}

/// The key of an extension point, and what stands there.
pub(super) fn of_point(file: &PluginsFile, point: ExtensionPoint) -> (&'static str, Option<&PluginSetFile>) {
    let (name, set) = match point {
        ExtensionPoint::PreEnqueue => ("preEnqueue", &file.pre_enqueue),
        ExtensionPoint::QueueSort => ("queueSort", &file.queue_sort),
        ExtensionPoint::PreFilter => ("preFilter", &file.pre_filter),
        ExtensionPoint::Filter => ("filter", &file.filter),
        ExtensionPoint::PostFilter => ("postFilter", &file.post_filter),
        ExtensionPoint::PreScore => ("preScore", &file.pre_score),
        ExtensionPoint::Score => ("score", &file.score),
        ExtensionPoint::Reserve => ("reserve", &file.reserve),
        ExtensionPoint::Permit => ("permit", &file.permit),
        ExtensionPoint::PreBind => ("preBind", &file.pre_bind),
        ExtensionPoint::Bind => ("bind", &file.bind),
        ExtensionPoint::PostBind => ("postBind", &file.post_bind),
    };
    (name, set.as_ref())
}

/// A set as it is typed, its names looked up; `point` is absent for `multiPoint`.
fn read(
    file: Option<&PluginSetFile>,
    point: Option<ExtensionPoint>,
    place: &Place<'_>,
    complaints: &mut Complaints,
) -> Set {
    let mut set = Set::default();
    let Some(file) = file else { return set };
    for (index, plugin) in file.enabled.iter().flatten().enumerate() {
        let place = place.key("enabled").index(index).key("name");
        let Some(entry) = look_up(&plugin.name, &place, complaints) else { continue };
        let what = point.map_or("MultiPoint".to_owned(), |point| format!("{point:?}"));
        if point.is_some_and(|point| !entry.points.contains(&point)) {
            complaints.say(place.error(format!("plugin {:?} does not extend {what} plugin", plugin.name)));
        } else if set.enables(entry) {
            complaints.say(place.error(format!("plugin {:?} already registered as \"{what}Plugin\"", plugin.name)));
        } else {
            set.enabled.push(Listed { entry, weight: plugin.weight.map_or(0, i64::from) });
        }
    }
    for (index, plugin) in file.disabled.iter().flatten().enumerate() {
        let place = place.key("disabled").index(index).key("name");
        if plugin.name != EVERY && !can_be_disabled(&plugin.name) {
            unknown(&plugin.name, &place, complaints);
        }
        set.disabled.push(plugin.name.clone());
    }
    set
}

/// A plugin that is to be enabled.
fn look_up(name: &str, place: &Place<'_>, complaints: &mut Complaints) -> Option<&'static PluginEntry> {
    let found = plugins::ALL.iter().copied().find(|entry| entry.name == name);
    if found.is_none() {
        match name {
            EVERY => {
                let help = "name each plugin; * stands for all of them in disabled only";
                complaints.say(place.error_help("plugin \"*\" does not exist", help));
            }
            _ => unknown(name, place, complaints),
        }
    }
    found
}

fn can_be_disabled(name: &str) -> bool {
    let registered = plugins::ALL.iter().any(|entry| entry.name == name);
    registered || REMOVED_PLUGINS.contains(&name)
}

/// Says that there is no plugin of a name.
pub(super) fn unknown(name: &str, place: &Place<'_>, complaints: &mut Complaints) {
    if REMOVED_PLUGINS.contains(&name) {
        let version = super::API_VERSION;
        let detail = format!("was invalid in version \"v1\" (KubeSchedulerConfiguration is version {version:?})");
        return complaints.invalid(place, name, detail);
    }
    let names: Vec<&str> = plugins::ALL.iter().map(|entry| entry.name).collect();
    let help = match crate::api::located::suggestion(name, &names) {
        Some(near) => near,
        None => "only plugins of upstream's own registry and a few of ours are simulated: see wavetank list plugins"
            .to_owned(),
    };
    complaints.say(place.error_help(format!("plugin {name:?} does not exist"), help));
}

/// The set of `multiPoint` with upstream's defaults: what is named keeps its place among them. Upstream:
/// `mergePluginSet`. The default sets of extension points are empty, so that there it changes nothing.
fn with_defaults(custom: Set) -> Set {
    let said = |entry: &PluginEntry| custom.enabled.iter().find(|listed| listed.entry.name == entry.name).copied();
    let mut enabled: Vec<Listed> = Vec::new();
    if !custom.disables(EVERY) {
        let kept = plugins::of_upstream().filter(|entry| !custom.disables(entry.name));
        enabled.extend(kept.map(|entry| said(entry).unwrap_or(Listed { entry, weight: entry.weight })));
    }
    let is_new = |listed: &&Listed| !enabled.iter().any(|kept| kept.entry.name == listed.entry.name);
    let added: Vec<Listed> = custom.enabled.iter().filter(is_new).copied().collect();
    enabled.extend(added);
    Set { enabled, disabled: custom.disabled }
}

/// The plugins of an extension point: first those that it lists although `multiPoint` has them, then those of
/// `multiPoint`, then what else it lists. Upstream: `expandMultiPointPlugins`.
fn expand(multi_point: &Set, set: &Set, point: ExtensionPoint) -> Vec<&'static PluginEntry> {
    let listed = set.enabled.iter().map(|listed| listed.entry);
    if set.disables(EVERY) {
        return listed.collect();
    }
    let comes = |entry: &&PluginEntry| entry.points.contains(&point) && !set.disables(entry.name);
    let coming: Vec<&'static PluginEntry> =
        multi_point.enabled.iter().map(|listed| listed.entry).filter(comes).collect();
    let (overriding, others): (Vec<_>, Vec<_>) =
        listed.partition(|entry| coming.iter().any(|coming| coming.name == entry.name));
    let rest = coming.into_iter().filter(|entry| !set.enables(entry));
    overriding.into_iter().chain(rest).chain(others).collect()
}

/// What a profile must have to work.
fn check(orders: &PluginOrders, place: &Place<'_>, scheduler_name: &str, complaints: &mut Complaints) {
    let of = format!("for profile with scheduler name {scheduler_name:?}");
    let sorting = orders.at(ExtensionPoint::QueueSort).len();
    if sorting != 1 {
        complaints.say(place.error(format!("only one queue sort plugin required {of}, but got {sorting}")));
    }
    if orders.at(ExtensionPoint::Bind).is_empty() {
        complaints.say(place.error(format!("at least one bind plugin is needed {of}")));
    }
    for (point, before, key, alone) in [
        (ExtensionPoint::Filter, ExtensionPoint::PreFilter, ("filter", "preFilter"), [].as_slice()),
        (ExtensionPoint::Score, ExtensionPoint::PreScore, ("score", "preScore"), SCORE_ALONE.as_slice()),
    ] {
        for entry in orders.at(point) {
            if entry.points.contains(&before) && !orders.has(before, entry) && !alone.contains(&entry.name) {
                let ((here, there), name) = (key, entry.name);
                complaints.say(place.error_help(
                    format!("{name} is enabled at {here}, but not at {there}, where it prepares what it needs"),
                    format!("enable it at {there} as well, or disable it at {here} too"),
                ));
            }
        }
    }
}

/// Cards that are asked for must be given out too, or they never run out.
fn check_cards(orders: &PluginOrders, place: &Place<'_>, complaints: &mut Complaints) {
    let entry = &plugins::gpu_share::ENTRY;
    let (filters, reserves) = (orders.has(ExtensionPoint::Filter, entry), orders.has(ExtensionPoint::Reserve, entry));
    if filters != reserves {
        let (here, there) = if filters { ("filter", "reserve") } else { ("reserve", "filter") };
        complaints.say(place.error_help(
            format!("GpuShare is enabled at {here}, but not at {there}"),
            format!("enable it at {there} as well, or at multiPoint"),
        ));
    }
}

/// Whether two sets say the same.
pub(super) fn same(one: Option<&PluginSetFile>, other: Option<&PluginSetFile>) -> bool {
    fn lists(set: Option<&PluginSetFile>) -> [&[PluginFile]; 2] {
        set.map_or([&[], &[]], |set| {
            [set.enabled.as_deref().unwrap_or_default(), set.disabled.as_deref().unwrap_or_default()]
        })
    }
    lists(one) == lists(other)
}
