//! `Status`: what the server says where there is no object to show. Upstream: `meta/v1.Status`, `api/errors`.

use serde_json::{Map, Value, json};

use super::Response;
use crate::event::{ApiError, ErrorReason};

/// The response to a call that failed.
pub fn status(error: &ApiError) -> Response {
    let code = error.reason.code();
    let mut body = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": *error.message,
        "reason": error.reason.as_str(),
    });
    if let Some(details) = details(error) {
        body["details"] = details;
    }
    body["code"] = json!(code);
    Response { code, body }
}

/// Upstream's errors without details are those that are about no object.
fn details(error: &ApiError) -> Option<Value> {
    let mut details = Map::new();
    if let Some((resource, name)) = subject(error) {
        if !name.is_empty() {
            details.insert("name".to_owned(), json!(name));
        }
        // The group begins at the first dot: `deployments.apps`, `pods/binding`.
        let (kind, group) = resource.split_once('.').unwrap_or((resource, ""));
        if !group.is_empty() {
            details.insert("group".to_owned(), json!(group));
        }
        details.insert("kind".to_owned(), json!(kind));
    }
    let causes = error.causes.iter().map(|cause| {
        let mut told = Map::new();
        let parts = [("reason", &cause.reason), ("message", &cause.message), ("field", &cause.field)];
        parts.into_iter().filter(|(_, text)| !text.is_empty()).for_each(|(name, text)| {
            told.insert(name.to_owned(), json!(**text));
        });
        Value::Object(told)
    });
    let causes: Vec<Value> = causes.collect();
    if !causes.is_empty() {
        details.insert("causes".to_owned(), Value::Array(causes));
    }
    if let Some(seconds) = error.retry_after_seconds {
        details.insert("retryAfterSeconds".to_owned(), json!(seconds));
    }
    let is_bare = matches!(error.reason, ErrorReason::BadRequest | ErrorReason::Expired | ErrorReason::Gone);
    (!is_bare || !details.is_empty()).then_some(Value::Object(details))
}

/// The resource or kind and the name that a message is about: these messages are made of the two in fixed ways.
fn subject(error: &ApiError) -> Option<(&str, &str)> {
    let message = error.message.as_str();
    let message = message.strip_prefix("object is being deleted: ").unwrap_or(message);
    let (rest, ends): (&str, &[&str]) = match error.reason {
        ErrorReason::NotFound => (message, &["\" not found"]),
        ErrorReason::AlreadyExists => (message, &["\" already exists"]),
        ErrorReason::Conflict => (message.strip_prefix("Operation cannot be fulfilled on ")?, &["\": "]),
        ErrorReason::Forbidden => (message, &["\" is forbidden: "]),
        ErrorReason::Invalid => (message, &["\" is invalid"]),
        _ => return None,
    };
    let (resource, named) = rest.split_once(" \"")?;
    let end = ends.iter().filter_map(|end| named.find(end)).min()?;
    (!resource.contains(' ')).then_some((resource, &named[..end]))
}
