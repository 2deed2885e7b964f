//! Manifests: paths read, objects in place checked, repeated objects copied, custom kinds resolved.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::file::{ManifestFile, ManifestFiles, RepeatFile};
use super::resource::Kinds;
use crate::api::Kind;
use crate::api::located::{Entry, InputError, InputErrors, Located, Node, Place};
use crate::api::manifest::{Manifest, read_documents, read_manifests, resolve};
use crate::api::text;
use crate::sim::Action;

/// The most copies of a repeated object.
const COPIES_MAX: u32 = 100_000;

/// What is found under a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// A file, and its text.
    File(String),
    /// A folder, and the paths of what is in it, in any order.
    Folder(Vec<PathBuf>),
}

/// Reads a path. The room itself touches no file: whoever loads a scenario gives it this. The error is the operating
/// system's sentence.
pub type ReadPath<'a> = dyn Fn(&Path) -> Result<Found, String> + 'a;

/// The files of a path: itself, or a folder's manifests in the order of their names.
pub(super) fn files(path: &Path, read: &ReadPath<'_>) -> Result<Vec<(String, String)>, String> {
    let cannot = |path: &Path, why: String| format!("{} cannot be read: {why}", path.display());
    let mut inside = match read(path).map_err(|why| cannot(path, why))? {
        Found::File(text) => return Ok(vec![(path.display().to_string(), text)]),
        Found::Folder(inside) => inside,
    };
    let is_manifest = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml" || extension == "json")
    };
    inside.retain(is_manifest);
    inside.sort();
    if inside.is_empty() {
        return Err(format!("{} holds no *.yaml, *.yml or *.json", path.display()));
    }
    let mut files = Vec::new();
    for path in inside {
        match read(&path).map_err(|why| cannot(&path, why))? {
            Found::File(text) => files.push((path.display().to_string(), text)),
            Found::Folder(_) => {}
        }
    }
    Ok(files)
}

/// What gathers manifests, in the order of time, and the kinds that their CRDs define.
pub(super) struct Gathering<'a> {
    pub(super) read: &'a ReadPath<'a>,
    /// Where relative paths start.
    pub(super) folder: PathBuf,
    pub(super) kinds: Kinds,
    /// The names of Nodes among the manifests.
    pub(super) nodes: Vec<String>,
    pub(super) errors: Vec<InputError>,
}

impl Gathering<'_> {
    /// The objects of one or several entries at a place.
    pub(super) fn any(&mut self, files: &ManifestFiles, place: &Place<'_>) -> Vec<Manifest> {
        match files {
            ManifestFiles::One(file) => self.one(*file, place),
            ManifestFiles::Many(files) => self.all(files, place),
        }
    }

    /// The objects of a list of entries at a place.
    pub(super) fn all(&mut self, files: &[ManifestFile], place: &Place<'_>) -> Vec<Manifest> {
        files.iter().enumerate().flat_map(|(index, file)| self.one(*file, &place.index(index))).collect()
    }

    fn one(&mut self, file: ManifestFile, place: &Place<'_>) -> Vec<Manifest> {
        let gathered = match file {
            ManifestFile::Path => self.path(place),
            ManifestFile::Inline => inline(place),
        };
        self.taken(gathered)
    }

    fn path(&self, place: &Place<'_>) -> Result<Vec<Manifest>, InputErrors> {
        let path = place.text().unwrap_or_default();
        let files = files(&self.folder.join(path), self.read).map_err(|why| place.error(why))?;
        let mut manifests = Vec::new();
        for (name, text) in files {
            manifests.extend(read_manifests(&name, &text)?);
        }
        Ok(manifests)
    }

    /// The objects of documents that stand by themselves.
    pub(super) fn documents(&mut self, file: &str, documents: Vec<Located>) -> Vec<Manifest> {
        let gathered = read_documents(file, documents);
        self.taken(gathered)
    }

    fn taken(&mut self, gathered: Result<Vec<Manifest>, InputErrors>) -> Vec<Manifest> {
        gathered.unwrap_or_else(|errors| {
            self.errors.extend(errors.0);
            Vec::new()
        })
    }

    /// What applies these objects. Custom kinds are looked up among the CRDs so far and their own.
    pub(super) fn apply(&mut self, mut manifests: Vec<Manifest>) -> Action {
        if let Err(errors) = resolve(&mut manifests, &mut self.kinds.custom) {
            self.errors.extend(errors.0);
        }
        let nodes = manifests.iter().filter(|manifest| manifest.kind == Some(Kind::Node));
        self.nodes.extend(nodes.map(|node| node.name().to_owned()));
        let objects: Vec<(Kind, Value)> =
            manifests.into_iter().filter_map(|manifest| Some((manifest.kind?, manifest.json))).collect();
        Action::Apply(objects.into())
    }
}

/// An object in place, or one that is repeated.
fn inline(place: &Place<'_>) -> Result<Vec<Manifest>, InputErrors> {
    let Some(located) = place.value() else { return Ok(Vec::new()) };
    if located.get("repeat").is_none() || located.get("apiVersion").is_some() {
        return read_documents(place.file, vec![located.clone()]);
    }
    let file: RepeatFile = place.read()?;
    let (count, variable) = (file.repeat.count, file.repeat.variable.as_deref().unwrap_or("i"));
    if !(1..=COPIES_MAX).contains(&count) {
        let place = place.key("repeat").key("count");
        return Err(place.error(format!("{count} copies: there can be 1 to {COPIES_MAX}")).into());
    }
    if !text::is_dns1123_label(variable).is_empty() {
        let place = place.key("repeat").key("as");
        return Err(place
            .error_help(format!("{variable:?} is no name"), "write a word in lower case, such as i")
            .into());
    }
    let Some(object) = located.get("object") else { return Ok(Vec::new()) };
    let pattern = format!("$({variable})");
    let copies = (0..count).map(|number| copy(object, &pattern, &number.to_string())).collect();
    read_documents(place.file, copies)
}

/// A copy in which all texts and keys have the number in place of the pattern.
fn copy(object: &Located, pattern: &str, number: &str) -> Located {
    let value = match &object.value {
        Node::String(text) => Node::String(text.replace(pattern, number)),
        Node::List(items) => Node::List(items.iter().map(|item| copy(item, pattern, number)).collect()),
        Node::Map(entries) => {
            let entry = |entry: &Entry| Entry {
                key: entry.key.replace(pattern, number),
                value: copy(&entry.value, pattern, number),
                ..*entry
            };
            Node::Map(entries.iter().map(entry).collect())
        }
        scalar @ (Node::Null | Node::Bool(_) | Node::Int(_) | Node::UInt(_) | Node::Float(_)) => scalar.clone(),
    };
    Located { value, ..*object }
}
