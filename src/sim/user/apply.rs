//! `kubectl apply -f`: document by document, each created, or patched three ways against what was applied last.
//! Upstream: `kubectl/pkg/cmd/apply/apply.go`, `patcher.go`, `kubectl/pkg/util/apply.go`.
//!
//! A document that fails does not stop the later ones. A document has no file here: its name stands where kubectl names
//! the file. Left out: server-side apply, pruning, `--force`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::shell::{Failure, Progress, Shell, Subject};
use super::{Step, text};
use crate::api::{Kind, Name, Object, convert, merge};
use crate::event::{Answer, ApiError, ErrorReason, Patch, PatchKind, Reply, Request, Subresource};
use crate::kernel::Span;

/// What a manifest was when it was applied last.
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// How often a patch is tried again after a conflict, and how long from the second time on it waits before.
/// Upstream: `maxPatchRetry`, `triesBeforeBackOff`, `backOffPeriod`.
const RETRIES: u32 = 5;
const RETRIES_AT_ONCE: u32 = 1;
const BACK_OFF: Span = Span::from_secs(1);

/// An apply under way.
#[derive(Clone, Debug)]
pub(super) struct Apply {
    documents: Arc<[(Kind, Value)]>,
    /// The next document.
    next: usize,
    current: Option<Document>,
    awaits: Awaits,
}

/// The document that is being applied.
#[derive(Clone, Debug)]
struct Document {
    subject: Subject,
    /// The manifest with its namespace and its own text as annotation.
    modified: Value,
    retries: u32,
}

#[derive(Clone, Debug)]
enum Awaits {
    /// The object as it is.
    Current,
    /// The answer to the creation.
    Creation,
    /// The answer to this patch.
    Patch(Arc<Patch>),
}

impl Apply {
    pub(super) fn new(documents: Arc<[(Kind, Value)]>) -> Apply {
        Apply { documents, next: 0, current: None, awaits: Awaits::Current }
    }

    pub(super) fn step(&mut self, step: Step, shell: &mut Shell<'_>) -> Progress {
        match step {
            Step::Begin => {
                if self.documents.is_empty() {
                    shell.fail(Failure::Plain("no objects passed to apply".to_owned()));
                }
                self.go_on(shell)
            }
            Step::Timer(_) => self.look(shell),
            Step::Reply(_, reply) => {
                let Some(mut document) = self.current.take() else { panic!("a reply belongs to a document") };
                match self.answered(&mut document, reply, shell) {
                    Progress::UnderWay => {
                        self.current = Some(document);
                        Progress::UnderWay
                    }
                    Progress::Ended => self.go_on(shell),
                }
            }
        }
    }

    /// Where it stands.
    pub(super) fn place(&self) -> (usize, u8, u32) {
        let awaits = match self.awaits {
            Awaits::Current => 0,
            Awaits::Creation => 1,
            Awaits::Patch(_) => 2,
        };
        (self.next, awaits, self.current.as_ref().map_or(0, |document| document.retries))
    }

    /// Takes the next document that can be applied at all.
    fn go_on(&mut self, shell: &mut Shell<'_>) -> Progress {
        while let Some((kind, value)) = self.documents.get(self.next) {
            self.next += 1;
            match document(*kind, value, shell) {
                Ok(document) => {
                    self.current = Some(document);
                    return self.look(shell);
                }
                Err(why) => shell.fail(Failure::Plain(why)),
            }
        }
        Progress::Ended
    }

    fn look(&mut self, shell: &mut Shell<'_>) -> Progress {
        if let Some(document) = &self.current {
            shell.ask(0, Request::Get(document.subject.target()));
        }
        self.awaits = Awaits::Current;
        Progress::UnderWay
    }

    /// Goes on with a document; `Ended` where it is done.
    fn answered(&mut self, document: &mut Document, reply: Reply, shell: &mut Shell<'_>) -> Progress {
        let subject = &document.subject;
        let name = subject.name.as_str();
        match (&self.awaits, reply) {
            (Awaits::Current, Ok(answer)) => {
                let Answer::Object(live) = answer else { panic!("a GET is answered with an object") };
                return self.patch(document, &live, shell);
            }
            (Awaits::Current, Err(error)) if error.reason == ErrorReason::NotFound && document.retries == 0 => {
                match create(document) {
                    Ok(object) => {
                        shell.ask(0, Request::Create(object));
                        self.awaits = Awaits::Creation;
                        return Progress::UnderWay;
                    }
                    Err(error) => shell.fail(text::with_source("creating", name, error)),
                }
            }
            (Awaits::Current, Err(error)) => {
                let verb = format!("retrieving current configuration of:\n{}\nfrom server for:", subject.description());
                shell.fail(text::with_source(&verb, name, error));
            }
            (Awaits::Creation, Ok(_)) => shell.say(subject.line("created")),
            (Awaits::Creation, Err(error)) if is_unserved(&error) => {
                shell.fail(Failure::Plain(no_matches(&document.modified, name, &subject.namespace)))
            }
            (Awaits::Creation, Err(error)) => shell.fail(text::with_source("creating", name, error)),
            (Awaits::Patch(_), Ok(answer)) => {
                warn_if_deleting(subject, answer.object(), shell);
                shell.say(subject.line("configured"));
            }
            (Awaits::Patch(_), Err(error)) if error.reason == ErrorReason::Conflict && document.retries < RETRIES => {
                document.retries += 1;
                if document.retries > RETRIES_AT_ONCE {
                    shell.wait(0, BACK_OFF);
                } else {
                    shell.ask(0, Request::Get(subject.target()));
                    self.awaits = Awaits::Current;
                }
                return Progress::UnderWay;
            }
            (Awaits::Patch(patch), Err(error)) => {
                let (body, description) = (compact(&patch.body), subject.description());
                let verb = format!("applying patch:\n{body}\nto:\n{description}\nfor:");
                shell.fail(text::with_source(&verb, name, error));
            }
        }
        Progress::Ended
    }

    /// Sends what the manifest changes, if it changes anything.
    fn patch(&mut self, document: &Document, live: &Object, shell: &mut Shell<'_>) -> Progress {
        let subject = &document.subject;
        let last = live.meta().annotations.get(LAST_APPLIED);
        if last.is_none() && document.retries == 0 {
            shell.say(format!(
                "Warning: resource {} is missing the {LAST_APPLIED} annotation which is required by kubectl apply. \
                 kubectl apply should only be used on resources created declaratively by either kubectl create \
                 --save-config or kubectl apply. The missing annotation will be patched automatically.",
                subject.object_name()
            ));
        }
        let original = last.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
        let current = convert::to_json(live);
        let (kind, found) = match subject.kind {
            Kind::Custom(_) => (PatchKind::Merge, merge::three_way_json(&original, &document.modified, &current)),
            _ => (
                PatchKind::StrategicMerge,
                merge::three_way_strategic(&subject.info.kind, &original, &document.modified, &current),
            ),
        };
        let body = match found {
            Ok(body) => body,
            Err(error) => {
                let (verb, name) =
                    (format!("creating patch with:\nfor:\n{}", subject.description()), subject.name.as_str());
                shell.fail(Failure::Plain(format!("error when {verb} {name:?}: {error}")));
                return Progress::Ended;
            }
        };
        if body.as_object().is_some_and(Map::is_empty) {
            warn_if_deleting(subject, Some(live), shell);
            shell.say(subject.line("unchanged"));
            return Progress::Ended;
        }
        let patch = Arc::new(Patch { kind, body });
        let (target, subresource) = (subject.target(), Subresource::None);
        shell.ask(0, Request::Patch { target, subresource, patch: patch.clone() });
        self.awaits = Awaits::Patch(patch);
        Progress::UnderWay
    }
}

fn warn_if_deleting(subject: &Subject, object: Option<&Object>, shell: &mut Shell<'_>) {
    if object.is_some_and(|object| object.meta().is_terminating()) {
        shell.say(format!("Warning: Detected changes to resource {} which is currently being deleted.", subject.name));
    }
}

/// A manifest made ready. Upstream: the resource builder, `GetModifiedConfiguration`.
///
/// # Errors
/// A kind that is not served, or no name: what kubectl says before it asks the server anything.
fn document(kind: Kind, value: &Value, shell: &Shell<'_>) -> Result<Document, String> {
    let text_at = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or("");
    let (name, namespace) = (text_at("/metadata/name"), text_at("/metadata/namespace"));
    let Some(info) = shell.kinds.info(kind) else {
        return Err(no_matches(value, name, namespace));
    };
    let subject = Subject::new(kind, info, namespace.into(), name.into());
    if name.is_empty() {
        let base = text_at("/metadata/generateName");
        return Err(if base.is_empty() {
            let description = subject.description();
            format!(
                "error when retrieving current configuration of:\n{description}\nfrom server for: \"\": resource name \
                 may not be empty"
            )
        } else {
            format!("from {base}: cannot use generate name with apply")
        });
    }
    Ok(Document { modified: annotated(value, &subject.namespace), subject, retries: 0 })
}

/// What kubectl says of a kind that is not served, which it finds out before it asks for anything else.
fn no_matches(value: &Value, name: &str, namespace: &str) -> String {
    let text_at = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or("");
    let (kind, version) = (text_at("kind"), text_at("apiVersion"));
    format!(
        "resource mapping not found for name: {name:?} namespace: {namespace:?} from {name:?}: no matches for kind {kind:?} \
         in version {version:?}\nensure CRDs are installed first"
    )
}

fn is_unserved(error: &ApiError) -> bool {
    error.reason == ErrorReason::NotFound
        && error.message.starts_with("the server could not find the requested resource")
}

/// The manifest with its namespace and, as annotation, with its own text: compact, keys sorted, `&<>` escaped as Go
/// does, a line break at the end, `annotations` there even where empty, as kubectl leaves them.
fn annotated(manifest: &Value, namespace: &Name) -> Value {
    let mut value = manifest.clone();
    let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) else { return value };
    if namespace.is_empty() {
        metadata.remove("namespace");
    } else {
        metadata.insert("namespace".to_owned(), namespace.as_str().into());
    }
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
    if annotations.is_null() {
        *annotations = json!({});
    }
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.remove(LAST_APPLIED);
    }
    let text = compact(&value) + "\n";
    if let Some(annotations) = value.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.insert(LAST_APPLIED.to_owned(), text.into());
    }
    value
}

/// JSON as Go's encoder writes a map.
fn compact(value: &Value) -> String {
    let plain = sorted(value).to_string();
    let mut text = String::with_capacity(plain.len());
    for letter in plain.chars() {
        match letter {
            '&' | '<' | '>' | '\u{2028}' | '\u{2029}' => text.push_str(&format!("\\u{:04x}", letter as u32)),
            other => text.push(other),
        }
    }
    text
}

/// The same value with the keys of its maps in order, whatever serde_json's maps are.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let entries: BTreeMap<&String, Value> = map.iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(entries.into_iter().map(|(key, value)| (key.clone(), value)).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// The object to be created.
///
/// # Errors
/// What the API server cannot decode, as its 400.
fn create(document: &Document) -> Result<Object, ApiError> {
    let Subject { kind, info, .. } = &document.subject;
    let object = match kind {
        Kind::Custom(_) => convert::custom_from_json(*kind, info.clone(), document.modified.clone()),
        _ => convert::from_json(*kind, document.modified.clone()),
    };
    object.map_err(|error| ApiError::new(ErrorReason::BadRequest, error.bad_request(*kind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(manifest: Value, namespace: &str, expected: &str) {
        let found = annotated(&manifest, &namespace.into());
        let text = found.pointer(&format!("/metadata/annotations/{}", LAST_APPLIED.replace('/', "~1")));
        assert_eq!(text.and_then(Value::as_str), Some(expected));
    }

    #[test]
    fn the_annotation_has_the_very_form_of_kubectl() {
        check(
            json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"b": "x<y & z", "a": "1"}}),
            "default",
            "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"1\",\"b\":\"x\\u003cy \\u0026 z\"},\"kind\":\"ConfigMap\",\
             \"metadata\":{\"annotations\":{},\"name\":\"a\",\"namespace\":\"default\"}}\n",
        );
        check(
            json!({"kind": "Node", "metadata": {"name": "n", "annotations": {"a": "b", LAST_APPLIED: "old"}}}),
            "",
            "{\"kind\":\"Node\",\"metadata\":{\"annotations\":{\"a\":\"b\"},\"name\":\"n\"}}\n",
        );
    }
}
