//! Resources as kubectl names them: `deployment/web`, `deploy`, `nodes`.

use std::sync::Arc;

use crate::api::located::{InputError, Place, suggestion};
use crate::api::{Kind, KindInfo, Name, text};
use crate::sim::Resource;

/// The kinds that a scenario can name: the built-in ones and those of its CRDs.
#[derive(Clone, Debug, Default)]
pub(super) struct Kinds {
    /// By their number.
    pub(super) custom: Vec<Arc<KindInfo>>,
}

impl Kinds {
    /// What a kind is called.
    pub(super) fn info(&self, kind: Kind) -> &KindInfo {
        match kind {
            Kind::Custom(index) => &self.custom[usize::from(index)],
            built_in => built_in.info().expect("every built-in kind has a description"),
        }
    }

    /// The kind that kubectl would take a word for.
    pub(super) fn find(&self, word: &str) -> Option<Kind> {
        let custom = || {
            let index = self.custom.iter().position(|info| info.answers_to(word))?;
            u16::try_from(index).ok().map(Kind::Custom)
        };
        Kind::from_resource_name(word).or_else(custom)
    }

    /// The kind of a word at a place.
    pub(super) fn kind(&self, word: &str, place: &Place<'_>) -> Result<Kind, InputError> {
        self.find(word).ok_or_else(|| {
            let infos = Kind::ALL.iter().filter_map(|kind| kind.info()).chain(self.custom.iter().map(|info| &**info));
            let words: Vec<&str> = infos
                .flat_map(|info| {
                    let short = info.short_names.iter().map(|name| name.as_ref());
                    [info.singular.as_ref(), info.plural.as_ref()].into_iter().chain(short)
                })
                .collect();
            let message = format!("the server doesn't have a resource type {word:?}");
            match suggestion(word, &words) {
                Some(help) => place.error_help(message, help),
                None => place.error(message),
            }
        })
    }

    /// The resource that a text names, as `deployment/web`.
    pub(super) fn resource(
        &self,
        resource: &str,
        namespace: Option<&str>,
        place: &Place<'_>,
        namespace_place: &Place<'_>,
    ) -> Result<Resource, InputError> {
        let Some((word, name)) = resource.split_once('/') else {
            let message = format!("{resource:?} names no resource");
            return Err(place.error_help(message, "write kind and name, as in deployment/web"));
        };
        let kind = self.kind(word, place)?;
        if name.is_empty() || name.contains('/') {
            return Err(place.error_help(format!("{name:?} is no name"), "write kind and name, as in deployment/web"));
        }
        let namespace = self.namespace(kind, namespace, namespace_place)?;
        let namespaced = self.info(kind).namespaced;
        let namespace = namespace.unwrap_or_else(|| if namespaced { "default".into() } else { Name::new() });
        Ok(Resource { kind, namespace, name: name.into() })
    }

    /// A namespace that was given for a kind, if one was.
    pub(super) fn namespace(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        place: &Place<'_>,
    ) -> Result<Option<Name>, InputError> {
        let Some(namespace) = namespace else { return Ok(None) };
        let info = self.info(kind);
        if !info.namespaced {
            return Err(place.error(format!("{} have no namespace", info.plural)));
        }
        if let Some(why) = text::is_dns1123_label(namespace).into_iter().next() {
            return Err(place.error(format!("{namespace:?} is no namespace: {why}")));
        }
        Ok(Some(namespace.into()))
    }

    /// A resource as kubectl prints it: `deployment.apps/web`.
    pub(super) fn show(&self, resource: &Resource) -> String {
        let info = self.info(resource.kind);
        let group = if info.group.is_empty() { String::new() } else { format!(".{}", info.group) };
        format!("{}{group}/{}", info.singular, resource.name)
    }
}
