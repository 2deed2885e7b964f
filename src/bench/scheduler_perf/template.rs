//! The templates that ops name: files with one object each, read as strictly as manifests, and judged as the API server
//! judges what is created.
//!
//! Upstream switches the admission plugin Priority off, and gives pods a `priority` without a class. Here that stays on:
//! a class of that value is made. Of Go's template language only `{{.Index}}` and `{{.Count}}` are known.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::api::convert::{self, ConvertError};
use crate::api::located::{InputErrors, Issue, Place};
use crate::api::manifest::{Manifest, read_manifests};
use crate::api::{Kind, Object, validation};
use crate::scenario::{Found, ReadPath};

/// What reads templates.
pub(super) struct Templates<'a> {
    read: &'a ReadPath<'a>,
    /// Where relative paths start: the folder of the file that names them.
    folder: PathBuf,
    /// The priorities that pods ask for without a class.
    pub(super) priorities: BTreeSet<i32>,
}

/// Which of several objects of a template is meant.
#[derive(Clone, Copy)]
pub(super) struct Copy {
    pub(super) index: u32,
    pub(super) count: u32,
}

impl<'a> Templates<'a> {
    pub(super) fn new(read: &'a ReadPath<'a>, folder: PathBuf) -> Templates<'a> {
        Templates { read, folder, priorities: BTreeSet::new() }
    }

    /// A file's name and text, by the path that stands at a place.
    pub(super) fn file(&self, place: &Place<'_>) -> Result<(String, String), InputErrors> {
        let path = self.folder.join(place.text().unwrap_or_default());
        let name = path.display().to_string();
        match (self.read)(&path) {
            Ok(Found::File(text)) => Ok((name, text)),
            Ok(Found::Folder(_)) => Err(place.error(format!("{name} is a folder")).into()),
            Err(why) => Err(place.error(format!("{name} cannot be read: {why}")).into()),
        }
    }

    /// The object of the file whose path stands at a place. `wanted` is its kind, where only one will do; a namespaced
    /// object goes into the namespace.
    pub(super) fn object(
        &mut self,
        place: &Place<'_>,
        wanted: Option<Kind>,
        namespace: Option<&str>,
        copy: Option<Copy>,
    ) -> Result<Object, InputErrors> {
        let (file, mut text) = self.file(place)?;
        if let Some(copy) = copy {
            text = filled(&text, copy);
        }
        if text.contains("{{") {
            let help = match copy {
                Some(_) => "{{.Index}} and {{.Count}} are known",
                None => "templates of createAny may have {{.Index}} and {{.Count}}",
            };
            return Err(place.error_help(format!("{file} holds an expression that is not known here"), help).into());
        }
        let manifests = read_manifests(&file, &text)?;
        let [manifest] = manifests.as_slice() else {
            return Err(place.error(format!("{file} holds {} objects: a template is one", manifests.len())).into());
        };
        let Some(kind) = manifest.kind else {
            let (kind, version) = (&manifest.kind_name, &manifest.api_version);
            return Err(place.error(format!("{file}: the kind {kind} of {version} is not known here")).into());
        };
        if wanted.is_some_and(|wanted| wanted != kind) {
            let wanted = wanted.and_then(Kind::info).map_or("", |info| info.kind.as_ref());
            return Err(place.error(format!("{file} holds a {}, not a {wanted}", manifest.kind_name)).into());
        }
        let json = self.placed(manifest, kind, namespace, place)?;
        made(manifest, kind, json)
    }

    /// The manifest in its namespace, with a class for the priority of a pod.
    fn placed(
        &mut self,
        manifest: &Manifest,
        kind: Kind,
        namespace: Option<&str>,
        place: &Place<'_>,
    ) -> Result<Value, InputErrors> {
        let mut json = manifest.json.clone();
        let namespaced = kind.info().is_some_and(|info| info.namespaced);
        let (name, file) = (&manifest.kind_name, &manifest.file);
        match (namespaced, namespace) {
            (true, Some(namespace)) => json["metadata"]["namespace"] = json!(namespace),
            (true, None) => {
                let help = "give the op a namespace";
                return Err(place.error_help(format!("{file}: a {name} lives in a namespace"), help).into());
            }
            (false, _) => {}
        }
        let spec = &mut json["spec"];
        if kind == Kind::Pod
            && spec["priorityClassName"].as_str().unwrap_or_default().is_empty()
            && let Some(priority) = spec["priority"].as_i64().and_then(|priority| i32::try_from(priority).ok())
        {
            self.priorities.insert(priority);
            spec["priorityClassName"] = json!(class_name(priority));
        }
        Ok(json)
    }
}

/// The class of a priority that pods ask for by its value.
pub(super) fn priority_class(value: i32) -> Object {
    let class = json!({
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": class_name(value)},
        "value": value,
    });
    convert::from_json(Kind::PriorityClass, class).expect("a class with a value can be read")
}

fn class_name(value: i32) -> String {
    let sign = if value < 0 { "minus-" } else { "" };
    format!("priority-{sign}{}", value.unsigned_abs())
}

fn filled(text: &str, copy: Copy) -> String {
    let mut text = text.to_owned();
    for (name, value) in [("Index", copy.index), ("Count", copy.count)] {
        for written in [format!("{{{{.{name}}}}}"), format!("{{{{ .{name} }}}}")] {
            text = text.replace(&written, &value.to_string());
        }
    }
    text
}

/// The object, if the API server would take it.
fn made(manifest: &Manifest, kind: Kind, json: Value) -> Result<Object, InputErrors> {
    let refused = |error: ConvertError| InputErrors::from(manifest.error(&error.issue()));
    let json = convert::normalise(kind, json).map_err(refused)?;
    let errors = validation::validate_create(kind, &json);
    if !errors.is_empty() {
        let issues: Vec<Issue> =
            errors.iter().map(|error| ConvertError::new(error.path.clone(), error.body()).issue()).collect();
        return Err(manifest.located.errors(&manifest.file, &issues));
    }
    convert::from_json(kind, json).map_err(refused)
}
