//! What is known of a kind whose objects are applied.

use serde_json::{Value, json};

use super::check::check;
use super::error::ApplyError;
use super::reset;
use super::schema::Type;
use super::set::FieldSet;
use super::table::{self, Rule};
use crate::api::Kind;

/// A kind in the version of a request.
#[derive(Clone, Debug)]
pub struct Resource<'a> {
    api_version: String,
    kind_name: String,
    built_in: Option<Kind>,
    root: Type<'a>,
    status: bool,
}

impl<'a> Resource<'a> {
    /// A built-in kind; none for a custom one.
    pub fn built_in(kind: Kind) -> Option<Resource<'a>> {
        let info = kind.info()?;
        Some(Resource {
            api_version: info.api_version(),
            kind_name: info.kind.to_string(),
            built_in: Some(kind),
            root: Type::BuiltIn(Rule::Struct(table::root(kind))),
            status: false,
        })
    }

    /// A custom kind: with the `openAPIV3Schema` of its version where it has one, and whether it has the status
    /// subresource.
    pub fn custom(api_version: &str, kind: &str, schema: Option<&'a Value>, status: bool) -> Resource<'a> {
        Resource {
            api_version: api_version.to_owned(),
            kind_name: kind.to_owned(),
            built_in: None,
            root: schema.map_or(Type::Deduced, Type::CustomRoot),
            status,
        }
    }

    pub(super) fn api_version(&self) -> &str {
        &self.api_version
    }

    pub(super) fn kind(&self) -> Option<Kind> {
        self.built_in
    }

    pub(super) fn root(&self) -> Type<'a> {
        self.root
    }

    pub(super) fn reset(&self, subresource: &str) -> FieldSet {
        match self.built_in {
            Some(kind) => reset::built_in(kind, subresource),
            None => reset::custom(self.status, subresource),
        }
    }

    /// An object of which nothing is known yet.
    pub(super) fn empty(&self) -> Value {
        json!({"apiVersion": self.api_version, "kind": self.kind_name})
    }

    /// Whether a configuration can be applied to an object of this kind.
    pub(super) fn check(&self, applied: &Value) -> Result<(), ApplyError> {
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (api_version, kind) = (text(applied, "apiVersion"), text(applied, "kind"));
        if api_version != self.api_version || kind != self.kind_name {
            let printed = printed_kind(&api_version, &kind);
            return Err(ApplyError::BadRequest(format!("invalid object type: {printed}")));
        }
        let nothing = Value::Null;
        let metadata = applied.get("metadata").unwrap_or(&nothing);
        if metadata.get("managedFields").is_some_and(|managed| !managed.is_null()) {
            return Err(ApplyError::BadRequest("metadata.managedFields must be nil".to_owned()));
        }
        check(self.built_in, self.root, applied).map_err(|error| {
            ApplyError::Failed(format!(
                "failed to create typed patch object ({}/{}; {}): {error}",
                text(metadata, "namespace"),
                text(metadata, "name"),
                printed_kind(&api_version, &kind)
            ))
        })
    }
}

/// As Go prints a kind: `apps/v1, Kind=Deployment`, `/v1, Kind=ConfigMap`.
fn printed_kind(api_version: &str, kind: &str) -> String {
    let slash = if api_version.contains('/') { "" } else { "/" };
    format!("{slash}{api_version}, Kind={kind}")
}
