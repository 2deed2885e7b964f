//! ControllerRevisions: the history of a StatefulSet's or DaemonSet's template, and the way back.
//! Upstream: `pkg/controller/history`, `getPatch` of both controllers, kubectl's `polymorphichelpers/{history,rollback}.go`.
//!
//! A revision holds a strategic merge patch that puts the template back. Differences: two patches are the same where
//! they mean the same, not where their bytes are (which upstream compares; they come from one encoder in both); hashes
//! are of our JSON of the patch, so that names have upstream's form and other letters.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::api::{Kind, Labels, Meta, Name, Obj, Object, OwnerReference, Uid, Untyped, WorkloadSelector, naming};
use crate::client::{Caches, Observed, OwnerIndex};
use crate::controllers::pod_util::selects;
use crate::event::ChangeKind;

/// The label of a pod that names its revision. Upstream: `ControllerRevisionHashLabelKey`.
pub const REVISION_HASH: &str = "controller-revision-hash";
/// The label of a revision with the hash of its data. Upstream: `ControllerRevisionHashLabel`.
pub const DATA_HASH: &str = "controller.kubernetes.io/hash";

/// The longest part of an owner's name that goes into the name of a revision.
const NAME_PREFIX_MAX: usize = 223;

/// One ControllerRevision.
#[derive(Clone, PartialEq, Debug)]
pub struct Revision(Arc<Obj<Untyped>>);

impl Revision {
    /// The object as a revision, if it is one.
    pub fn of(object: &Object) -> Option<Revision> {
        match object {
            Object::Untyped(object) if object.meta.id.kind == Kind::ControllerRevision => {
                Some(Revision(object.clone()))
            }
            _ => None,
        }
    }

    /// A revision of an owner as it is to be created.
    pub fn new(meta: Meta, template: &Value, number: i64) -> Revision {
        let info = Arc::new(Kind::ControllerRevision.info().expect("a built-in kind").clone());
        let mut fields = Map::new();
        fields.insert("data".to_owned(), patch(template));
        fields.insert("revision".to_owned(), json!(number));
        Revision(Arc::new(Obj { meta, body: Untyped { info, fields } }))
    }

    /// Its metadata.
    pub fn meta(&self) -> &Meta {
        &self.0.meta
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.0.meta.name
    }

    /// `revision`.
    pub fn number(&self) -> i64 {
        self.0.body.fields.get("revision").and_then(Value::as_i64).unwrap_or_default()
    }

    /// `data`: the patch.
    pub fn data(&self) -> &Value {
        self.0.body.fields.get("data").unwrap_or(&Value::Null)
    }

    /// The value of a label; empty where absent.
    pub fn label(&self, key: &str) -> Name {
        self.0.meta.labels.get(key).cloned().unwrap_or_default()
    }

    /// The template that the patch puts back, as JSON.
    pub fn template(&self) -> Option<Value> {
        let mut template = self.data().pointer("/spec/template")?.clone();
        template.as_object_mut()?.remove("$patch");
        Some(template)
    }

    /// Whether the patch puts back this template. Upstream: `EqualRevision`, `Match`.
    pub fn restores(&self, template: &Value) -> bool {
        let entries = |value: &Value| value.as_object().map_or(0, Map::len);
        let data = self.data();
        let stored = data.get("spec").and_then(|spec| spec.get("template")).and_then(Value::as_object);
        let (Some(stored), Some(template)) = (stored, template.as_object()) else { return false };
        entries(data) == 1
            && entries(&data["spec"]) == 1
            && stored.len() == template.len() + 1
            && stored.get("$patch").is_some_and(|directive| directive == "replace")
            && template.iter().all(|(key, value)| stored.get(key) == Some(value))
    }

    /// The object.
    pub fn object(&self) -> Object {
        Object::Untyped(self.0.clone())
    }

    /// The same with another number.
    #[must_use]
    pub fn renumbered(&self, number: i64) -> Revision {
        let mut object = Obj::clone(&self.0);
        object.body.fields.insert("revision".to_owned(), json!(number));
        Revision(Arc::new(object))
    }

    /// The same with other metadata.
    #[must_use]
    pub fn with_meta(&self, meta: Meta) -> Revision {
        Revision(Arc::new(Obj { meta, body: self.0.body.clone() }))
    }
}

/// The strategic merge patch that puts a template back. Upstream: `getPatch`.
pub fn patch(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(fields) = template.as_object_mut() {
        fields.insert("$patch".to_owned(), json!("replace"));
    }
    json!({"spec": {"template": template}})
}

/// The hash of a patch, made to differ by a count of collisions. Upstream: `HashControllerRevision`.
pub fn data_hash(data: &Value, collisions: Option<i32>) -> String {
    let mut bytes = data.to_string().into_bytes();
    if let Some(collisions) = collisions {
        bytes.extend_from_slice(collisions.to_string().as_bytes());
    }
    naming::safe_encode(&fnv32(&bytes).to_string())
}

/// The 32-bit FNV-1 hash (Go's `fnv.New32`).
fn fnv32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| hash.wrapping_mul(0x0100_0193) ^ u32::from(*byte))
}

/// The name of a revision. Upstream: `ControllerRevisionName`.
pub fn revision_name(owner: &str, hash: &str) -> Name {
    let mut end = owner.len().min(NAME_PREFIX_MAX);
    while !owner.is_char_boundary(end) {
        end -= 1;
    }
    ecow::eco_format!("{}-{hash}", &owner[..end])
}

/// Metadata of a revision of an owner: the template's labels, the owner's annotations. Upstream: `NewControllerRevision`.
pub fn revision_meta(owner: &Meta, reference: OwnerReference, name: Name, labels: Labels) -> Meta {
    let mut meta = Meta::new(Kind::ControllerRevision, owner.namespace.clone(), name);
    meta.labels = labels;
    meta.annotations = owner.annotations.clone();
    meta.owners = [reference].into();
    meta
}

/// Oldest first: by number, then by age and name. Upstream: `SortControllerRevisions`.
pub fn sort(revisions: &mut [Revision]) {
    let key = |revision: &Revision| (revision.number(), revision.meta().created, revision.name().clone());
    revisions.sort_by_cached_key(key);
}

/// The number for the next revision; the revisions are sorted. Upstream: `nextRevision`.
pub fn next_number(revisions: &[Revision]) -> i64 {
    revisions.last().map_or(1, |last| last.number() + 1)
}

/// The revisions of each owner, and the orphans of each namespace, kept up with the cache.
#[derive(Clone, Debug, Default)]
pub struct Histories(OwnerIndex);

impl Histories {
    /// Takes a change of a ControllerRevision in.
    pub fn observed(&mut self, change: &Observed) {
        if !change.resync {
            let is_gone = change.kind == ChangeKind::Deleted;
            self.0.changed(change.old.map(Object::meta), change.new.meta(), is_gone);
        }
    }

    /// The revisions that an owner has.
    pub fn owned_by<'a>(&'a self, owner: Uid, caches: &'a Caches) -> impl Iterator<Item = Revision> + 'a {
        let cache = caches.others.get(&Kind::ControllerRevision);
        self.0.owned_by(owner).filter_map(move |slot| Some(Revision(cache?.by_slot(slot)?.clone())))
    }

    /// The revisions in a namespace that have no owner and that a selector selects.
    pub fn orphans<'a>(
        &'a self,
        namespace: &'a Name,
        selector: &'a WorkloadSelector,
        caches: &'a Caches,
    ) -> impl Iterator<Item = Revision> + 'a {
        let cache = caches.others.get(&Kind::ControllerRevision);
        let revisions = self.0.orphans_in(namespace).filter_map(move |slot| Some(cache?.by_slot(slot)?.clone()));
        revisions.filter(|object| selects(selector, &object.meta.labels)).map(Revision)
    }
}

/// The revision that `kubectl rollout undo` goes back to: the one of a number, or where there is none the last but one.
///
/// # Errors
/// Why there is none, in kubectl's words.
pub fn to_roll_back_to(mut revisions: Vec<Revision>, to_revision: Option<i64>) -> Result<Revision, String> {
    sort(&mut revisions);
    match to_revision.unwrap_or(0) {
        0 => match revisions.len().checked_sub(2) {
            Some(last_but_one) => Ok(revisions.swap_remove(last_but_one)),
            None => Err("no last revision to roll back to".to_owned()),
        },
        wanted => revisions
            .into_iter()
            .find(|revision| revision.number() == wanted)
            .ok_or_else(|| format!("unable to find specified revision {wanted} in history")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(number: i64, image: &str) -> Revision {
        let template = json!({"spec": {"containers": [{"name": "c", "image": image}]}});
        let meta = Meta::new(Kind::ControllerRevision, "default", ecow::eco_format!("db-{number}"));
        Revision::new(meta, &template, number)
    }

    #[test]
    fn names_have_upstreams_form() {
        assert_eq!(fnv32(b""), 0x811c_9dc5);
        assert_eq!(fnv32(b"a"), 0x050c_5d7e);
        let hash = data_hash(&json!({}), Some(0));
        assert_eq!(hash, naming::safe_encode(&fnv32(b"{}0").to_string()));
        assert_ne!(hash, data_hash(&json!({}), Some(1)), "a collision makes another name");
        assert_eq!(revision_name("db", "abc"), "db-abc");
        assert_eq!(revision_name(&"d".repeat(300), "abc").len(), 227);
    }

    #[test]
    fn a_revision_knows_the_template_that_it_came_from() {
        let first = revision(1, "a");
        let template = first.template().expect("it has one");
        assert!(first.restores(&template));
        assert!(!revision(1, "b").restores(&template));
        assert!(revision(1, "a").renumbered(7).restores(&template));
        let mut more = template.clone();
        more["metadata"] = json!({"labels": {"a": "b"}});
        assert!(!first.restores(&more) && !Revision::of(&first.object()).expect("one").restores(&Value::Null));
    }

    #[track_caller]
    fn check(numbers: &[i64], to: Option<i64>, expected: Result<i64, &str>) {
        let revisions = numbers.iter().map(|number| revision(*number, "a")).collect();
        let found = to_roll_back_to(revisions, to).map(|found| found.number());
        assert_eq!(found, expected.map_err(str::to_owned), "{numbers:?} to {to:?}");
    }

    #[test]
    fn an_undo_goes_to_the_last_but_one_or_to_the_one_named() {
        check(&[3, 1, 2], None, Ok(2));
        check(&[3, 1, 2], Some(1), Ok(1));
        check(&[3, 1, 2], Some(9), Err("unable to find specified revision 9 in history"));
        check(&[1], None, Err("no last revision to roll back to"));
        check(&[1], Some(1), Ok(1));
    }
}
