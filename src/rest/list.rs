//! Lists: what is selected, how fresh, and how much of it at a time.
//!
//! A continue token says the revision of the first page and the last name that was given. Field selectors other than
//! those that the server has an index for are applied to the list when it comes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::place::Place;
use super::{Call, shown};
use crate::api::selector::FieldSelector;
use crate::api::{Kind, Name, Object, Selector};
use crate::event::{ApiError, ErrorCause, ErrorReason, Filter, ListAt, Query};

/// How the list that comes is cut.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Page {
    fields: FieldSelector,
    limit: usize,
    /// What comes up to here was given before.
    after: Option<(Name, Name)>,
}

/// What a GET of a collection asks for.
///
/// # Errors
/// Upstream's refusals of parameters.
pub(super) fn list(call: &Call, place: &Place) -> Result<(Query, ListAt, Page), ApiError> {
    let labels = Selector::parse(call.parameter("labelSelector").unwrap_or_default());
    let labels = labels.map_err(|message| ApiError::new(ErrorReason::BadRequest, message))?;
    let fields = FieldSelector::parse(call.parameter("fieldSelector").unwrap_or_default());
    let fields = fields.map_err(|message| ApiError::new(ErrorReason::BadRequest, message))?;
    if let Some(term) = fields.terms.iter().find(|term| !is_known(place.kind, &term.field)) {
        let message = format!("field label not supported: {}", term.field);
        return Err(ApiError::new(ErrorReason::BadRequest, message));
    }
    let limit = call.parameter("limit").and_then(|limit| limit.parse().ok()).unwrap_or(0);
    let mut at = freshness(call)?;
    let mut after = None;
    if let Some(token) = call.parameter("continue") {
        let (revision, last) = read_token(token)?;
        at = ListAt::Exact(revision);
        after = Some(last);
    }
    let named = fields.requires_exact_match("metadata.name");
    let node = fields.requires_exact_match("spec.nodeName").filter(|_| place.kind == Kind::Pod);
    let filter = match (named, node) {
        (Some(name), _) if !place.namespace.is_empty() || !place.info.namespaced => {
            Filter::Named(place.namespace.clone(), name.into())
        }
        (_, Some(node)) if !node.is_empty() => Filter::OnNode(node.into()),
        _ => Filter::All,
    };
    let namespace = Some(place.namespace.clone()).filter(|namespace| !namespace.is_empty());
    // Upstream asks etcd where a page is asked for, unless a revision says otherwise.
    Ok((Query { kind: place.kind, namespace, labels, filter }, at, Page { fields, limit, after }))
}

/// `resourceVersion` and `resourceVersionMatch`. Upstream: `ValidateListOptions`.
fn freshness(call: &Call) -> Result<ListAt, ApiError> {
    let version = call.parameter("resourceVersion");
    let way = call.parameter("resourceVersionMatch");
    let forbidden = |why: &str| {
        let message = format!("Forbidden: {why}");
        let cause = ErrorCause {
            reason: "FieldValueForbidden".into(),
            message: message.clone().into(),
            field: "resourceVersionMatch".into(),
        };
        let whole = format!("ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: {message}");
        let mut error = ApiError::new(ErrorReason::Invalid, whole);
        error.causes = vec![cause];
        Err(error)
    };
    if way.is_some() && version.is_none() {
        return forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided");
    }
    if way.is_some() && call.parameter("continue").is_some() {
        return forbidden("resourceVersionMatch is forbidden when continue is provided");
    }
    let Some(version) = version else { return Ok(ListAt::Quorum) };
    let Ok(number) = version.parse::<u64>() else {
        let message = format!("Invalid value: {version:?}: strconv.ParseUint: parsing {version:?}: invalid syntax");
        return Err(ApiError::new(ErrorReason::BadRequest, format!("resourceVersion: {message}")));
    };
    match (way, number) {
        (Some("Exact"), 0) => forbidden("resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\""),
        (Some("Exact"), number) => Ok(ListAt::Exact(number)),
        (_, 0) => Ok(ListAt::Any),
        (_, number) => Ok(ListAt::NotOlderThan(number)),
    }
}

/// The fields that a kind can be selected by, beside name and namespace. Upstream: the conversions of field labels.
fn is_known(kind: Kind, field: &str) -> bool {
    let of_kind: &[&str] = match kind {
        Kind::Pod => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
        Kind::Node => &["spec.unschedulable"],
        Kind::Namespace => &["status.phase"],
        Kind::Job => &["status.successful"],
        Kind::Secret => &["type"],
        Kind::Service => &["spec.clusterIP", "spec.type"],
        Kind::ReplicationController => &["status.replicas"],
        Kind::Event => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        _ => &[],
    };
    ["metadata.name", "metadata.namespace"].contains(&field) || of_kind.contains(&field)
}

impl Page {
    /// The body of a list.
    pub(super) fn body(&self, place: &Place, items: &[Object], revision: u64) -> Value {
        let mut left = items.iter().filter(|item| {
            let key = |meta: &crate::api::Meta| (meta.namespace.clone(), meta.name.clone());
            self.after.as_ref().is_none_or(|after| key(item.meta()) > *after)
        });
        let mut page: Vec<Value> = Vec::new();
        let mut last = None;
        for item in left.by_ref() {
            let json = shown(item);
            if !self.selects(&json) {
                continue;
            }
            page.push(without_type(json));
            last = Some(item.meta());
            if self.limit > 0 && page.len() == self.limit {
                break;
            }
        }
        let remaining = left.count();
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if let Some(last) = last.filter(|_| remaining > 0) {
            metadata["continue"] = json!(token(revision, &last.namespace, &last.name));
            // How many of the rest a selector takes the server does not know.
            if self.fields.terms.is_empty() {
                metadata["remainingItemCount"] = json!(remaining);
            }
        }
        json!({
            "kind": place.info.list_kind(),
            "apiVersion": place.info.api_version(),
            "metadata": metadata,
            "items": page,
        })
    }

    fn selects(&self, object: &Value) -> bool {
        if self.fields.terms.is_empty() {
            return true;
        }
        let text = |path: &str| -> String {
            let value = path.split('.').try_fold(object, |value, key| value.get(key));
            match value {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            }
        };
        self.fields.terms.iter().all(|term| (text(&term.field) == *term.value) == term.wanted)
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

fn token(revision: u64, namespace: &str, name: &str) -> String {
    let start = if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") };
    let text = json!({"v": "meta.k8s.io/v1", "rv": revision, "start": start}).to_string();
    URL_SAFE_NO_PAD.encode(text)
}

fn read_token(token: &str) -> Result<(u64, (Name, Name)), ApiError> {
    let read = || -> Option<(u64, (Name, Name))> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let value: Value = serde_json::from_slice(&bytes).ok()?;
        let start = value["start"].as_str()?;
        let (namespace, name) = start.split_once('/').unwrap_or(("", start));
        Some((value["rv"].as_u64()?, (namespace.into(), name.into())))
    };
    read().ok_or_else(|| ApiError::new(ErrorReason::BadRequest, "continue key is not valid"))
}
