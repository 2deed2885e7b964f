//! A call becomes a request, and its reply a response.

use std::sync::Arc;

use serde_json::{Value, json};

use super::list::Page;
use super::place::Place;
use super::{Call, Kinds, Response, body, list, shown, status};
use crate::api::{Labels, Name, Object, Uid, convert};
use crate::event::{Answer, ApiError, ErrorReason, Patch, Reply, Request, Subresource};

/// A call that was understood.
#[derive(Clone, PartialEq, Debug)]
pub struct Asked {
    /// What the server is asked.
    pub request: Request,
    /// Who owns what it changes: `fieldManager`, `unknown` where nothing is said.
    pub manager: Name,
    place: Place,
    shape: Shape,
}

/// What the answer looks like.
#[derive(Clone, PartialEq, Debug)]
enum Shape {
    /// The object, with this code.
    Object(u16),
    /// `autoscaling/v1` Scale of the object.
    Scale,
    /// A list, cut to a page.
    List(Page),
    /// `Status: Success`, with this code.
    Done(u16),
    /// What is left of the object, or `Status: Success` with what it was.
    Deleted,
}

/// What a call asks for.
///
/// # Errors
/// The response, where the server need not be asked.
pub fn understand(call: &Call, kinds: &dyn Kinds) -> Result<Asked, Response> {
    let Some(place) = Place::of(&call.path, kinds) else {
        let body = json!({"kind": "Text", "message": "404 page not found"});
        return Err(Response { code: 404, body });
    };
    let (request, shape) = request(call, &place).map_err(|error| status(&error))?;
    let manager = call.parameter("fieldManager").unwrap_or("unknown").into();
    Ok(Asked { request, manager, place, shape })
}

fn request(call: &Call, place: &Place) -> Result<(Request, Shape), ApiError> {
    let target = place.target();
    let is_one = !place.name.is_empty();
    if !is_served(place) {
        return Err(ApiError::new(ErrorReason::NotFound, "the server could not find the requested resource"));
    }
    Ok(match (call.method.as_str(), place.subresource.as_str()) {
        ("GET", "scale") if is_one => (Request::Get(target), Shape::Scale),
        ("GET", "" | "status") if is_one => (Request::Get(target), Shape::Object(200)),
        ("GET", "") => {
            let (query, at, page) = list::list(call, place)?;
            (Request::List { query, at }, Shape::List(page))
        }
        ("POST", "binding") => {
            let node = body::bound_to(&call.body);
            let request = Request::Bind { pod: target, uid: Uid(0), node, annotations: Labels::default() };
            (request, Shape::Done(201))
        }
        ("POST", "eviction") => {
            let options = call.body.get("deleteOptions").cloned().unwrap_or_default();
            let options = body::delete_options(&Call { body: options, ..Call::default() });
            (Request::Evict { pod: target, options }, Shape::Done(201))
        }
        ("POST", "") if !is_one => (Request::Create(body::object(place, &call.body)?), Shape::Object(201)),
        ("PUT", "") if is_one => (Request::Update(body::object(place, &call.body)?), Shape::Object(200)),
        ("PUT", "status") if is_one => (Request::UpdateStatus(body::object(place, &call.body)?), Shape::Object(200)),
        ("PUT", "finalize") if is_one => {
            (Request::FinalizeNamespace(body::object(place, &call.body)?), Shape::Object(200))
        }
        ("PUT", "scale") if is_one => {
            body::same_name(place, call.body.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default())?;
            let replicas = call.body.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(0);
            let replicas = i32::try_from(replicas).unwrap_or(i32::MAX);
            let preconditions = body::delete_options(&Call {
                body: json!({"preconditions": {"uid": call.body.pointer("/metadata/uid"),
                    "resourceVersion": call.body.pointer("/metadata/resourceVersion")}}),
                ..Call::default()
            })
            .preconditions;
            (Request::Scale { target, preconditions, replicas }, Shape::Scale)
        }
        ("PATCH", subresource @ ("" | "status" | "scale")) if is_one => {
            let kind = body::patch_kind(call)?;
            let patch = Arc::new(Patch { kind, body: call.body.clone() });
            let (part, shape) = match subresource {
                "status" => (Subresource::Status, Shape::Object(200)),
                "scale" => (Subresource::Scale, Shape::Scale),
                _ => (Subresource::None, Shape::Object(200)),
            };
            (Request::Patch { target, subresource: part, patch }, shape)
        }
        ("DELETE", "") if is_one => (Request::Delete { target, options: body::delete_options(call) }, Shape::Deleted),
        ("DELETE", "") => {
            let (query, _, page) = list::list(call, place)?;
            (Request::DeleteCollection { query, options: body::delete_options(call) }, Shape::List(page))
        }
        _ => {
            let message = "the server does not allow this method on the requested resource";
            return Err(ApiError::new(ErrorReason::MethodNotAllowed, message));
        }
    })
}

/// Whether the kind has the part.
fn is_served(place: &Place) -> bool {
    use crate::api::Kind;
    match place.subresource.as_str() {
        "" => true,
        "status" => place.info.has_status(place.kind),
        "scale" => match place.kind {
            Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::ReplicationController => true,
            Kind::Custom(_) if place.info.definition.is_none() => true,
            _ => place.info.described().is_some_and(|version| version.scale.is_some()),
        },
        "binding" | "eviction" => place.kind == Kind::Pod,
        "finalize" => place.kind == Kind::Namespace,
        _ => false,
    }
}

impl Asked {
    /// What the place is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The object in the version that the path names.
    fn shown(&self, object: &Object) -> Value {
        in_version(shown(object), &self.place)
    }

    /// The response to a reply.
    pub fn response(&self, reply: &Reply) -> Response {
        let answer = match reply {
            Ok(answer) => answer,
            Err(error) => return status(error),
        };
        match (&self.shape, answer) {
            (Shape::List(page), Answer::List { items, resource_version }) => {
                Response { code: 200, body: page.body(&self.place, items, *resource_version) }
            }
            (Shape::Scale, Answer::Object(object)) => {
                Response { code: 200, body: convert::scale_json(object).unwrap_or_else(success) }
            }
            (Shape::Object(code), Answer::Object(object)) => Response { code: *code, body: self.shown(object) },
            (Shape::Object(_), Answer::Created(object)) => Response { code: 201, body: self.shown(object) },
            (Shape::Deleted, Answer::Object(object)) => Response { code: 200, body: self.shown(object) },
            (Shape::Deleted, Answer::Deleted(object)) => {
                let meta = object.meta();
                // Pods show what they were.
                if self.place.kind == crate::api::Kind::Pod {
                    return Response { code: 200, body: shown(object) };
                }
                let mut details = json!({"name": *meta.name});
                if !self.place.info.group.is_empty() {
                    details["group"] = json!(self.place.info.group);
                }
                details["kind"] = json!(self.place.info.plural);
                details["uid"] = json!(meta.uid.to_string());
                let mut body = success();
                body["details"] = details;
                Response { code: 200, body }
            }
            (Shape::Done(code), _) => {
                let mut body = success();
                body["code"] = json!(code);
                Response { code: *code, body }
            }
            (_, _) => Response { code: 200, body: success() },
        }
    }
}

fn success() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})
}

/// An object in the version that a path names: with strategy None nothing else differs.
pub(super) fn in_version(mut object: Value, place: &Place) -> Value {
    if place.kind.info().is_none() {
        object["apiVersion"] = json!(place.info.api_version());
    }
    object
}
