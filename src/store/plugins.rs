//! Which admission plugins are on. Upstream: kube-apiserver's `--disable-admission-plugins`.
//!
//! Those that can be turned off here; upstream's others that are modelled (NamespaceLifecycle, TaintNodesByCondition)
//! always are on.

use std::fmt;

/// An admission plugin that can be turned off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdmissionPlugin {
    /// Pods get the toleration seconds of nodes that are lost.
    DefaultTolerationSeconds,
    /// LimitRanges: defaults and limits.
    LimitRanger,
    /// The priority of pods by their class.
    Priority,
    /// ResourceQuotas.
    ResourceQuota,
    /// The service account of pods.
    ServiceAccount,
}

impl AdmissionPlugin {
    /// All of them.
    pub const ALL: [AdmissionPlugin; 5] = [
        AdmissionPlugin::DefaultTolerationSeconds,
        AdmissionPlugin::LimitRanger,
        AdmissionPlugin::Priority,
        AdmissionPlugin::ResourceQuota,
        AdmissionPlugin::ServiceAccount,
    ];
}

impl fmt::Display for AdmissionPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The plugins that are turned off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DisabledPlugins(Vec<AdmissionPlugin>);

impl DisabledPlugins {
    /// Reads a list with commas between; empty: none.
    ///
    /// # Errors
    /// A name that is no plugin's, with those that are.
    pub fn parse(text: &str) -> Result<DisabledPlugins, String> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let named = |name: &str| {
            AdmissionPlugin::ALL.into_iter().find(|plugin| plugin.to_string() == name).ok_or_else(|| {
                let known: Vec<String> = AdmissionPlugin::ALL.iter().map(ToString::to_string).collect();
                format!(
                    "{name:?} is no admission plugin that can be turned off here; those that can: {}",
                    known.join(", ")
                )
            })
        };
        names.map(named).collect::<Result<Vec<_>, _>>().map(DisabledPlugins)
    }

    /// Whether a plugin is on.
    pub fn allow(&self, plugin: AdmissionPlugin) -> bool {
        !self.0.contains(&plugin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_turns_plugins_off_and_a_name_that_is_none_is_refused_with_those_that_are() {
        let disabled = DisabledPlugins::parse("ServiceAccount, Priority").expect("both are known");
        assert!(!disabled.allow(AdmissionPlugin::ServiceAccount) && !disabled.allow(AdmissionPlugin::Priority));
        assert!(disabled.allow(AdmissionPlugin::LimitRanger));
        assert_eq!(DisabledPlugins::parse(""), Ok(DisabledPlugins::default()));
        let refusal = DisabledPlugins::parse("ServiceAcount").expect_err("a slip");
        assert!(refusal.contains("ResourceQuota, ServiceAccount"), "{refusal}");
    }
}
