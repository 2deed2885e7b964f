//! Faults as they are typed.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::{ClaimFile, Duration, DurationRange, Every};

/// What breaks, and when: one of `at`, `every` and `when`, and exactly one fault, by the name under which
/// `wavetank list faults` has it.
#[derive(Clone, PartialEq, Debug, Default)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", schemars(deny_unknown_fields, rename = "Fault", transform = crate::scenario::schema::with_faults))]
pub struct FaultFile {
    /// It strikes at this instant.
    pub at: Option<Duration>,
    /// It strikes again and again: `10m`, or `10m ±2m`, each time off by two minutes at most.
    pub every: Option<Every>,
    /// It strikes when a claim comes to hold.
    pub when: Option<ClaimFile>,
    /// With `every`: the instant of the first strike. Default: after one period. With `when`: the claim is not looked at
    /// before. Default: the start of the simulation.
    pub from: Option<Duration>,
    /// With `every`: no strike after this instant. Default: the end of the run.
    pub until: Option<Duration>,
    /// With `when`: from the claim's coming true to the strike. Default: none.
    pub after: Option<Duration>,
    /// With `when`: how often it strikes, each time that the claim comes to hold anew. Default: once.
    #[cfg_attr(feature = "cli", schemars(range(min = 1)))]
    pub times: Option<u32>,
    /// How long a strike lasts, a duration or a range. Default: for ever.
    pub lasts: Option<DurationRange>,
    /// The faults that are named, with their parameters.
    #[cfg_attr(feature = "cli", schemars(skip))]
    pub faults: BTreeMap<String, Value>,
}

impl FaultFile {
    /// The keys that are no faults.
    pub const KEYS: [&'static str; 8] = ["at", "every", "when", "from", "until", "after", "times", "lasts"];
}

impl<'de> Deserialize<'de> for FaultFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FaultFile, D::Error> {
        struct FaultVisitor;

        impl<'de> Visitor<'de> for FaultVisitor {
            type Value = FaultFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a fault such as {at: 90s, lasts: 5m, nodeCrash: {nodes: worker-1}}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FaultFile, A::Error> {
                let mut file = FaultFile::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "at" => file.at = map.next_value()?,
                        "every" => file.every = map.next_value()?,
                        "when" => file.when = map.next_value()?,
                        "from" => file.from = map.next_value()?,
                        "until" => file.until = map.next_value()?,
                        "after" => file.after = map.next_value()?,
                        "times" => file.times = map.next_value()?,
                        "lasts" => file.lasts = map.next_value()?,
                        _ => {
                            let parameters: Value = map.next_value()?;
                            file.faults.insert(key, parameters);
                        }
                    }
                }
                Ok(file)
            }
        }
        deserializer.deserialize_map(FaultVisitor)
    }
}
