//! What a path is about.

use std::sync::Arc;

use super::Kinds;
use crate::api::{Kind, KindInfo, Name};
use crate::event::Target;

/// A resource, or one object of it, or a part of that.
#[derive(Clone, PartialEq, Debug)]
pub struct Place {
    /// The kind.
    pub kind: Kind,
    /// What it is called.
    pub info: Arc<KindInfo>,
    /// Empty for all namespaces, and for kinds that live in none.
    pub namespace: Name,
    /// Empty for the collection.
    pub name: Name,
    /// As `status`; empty for the object itself.
    pub subresource: String,
}

impl Place {
    /// Reads a path; nothing where no such resource is served.
    pub fn of(path: &str, kinds: &dyn Kinds) -> Option<Place> {
        let words: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match words.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let in_namespace = match rest {
            ["namespaces", namespace, resource, rest @ ..] => {
                let kind = kinds.resource(group, version, resource).filter(|(_, info)| info.namespaced);
                kind.map(|kind| (kind, *namespace, rest))
            }
            _ => None,
        };
        let ((kind, info), namespace, rest) = match in_namespace {
            Some(found) => found,
            None => {
                let (resource, rest) = rest.split_first()?;
                (kinds.resource(group, version, resource)?, "", rest)
            }
        };
        let word = |index: usize| rest.get(index).copied().unwrap_or_default();
        let subresource = word(1).to_owned();
        (rest.len() <= 2).then(|| Place { kind, info, namespace: namespace.into(), name: word(0).into(), subresource })
    }

    /// The object.
    pub fn target(&self) -> Target {
        Target::Name(self.kind, self.namespace.clone(), self.name.clone())
    }
}
