//! The API server's REST face: what a method, a path, a query and a body ask for, and what an answer looks like as JSON.
//!
//! Nothing here stores or sends: a [`Call`] becomes a [`Asked`], whose request goes to the server whichever way, and whose
//! reply becomes a [`Response`]. Guests, recorded conversations and servers of real clients share it.
//! Upstream: `staging/src/k8s.io/apiserver/pkg/endpoints`.
//!
//! Left out: watches (whoever serves them streams), `dryRun`, `fieldValidation`, tables, protobuf and CBOR, discovery,
//! subresources other than `status`, `scale`, `binding`, `eviction` and `finalize`.

mod body;
mod call;
mod details;
mod empties;
mod list;
mod place;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::Value;

use crate::api::{Kind, KindInfo, Object, convert};

pub use call::{Asked, understand};
pub use details::status;
pub use place::Place;

/// A call as HTTP carries it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Call {
    /// `GET`, `POST`, `PUT`, `PATCH`, `DELETE`.
    pub method: String,
    /// From the root on, as `/api/v1/namespaces/default/pods`.
    pub path: String,
    /// The parameters after the question mark.
    pub query: Vec<(String, String)>,
    /// The type of the body; empty: JSON.
    pub content_type: String,
    /// The body; null where there is none.
    pub body: Value,
}

impl Call {
    /// The value of a parameter; nothing where it is missing or empty.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        found.filter(|value| !value.is_empty())
    }
}

/// An answer as HTTP carries it.
#[derive(Clone, PartialEq, Debug)]
pub struct Response {
    /// The code.
    pub code: u16,
    /// The body. What is no JSON, the text of a path that nobody serves, is `{"kind": "Text", "message": …}`.
    pub body: Value,
}

/// Which kinds the server knows: built in, and those of CRDs.
pub trait Kinds {
    /// The kind of a resource.
    fn resource(&self, group: &str, version: &str, plural: &str) -> Option<(Kind, Arc<KindInfo>)>;
}

/// An object as the server shows it.
pub fn shown(object: &Object) -> Value {
    let mut value = convert::to_json(object);
    empties::fill(object.kind(), &mut value);
    value
}

/// The built-in kinds alone.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn;

impl Kinds for BuiltIn {
    fn resource(&self, group: &str, version: &str, plural: &str) -> Option<(Kind, Arc<KindInfo>)> {
        let is_it = |info: &KindInfo| info.group == group && info.version == version && info.plural == plural;
        let kinds = Kind::ALL.iter().filter_map(|kind| Some((*kind, kind.info()?)));
        kinds.into_iter().find(|(_, info)| is_it(info)).map(|(kind, info)| (kind, Arc::new(info.clone())))
    }
}
