//! Conversations recorded from a real API server (1.23), played to the store.
//!
//! A method, path, query and body become a [`Request`] where there is one that says the same; the answer becomes a code
//! and a body again. Recorded texts hold marks (`<uid>`, `<time>`, `<value>`) that match anything. What 1.34 has added
//! by design is taken out of our answers first ([`without_news`]). Not compared: `details` of a failure,
//! `managedFields`, warnings.
//!
//! Not expressed: server-side apply, field selectors other than a pod's node and a name, chunked lists.

use std::fmt::Write as _;
use std::process::Command;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Server;
use crate::api::{Kind, Labels, Name, Object, Selector, Uid, convert};
use crate::event::{
    Answer, ApiError, DeleteOptions, ErrorReason, Filter, ListAt, Patch, PatchKind, Preconditions, Propagation, Query,
    Request, Subresource, Target,
};

/// Conversations that must go on agreeing, word for word.
const KEPT: &str = include_str!("conversations.jsonl");
/// The namespace of every conversation.
const NAMESPACE: &str = "ns";

#[derive(Deserialize)]
struct Conversation {
    name: String,
    requests: Vec<Call>,
    expected: Vec<Heard>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Call {
    method: String,
    path: String,
    #[serde(default)]
    query: serde_json::Map<String, Value>,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    body: Value,
}

#[derive(Deserialize)]
struct Heard {
    code: u16,
    body: Value,
}

/// What a path is about.
struct Place {
    kind: Kind,
    namespace: Name,
    name: Name,
    subresource: String,
}

/// What becomes of a call.
enum Said {
    Answered(u16, Value),
    /// There is no request for it.
    Inexpressible,
}

#[test]
fn kept_conversations_agree_word_for_word() {
    let mut wrong = String::new();
    for line in KEPT.lines() {
        let conversation: Conversation = serde_json::from_str(line).expect("a line is a conversation");
        for difference in play(&conversation).differences {
            let _ = writeln!(wrong, "{}: {difference}", conversation.name);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(KEPT.lines().count() >= 40, "conversations are kept");
}

/// How many conversations of a family differ at most, with what 1.34 changes by design among them. Lower a number to see
/// the differences.
const DIFFER_AT_MOST: &[(&str, usize)] = &[
    ("default", 4),
    ("invalid", 42),
    ("update", 9),
    ("delete", 7),
    ("patch", 11),
    ("list", 0),
    ("misc", 6),
    ("apply", 0),
];

/// With `WAVETANK_CONVERSATIONS` set to the path of all recorded conversations (JSON lines, gzip), plays all of them:
/// no family may agree less than it did. Without it, the kept ones above are what is looked at.
#[test]
fn conversations_that_are_named_from_outside_are_compared() {
    let Ok(path) = std::env::var("WAVETANK_CONVERSATIONS") else {
        return;
    };
    let unpacked = Command::new("gzip").args(["-dc", &path]).output().expect("gzip can be run").stdout;
    let text = String::from_utf8(unpacked).expect("conversations are text");
    let mut report = String::new();
    let mut families: std::collections::BTreeMap<String, [usize; 4]> = std::collections::BTreeMap::new();
    for line in text.lines() {
        let conversation: Conversation = serde_json::from_str(line).expect("a line is a conversation");
        let family = conversation.name.split('-').next().unwrap_or_default().to_owned();
        let played = play(&conversation);
        let counts = families.entry(family).or_default();
        counts[0] += 1;
        counts[1] += usize::from(played.differences.is_empty() && played.inexpressible == 0);
        counts[2] += usize::from(played.differences.is_empty() && played.inexpressible > 0);
        counts[3] += usize::from(!played.differences.is_empty());
        for difference in played.differences {
            let _ = writeln!(report, "{}: {difference}", conversation.name);
        }
    }
    let mut worse = Vec::new();
    for (family, [all, agree, partly, differ]) in families {
        if DIFFER_AT_MOST.iter().find(|(known, _)| *known == family).is_none_or(|(_, most)| differ > *most) {
            worse.push(family.clone());
        }
        let _ = writeln!(
            report,
            "{family}: {all} in all, {agree} agree, {partly} agree as far as they can be said, {differ} differ"
        );
    }
    assert!(worse.is_empty(), "more differ in {worse:?}:\n{report}");
}

#[derive(Default)]
struct Played {
    differences: Vec<String>,
    inexpressible: usize,
}

fn play(conversation: &Conversation) -> Played {
    let mut server = Server::new();
    server.create_namespace(NAMESPACE);
    let mut played = Played::default();
    let (mut first, mut newest) = (Value::Null, Value::Null);
    for (number, (call, heard)) in conversation.requests.iter().zip(&conversation.expected).enumerate() {
        server.sleep(1);
        match server.call(&call.filled(&first, &newest)) {
            Said::Inexpressible => {
                played.inexpressible += 1;
                if call.method != "GET" {
                    break;
                }
            }
            Said::Answered(code, body) => {
                if body.pointer("/metadata/uid").is_some() {
                    newest = body.clone();
                    if first.is_null() {
                        first = body.clone();
                    }
                }
                if let Some(difference) = compare(heard, code, body) {
                    let what = format!(
                        "{} {} {} {}",
                        number,
                        call.method,
                        call.path,
                        call.content_type.as_deref().unwrap_or("")
                    );
                    played.differences.push(format!("{what}: {difference}"));
                }
            }
        }
    }
    played
}

fn compare(heard: &Heard, code: u16, ours: Value) -> Option<String> {
    let mut theirs: Value =
        serde_json::from_str(&heard.body.to_string().replace("{ns}", NAMESPACE)).expect("it is JSON still");
    if theirs["kind"] == "Status" {
        theirs.as_object_mut().expect("a Status has fields").retain(|name, _| name != "details" && name != "code");
    }
    if heard.code != code {
        let text = |body: &Value| body.get("message").map_or("an object".to_owned(), Value::to_string);
        return Some(format!("code {code}, not {}: ours {}, theirs {}", heard.code, text(&ours), text(&theirs)));
    }
    let ours = without_news(ours, &theirs);
    first_difference("", &theirs, &ours)
}

/// Our answer without what later versions have added by design, where the recorded one does not have it either:
/// `metadata.generation` of pods and others (1.33), `podReplacementPolicy` and others; and without what the recording
/// server was told to leave out (service accounts).
fn without_news(mut ours: Value, theirs: &Value) -> Value {
    const NEWS: &[&str] = &[
        "/metadata/generation",
        "/status/observedGeneration",
        "/spec/serviceAccountName",
        "/spec/serviceAccount",
        "/spec/podReplacementPolicy",
        "/spec/manualSelector",
        "/spec/persistentVolumeClaimRetentionPolicy",
    ];
    for pointer in NEWS {
        let (parent, field) = pointer.rsplit_once('/').expect("a pointer has a slash");
        if theirs.pointer(pointer).is_none()
            && let Some(fields) = ours.pointer_mut(parent).and_then(Value::as_object_mut)
        {
            fields.remove(field);
        }
    }
    let items = ours.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take);
    if let Some(items) = items {
        let other = |index: usize| theirs.pointer(&format!("/items/{index}")).cloned().unwrap_or_default();
        let items = items.into_iter().enumerate().map(|(index, item)| without_news(item, &other(index)));
        ours["items"] = items.collect();
    }
    ours
}

/// The path of the first field that differs; marks in the recorded text match anything.
fn first_difference(path: &str, theirs: &Value, ours: &Value) -> Option<String> {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => {
            let missing = theirs.iter().find(|(name, value)| !ours.contains_key(*name) && !is_empty(value));
            if let Some((name, value)) = missing {
                return Some(format!("{path}/{name} is missing: {value}"));
            }
            if let Some((name, value)) =
                ours.iter().find(|(name, value)| !theirs.contains_key(*name) && !is_empty(value))
            {
                return Some(format!("{path}/{name} is not theirs: {value}"));
            }
            theirs.iter().find_map(|(name, value)| first_difference(&format!("{path}/{name}"), value, ours.get(name)?))
        }
        (Value::Array(theirs), Value::Array(ours)) if theirs.len() == ours.len() => {
            let pairs = theirs.iter().zip(ours).enumerate();
            pairs
                .into_iter()
                .find_map(|(index, (theirs, ours))| first_difference(&format!("{path}/{index}"), theirs, ours))
        }
        (Value::String(pattern), Value::String(text)) if matches(pattern, text) => None,
        (Value::String(pattern), Value::Number(_)) if pattern.starts_with('<') && pattern.ends_with('>') => None,
        (theirs, ours) if theirs == ours => None,
        (theirs, ours) => Some(format!("{path} is {ours}, not {theirs}")),
    }
}

/// Whether a value says nothing: zeros and nulls that the real server writes out and ours leaves away.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(holds) => !holds,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
    }
}

/// Whether a text fits a pattern with marks: `<…>` in angle brackets stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    const MARKS: &[&str] =
        &["<uid>", "<resourceVersion>", "<time>", "<ip>", "<ip6>", "<port>", "<value>", "<n>", "<r>"];
    let next = MARKS.iter().filter_map(|mark| Some((pattern.find(mark)?, mark.len()))).min();
    let Some((at, length)) = next else { return pattern == text };
    let Some(rest) = text.strip_prefix(&pattern[..at]) else { return false };
    let pattern = &pattern[at + length..];
    rest.char_indices().map(|(index, _)| index).chain([rest.len()]).any(|index| matches(pattern, &rest[index..]))
}

impl Call {
    /// The call with the namespace and the identities of earlier answers filled in.
    fn filled(&self, first: &Value, newest: &Value) -> Call {
        let of = |object: &Value, field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let fill = |text: &str| {
            text.replace("{ns}", NAMESPACE)
                .replace("$RV1", &of(first, "resourceVersion"))
                .replace("$UID1", &of(first, "uid"))
                .replace("$RV", &of(newest, "resourceVersion"))
                .replace("$UID", &of(newest, "uid"))
        };
        Call {
            method: self.method.clone(),
            path: fill(&self.path),
            query: self.query.clone(),
            content_type: self.content_type.clone(),
            body: serde_json::from_str(&fill(&self.body.to_string())).expect("it is JSON still"),
        }
    }

    fn place(&self) -> Option<Place> {
        let mut words = self.path.trim_start_matches('/').split('/');
        let (group, version) = match words.next()? {
            "api" => ("", words.next()?),
            _ => (words.next()?, words.next()?),
        };
        let rest: Vec<&str> = words.collect();
        let (namespace, rest) = match rest.as_slice() {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            rest => ("", rest),
        };
        let kind = Kind::ALL.iter().copied().find(|kind| {
            kind.info().is_some_and(|info| info.group == group && info.version == version && info.plural == rest[0])
        })?;
        let word = |index: usize| rest.get(index).copied().unwrap_or_default();
        Some(Place { kind, namespace: namespace.into(), name: word(1).into(), subresource: word(2).to_owned() })
    }

    fn patch_kind(&self) -> Option<PatchKind> {
        match self.content_type.as_deref()? {
            "application/strategic-merge-patch+json" => Some(PatchKind::StrategicMerge),
            "application/merge-patch+json" => Some(PatchKind::Merge),
            "application/json-patch+json" => Some(PatchKind::Json),
            _ => None,
        }
    }

    fn delete_options(&self) -> DeleteOptions {
        let preconditions = &self.body["preconditions"];
        DeleteOptions {
            grace_seconds: self.body["gracePeriodSeconds"].as_i64(),
            propagation: match self.body["propagationPolicy"].as_str() {
                Some("Orphan") => Some(Propagation::Orphan),
                Some("Background") => Some(Propagation::Background),
                Some("Foreground") => Some(Propagation::Foreground),
                _ => None,
            },
            preconditions: Preconditions {
                uid: preconditions["uid"].as_str().map(|uid| uid.parse().expect("any text is a uid")),
                resource_version: preconditions["resourceVersion"].as_str().and_then(|version| version.parse().ok()),
            },
        }
    }

    /// The query of a list, if it can be expressed.
    fn selection(&self, place: &Place) -> Option<Result<Query, ApiError>> {
        let text = |name: &str| self.query.get(name).and_then(Value::as_str);
        if self.query.keys().any(|name| !["labelSelector", "fieldSelector"].contains(&name.as_str())) {
            return None;
        }
        let filter = match text("fieldSelector").map(|text| text.split_once('=')) {
            None => Filter::All,
            Some(Some(("metadata.name", name))) => Filter::Named(place.namespace.clone(), name.into()),
            Some(Some(("spec.nodeName", node))) => Filter::OnNode(node.into()),
            Some(_) => return None,
        };
        let labels = match Selector::parse(text("labelSelector").unwrap_or("")) {
            Ok(labels) => labels,
            Err(message) => return Some(Err(ApiError::new(ErrorReason::BadRequest, message))),
        };
        let namespace = Some(place.namespace.clone()).filter(|namespace| !namespace.is_empty());
        Some(Ok(Query { kind: place.kind, namespace, labels, filter }))
    }
}

impl Place {
    fn target(&self) -> Target {
        Target::Name(self.kind, self.namespace.clone(), self.name.clone())
    }
}

impl Server {
    fn call(&mut self, call: &Call) -> Said {
        let Some(place) = call.place() else {
            return Said::Answered(404, json!({ "kind": "Text", "message": "404 page not found" }));
        };
        let request = match self.request(call, &place) {
            Ok(Some(request)) => request,
            Ok(None) => return Said::Inexpressible,
            Err(error) => return said(&place, Err(error), 0),
        };
        let code = if call.method == "POST" { 201 } else { 200 };
        let reply = self.handle(request);
        if place.subresource == "scale"
            && let Ok(Answer::Object(object)) = &reply
        {
            return Said::Answered(code, scale(object));
        }
        said(&place, reply, code)
    }

    /// The request that a call stands for; `None` where there is none.
    fn request(&self, call: &Call, place: &Place) -> Result<Option<Request>, ApiError> {
        let target = place.target();
        let subresource = match place.subresource.as_str() {
            "status" => Subresource::Status,
            "scale" => Subresource::Scale,
            _ => Subresource::None,
        };
        Ok(Some(match (call.method.as_str(), place.subresource.as_str()) {
            ("GET", _) if !place.name.is_empty() => Request::Get(target),
            ("GET", _) => match call.selection(place) {
                Some(query) => Request::List { query: query?, at: ListAt::Quorum },
                None => return Ok(None),
            },
            ("POST", "binding") => {
                let node = call.body["target"]["name"].as_str().unwrap_or_default().into();
                Request::Bind { pod: target, uid: Uid(0), node, annotations: Labels::default() }
            }
            ("POST", "") => Request::Create(decode(place, &call.body)?),
            ("PUT", "") => Request::Update(self.decode_update(place, &call.body)?),
            ("PATCH", _) => match call.patch_kind() {
                Some(kind) => {
                    let patch = Arc::new(Patch { kind, body: call.body.clone() });
                    Request::Patch { target, subresource, patch }
                }
                None => return Ok(None),
            },
            ("DELETE", "") if !place.name.is_empty() => Request::Delete { target, options: call.delete_options() },
            ("DELETE", "") => match call.selection(place) {
                Some(query) => Request::DeleteCollection { query: query?, options: call.delete_options() },
                None => return Ok(None),
            },
            _ => return Ok(None),
        }))
    }

    fn decode_update(&self, place: &Place, body: &Value) -> Result<Object, ApiError> {
        let object = decode(place, body)?;
        let name = &object.meta().name;
        if *name != place.name {
            let message =
                format!("the name of the object ({name}) does not match the name on the URL ({})", place.name);
            return Err(ApiError::new(ErrorReason::BadRequest, message));
        }
        Ok(object)
    }
}

fn decode(place: &Place, body: &Value) -> Result<Object, ApiError> {
    let decoded = convert::from_json(place.kind, body.clone());
    let mut object = decoded.map_err(|error| ApiError::new(ErrorReason::BadRequest, error.bad_request(place.kind)))?;
    object.meta_mut().namespace = place.namespace.clone();
    Ok(object)
}

fn said(place: &Place, reply: crate::event::Reply, code: u16) -> Said {
    let info = place.kind.info().expect("a built-in kind");
    match reply {
        Ok(Answer::Object(object)) => Said::Answered(code, convert::to_json(&object)),
        Ok(Answer::List { items, resource_version }) => {
            let items: Vec<Value> = items.iter().map(convert::to_json).map(without_type).collect();
            let body = json!({
                "kind": info.list_kind(),
                "apiVersion": info.api_version(),
                "metadata": { "resourceVersion": resource_version.to_string() },
                "items": items,
            });
            Said::Answered(code, body)
        }
        Ok(Answer::Done) => Said::Answered(code, json!({ "kind": "Status", "apiVersion": "v1", "status": "Success" })),
        Err(error) => {
            let line = error.message.lines().next().unwrap_or_default();
            let body = json!({
                "kind": "Status",
                "apiVersion": "v1",
                "status": "Failure",
                "message": line,
                "reason": error.reason.as_str(),
            });
            Said::Answered(error.reason.code(), body)
        }
    }
}

/// Objects in lists do not say what they are.
fn without_type(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    object
}

/// `autoscaling/v1` Scale of an object.
fn scale(object: &Object) -> Value {
    let meta = convert::to_json(object)["metadata"].clone();
    let scale = convert::scale_of(object).expect("the kind can be scaled");
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": meta["name"],
            "namespace": meta["namespace"],
            "uid": meta["uid"],
            "resourceVersion": meta["resourceVersion"],
            "creationTimestamp": meta["creationTimestamp"],
        },
        "spec": { "replicas": scale.replicas },
        "status": { "replicas": scale.status_replicas, "selector": scale.selector },
    })
}
