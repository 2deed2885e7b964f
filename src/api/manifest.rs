//! Manifests as kubectl takes them: files of objects, read strictly, custom kinds resolved against their CRDs.
//!
//! Two phases: [`read_manifests`] for each file, then [`resolve`] over all of them, since the CRD of a custom kind may
//! stand in another file. Custom objects have their metadata checked here and the rest by their CRD's schema later.
//! Left out: conversion webhooks (an object in any served version is taken over as it is).
use super::convert;
use super::kind::{Kind, KindInfo};
use super::located::{Half, InputError, InputErrors, Issue, Located, Node, Path, Segment, parse};
use super::strict;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// One object of a file.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The kind; `None` until [`resolve`] has found the CRD of a custom kind.
    pub kind: Option<Kind>,
    /// `apiVersion` as written.
    pub api_version: String,
    /// `kind` as written.
    pub kind_name: String,
    /// The object as written, not yet defaulted or normalised.
    pub json: Value,
    /// The file as the user named it.
    pub file: Arc<str>,
    /// The same object with the position of every field.
    pub located: Arc<Located>,
}

impl Manifest {
    /// An issue with this object as an error at its place in the file.
    pub fn error(&self, issue: &Issue) -> InputError {
        self.located.error(&self.file, issue)
    }

    /// `metadata.name`; empty when the object has only `generateName`.
    pub fn name(&self) -> &str {
        self.json["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// `metadata.namespace`; empty when it is not set.
    pub fn namespace(&self) -> &str {
        self.json["metadata"]["namespace"].as_str().unwrap_or_default()
    }
}

/// Reads all objects of a file: every document, lists flattened, built-in kinds checked field by field.
///
/// # Errors
/// A file that is no YAML, or every object without `apiVersion`, `kind` or name, every unknown field, and the first
/// misfit of every object.
pub fn read_manifests(file: &str, text: &str) -> Result<Vec<Manifest>, InputErrors> {
    read_documents(file, parse(file, text)?)
}

/// The same for documents that are parsed already, or parts of documents.
///
/// # Errors
/// As [`read_manifests`].
pub fn read_documents(file: &str, documents: Vec<Located>) -> Result<Vec<Manifest>, InputErrors> {
    let mut reading = Reading { file: Arc::from(file), manifests: Vec::new(), errors: Vec::new() };
    for document in documents {
        reading.object(document, None);
    }
    if reading.errors.is_empty() { Ok(reading.manifests) } else { Err(InputErrors(reading.errors)) }
}

/// Finds the kinds of custom objects among the CRDs of the same manifests and those known before. New kinds are
/// appended to `custom_kinds`, whose indexes are the numbers in [`Kind::Custom`]; a CRD known already keeps its number.
///
/// # Errors
/// Every object whose kind nobody defines, and every CRD that does not describe a kind.
pub fn resolve(manifests: &mut [Manifest], custom_kinds: &mut Vec<Arc<KindInfo>>) -> Result<(), InputErrors> {
    let mut errors = Vec::new();
    for manifest in manifests.iter() {
        if manifest.kind != Some(Kind::CustomResourceDefinition) {
            continue;
        }
        match custom_kind(&manifest.json) {
            Ok(info) => register(info, custom_kinds),
            Err(issue) => errors.push(manifest.error(&issue)),
        }
    }
    for manifest in manifests.iter_mut().filter(|manifest| manifest.kind.is_none()) {
        match find_custom(&manifest.api_version, &manifest.kind_name, custom_kinds) {
            Some(kind) => manifest.kind = Some(kind),
            None => {
                let issue = no_match(&manifest.api_version, &manifest.kind_name, custom_kinds);
                errors.push(manifest.error(&issue));
            }
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(InputErrors(errors)) }
}

/// The description of the kind that a CRD defines.
///
/// # Errors
/// A CRD that does not decode or that has not exactly one stored version.
pub fn custom_kind(crd: &Value) -> Result<KindInfo, Issue> {
    let spec = strict::decode::<CustomResourceDefinition>(crd)?.spec;
    let lower = spec.names.kind.to_lowercase();
    let mut stored = spec.versions.iter().filter(|version| version.storage);
    let (Some(storage), None) = (stored.next(), stored.next()) else {
        return Err(at("spec.versions", "must have exactly one version marked as storage version"));
    };
    Ok(KindInfo {
        group: Cow::Owned(spec.group),
        version: Cow::Owned(storage.name.clone()),
        kind: Cow::Owned(spec.names.kind),
        plural: Cow::Owned(spec.names.plural),
        singular: Cow::Owned(spec.names.singular.unwrap_or(lower)),
        short_names: spec.names.short_names.unwrap_or_default().into_iter().map(Cow::Owned).collect(),
        namespaced: spec.scope == "Namespaced",
        served_versions: spec
            .versions
            .iter()
            .filter(|version| version.served)
            .map(|version| Cow::Owned(version.name.clone()))
            .collect(),
        definition: None,
    })
}

struct Reading {
    file: Arc<str>,
    manifests: Vec<Manifest>,
    errors: Vec<InputError>,
}

impl Reading {
    /// Takes an object, or the items of a list. Items of a typed list may leave out what the list says.
    fn object(&mut self, located: Located, of_list: Option<(&str, &str)>) {
        match Self::head(&located, of_list) {
            Err(issue) => self.errors.push(located.error(&self.file, &issue)),
            Ok((api_version, kind_name)) => {
                if kind_name.ends_with("List") && located.get("items").is_some() {
                    return self.list(located, &api_version, &kind_name);
                }
                self.single(located, api_version, kind_name);
            }
        }
    }

    fn list(&mut self, located: Located, api_version: &str, kind_name: &str) {
        let item_kind = kind_name.strip_suffix("List").filter(|kind| !kind.is_empty());
        let of_list = item_kind.map(|kind| (api_version, kind));
        let at_list = (located.line, located.column);
        let Node::Map(entries) = located.value else {
            return;
        };
        let Some(items) = entries.into_iter().find(|entry| entry.key == "items") else {
            return;
        };
        match items.value.value {
            Node::List(items) => {
                for item in items {
                    self.object(item, of_list);
                }
            }
            Node::Null => {}
            Node::Bool(_) | Node::Int(_) | Node::UInt(_) | Node::Float(_) | Node::String(_) | Node::Map(_) => {
                self.errors.push(InputError {
                    file: self.file.to_string(),
                    line: items.line.max(at_list.0),
                    column: items.column,
                    path: "items".to_owned(),
                    message: "expected a list".to_owned(),
                    help: None,
                })
            }
        }
    }

    fn single(&mut self, located: Located, api_version: String, kind_name: String) {
        let json = with_head(located.to_json(), &api_version, &kind_name);
        let (kind, mut issues) = match Kind::from_gvk(&api_version, &kind_name) {
            Ok(kind) => (Some(kind), strict::check(kind, &json)),
            Err(_) if !Kind::is_built_in_group(group_of(&api_version)) => (None, check_metadata(&json)),
            Err(_) => (None, vec![no_match(&api_version, &kind_name, &[])]),
        };
        issues.extend(check_name(&json));
        if let (true, Some(kind)) = (issues.is_empty(), kind) {
            issues.extend(convert::normalise(kind, json.clone()).err().map(|error| error.issue()));
        }
        if issues.is_empty() {
            self.manifests.push(Manifest {
                kind,
                api_version,
                kind_name,
                json,
                file: self.file.clone(),
                located: Arc::new(located),
            });
        } else {
            self.errors.extend(located.errors(&self.file, &issues).0);
        }
    }

    /// `apiVersion` and `kind`.
    fn head(located: &Located, of_list: Option<(&str, &str)>) -> Result<(String, String), Issue> {
        if !matches!(located.value, Node::Map(_)) {
            return Err(Issue::whole("expected a Kubernetes object, found something that is no mapping"));
        }
        let field = |name: &'static str, inherited: Option<&str>| match located.get(name) {
            Some(value) => match value.as_str() {
                Some(text) if !text.is_empty() => Ok(text.to_owned()),
                Some(_) => Err(at(name, "must not be empty")),
                None => Err(at(name, "must be a string")),
            },
            None => inherited.map(str::to_owned).ok_or_else(|| Issue::whole(format!("{name} is not set"))),
        };
        let api_version = field("apiVersion", of_list.map(|(version, _)| version))?;
        Ok((api_version, field("kind", of_list.map(|(_, kind)| kind))?))
    }
}

fn with_head(mut json: Value, api_version: &str, kind_name: &str) -> Value {
    if let Value::Object(object) = &mut json {
        object.entry("apiVersion").or_insert_with(|| Value::from(api_version));
        object.entry("kind").or_insert_with(|| Value::from(kind_name));
    }
    json
}

fn check_metadata(json: &Value) -> Vec<Issue> {
    let Some(metadata) = json.get("metadata") else {
        return Vec::new();
    };
    let mut issues = strict::check_as::<ObjectMeta>(metadata);
    for issue in &mut issues {
        let inner = issue.path.to_string();
        issue.path.0.insert(0, Segment::Key("metadata".to_owned()));
        if !inner.is_empty() {
            // The message of an unknown field quotes the path.
            let (from, to) = (format!("\"{inner}\""), format!("\"{}\"", issue.path));
            issue.message = issue.message.replacen(&from, &to, 1);
        }
    }
    issues
}

fn check_name(json: &Value) -> Option<Issue> {
    let metadata = json.get("metadata").unwrap_or(&Value::Null);
    let has = |name: &str| {
        // What is no text has been reported already.
        metadata.get(name).is_some_and(|value| !value.is_null() && value.as_str() != Some(""))
    };
    (!has("name") && !has("generateName")).then(|| Issue {
        help: Some("every object needs metadata.name or metadata.generateName".to_owned()),
        ..at("metadata", "resource name may not be empty")
    })
}

fn at(field: &str, message: impl Into<String>) -> Issue {
    let path = field.split('.').map(|key| Segment::Key(key.to_owned())).collect();
    Issue { path: Path(path), message: message.into(), help: None, place: Half::Key }
}

fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

fn version_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or(api_version, |(_, version)| version)
}

fn register(info: KindInfo, custom_kinds: &mut Vec<Arc<KindInfo>>) {
    let known = custom_kinds.iter_mut().find(|known| known.group == info.group && known.kind == info.kind);
    match known {
        Some(known) => *known = Arc::new(info),
        None => custom_kinds.push(Arc::new(info)),
    }
}

fn find_custom(api_version: &str, kind: &str, custom_kinds: &[Arc<KindInfo>]) -> Option<Kind> {
    let (group, version) = (group_of(api_version), version_of(api_version));
    let index = custom_kinds.iter().position(|info| {
        info.group == group && info.kind == kind && info.served_versions.iter().any(|served| served == version)
    })?;
    u16::try_from(index).ok().map(Kind::Custom)
}

/// As kubectl: `no matches for kind "X" in version "y"`, with the version or name that would be right.
fn no_match(api_version: &str, kind: &str, custom_kinds: &[Arc<KindInfo>]) -> Issue {
    let same = custom_kinds.iter().find(|info| info.group == group_of(api_version) && info.kind == kind);
    let group = custom_kinds.iter().filter(|info| info.group == group_of(api_version));
    let near = super::located::nearest(kind, group.map(|info| info.kind.as_ref()));
    let built_in = Kind::from_gvk(api_version, kind).err();
    let help = match (same, near, built_in) {
        (Some(info), _, _) => {
            Some(format!("{kind} is served in {} as {}", info.group, info.served_versions.join(" and ")))
        }
        (None, Some(near), _) => Some(format!("did you mean {near:?}?")),
        (None, None, Some(built_in)) => Some(built_in.help),
        (None, None, None) => None,
    };
    Issue { help, place: Half::Value, ..at("kind", format!("no matches for kind {kind:?} in version {api_version:?}")) }
}

#[cfg(test)]
mod tests;
