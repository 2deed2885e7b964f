//! Manifests in scenario files: paths, objects in place, and objects that are repeated.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// One entry of a list of manifests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ManifestFile {
    /// A path, from the scenario file's folder on. A folder means all its `*.yaml`, `*.yml` and `*.json` files in the
    /// order of their names.
    Path,
    /// A Kubernetes object (or a `List`) in place, or a [`RepeatFile`].
    Inline,
}

/// One or several manifests: a path, an object, or a list of both.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ManifestFiles {
    /// One.
    One(ManifestFile),
    /// A list.
    Many(Vec<ManifestFile>),
}

/// An object that is applied many times: `$(i)` in its texts and keys stands for the number of the copy, from 0 on,
/// where `as` is `i`.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Repeat")]
pub struct RepeatFile {
    /// How often, and what the number is called.
    pub repeat: RepeatBlock,
    /// The object.
    pub object: Value,
}

/// How often an object is repeated.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "RepeatBlock")]
pub struct RepeatBlock {
    /// How many copies: 1 to 100,000.
    pub count: u32,
    /// What stands for the number of the copy. Default: `i`, for `$(i)`. (YAML takes a plain `n` for false.)
    #[serde(rename = "as")]
    pub variable: Option<String>,
}

struct ManifestVisitor;

impl<'de> Visitor<'de> for ManifestVisitor {
    type Value = ManifestFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the path of a manifest, or a Kubernetes object")
    }

    fn visit_str<E: Error>(self, _path: &str) -> Result<ManifestFile, E> {
        Ok(ManifestFile::Path)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ManifestFile, A::Error> {
        // Read strictly later, from the located document.
        while map.next_entry::<String, Value>()?.is_some() {}
        Ok(ManifestFile::Inline)
    }
}

impl<'de> Deserialize<'de> for ManifestFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ManifestFile, D::Error> {
        deserializer.deserialize_any(ManifestVisitor)
    }
}

impl<'de> Deserialize<'de> for ManifestFiles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ManifestFiles, D::Error> {
        struct FilesVisitor;

        impl<'de> Visitor<'de> for FilesVisitor {
            type Value = ManifestFiles;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the path of a manifest, a Kubernetes object, or a list of both")
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<ManifestFiles, E> {
                ManifestVisitor.visit_str(path).map(ManifestFiles::One)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ManifestFiles, A::Error> {
                ManifestVisitor.visit_map(map).map(ManifestFiles::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<ManifestFiles, A::Error> {
                let mut manifests = Vec::new();
                while let Some(manifest) = items.next_element()? {
                    manifests.push(manifest);
                }
                Ok(ManifestFiles::Many(manifests))
            }
        }
        deserializer.deserialize_any(FilesVisitor)
    }
}
