//! Settings of kube-scheduler as they are typed: flags, and what `--config` names.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::{FlagText, FlagsFile};
use crate::scheduler::CONFIG;

/// The flags of kube-scheduler.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SchedulerFlagsFile {
    /// `config`.
    pub config: Option<SchedulerConfigFile>,
    /// All others.
    pub flags: FlagsFile,
}

/// A `KubeSchedulerConfiguration`, which is read strictly later.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SchedulerConfigFile {
    /// A path, from the scenario file's folder on.
    Path(String),
    /// The document in place.
    InPlace,
}

impl<'de> Deserialize<'de> for SchedulerFlagsFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SchedulerFlagsFile, D::Error> {
        struct FlagsVisitor;

        impl<'de> Visitor<'de> for FlagsVisitor {
            type Value = SchedulerFlagsFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SchedulerFlagsFile, A::Error> {
                let mut file = SchedulerFlagsFile::default();
                while let Some(name) = map.next_key::<String>()? {
                    if name == CONFIG.name {
                        file.config = Some(map.next_value()?);
                    } else {
                        let value: FlagText = map.next_value()?;
                        file.flags.insert(name, value);
                    }
                }
                Ok(file)
            }
        }
        deserializer.deserialize_map(FlagsVisitor)
    }
}

impl<'de> Deserialize<'de> for SchedulerConfigFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SchedulerConfigFile, D::Error> {
        struct ConfigVisitor;

        impl<'de> Visitor<'de> for ConfigVisitor {
            type Value = SchedulerConfigFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the path of a KubeSchedulerConfiguration, or the document itself")
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<SchedulerConfigFile, E> {
                Ok(SchedulerConfigFile::Path(path.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SchedulerConfigFile, A::Error> {
                while map.next_entry::<String, serde_json::Value>()?.is_some() {}
                Ok(SchedulerConfigFile::InPlace)
            }
        }
        deserializer.deserialize_any(ConfigVisitor)
    }
}
