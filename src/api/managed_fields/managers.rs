//! The entries of `metadata.managedFields`.
//!
//! Follows apimachinery `pkg/util/managedfields/internal/managedfields.go` and `capmanagers.go`.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use super::set::FieldSet;

/// How many entries of updates are kept apart.
const MOST_UPDATERS: usize = 10;
/// Who the oldest updates are put together as.
const ANCIENT: &str = "ancient-changes";

/// One entry.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) manager: String,
    pub(super) applied: bool,
    pub(super) api_version: String,
    pub(super) subresource: String,
    pub(super) time: Option<String>,
    pub(super) set: FieldSet,
}

/// The entries by their identifiers.
pub(super) type Managers = BTreeMap<String, Entry>;

impl Entry {
    /// What tells entries apart, as upstream writes it, which gives their order in messages. The version of an applied
    /// configuration is not part of it.
    pub(super) fn id(&self) -> String {
        let version = if self.applied { "" } else { &self.api_version };
        let parts = [
            ("manager", self.manager.as_str()),
            ("operation", self.operation()),
            ("apiVersion", version),
            ("subresource", &self.subresource),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| format!("\"{name}\":{}", Value::from(text)))
            .collect();
        format!("{{{}}}", parts.join(","))
    }

    fn operation(&self) -> &'static str {
        if self.applied { "Apply" } else { "Update" }
    }

    /// The entry's name in messages.
    pub(super) fn printed(&self) -> String {
        let mut text = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if !self.applied {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }

    fn to_json(&self) -> Value {
        let mut map = Map::new();
        let mut put = |name: &str, text: &str| {
            if !text.is_empty() {
                map.insert(name.to_owned(), Value::from(text));
            }
        };
        put("manager", &self.manager);
        put("operation", self.operation());
        put("apiVersion", &self.api_version);
        put("subresource", &self.subresource);
        put("time", self.time.as_deref().unwrap_or_default());
        put("fieldsType", "FieldsV1");
        map.insert("fieldsV1".to_owned(), self.set.to_json());
        Value::Object(map)
    }
}

/// Reads `metadata.managedFields`; absent and null are no entries.
///
/// # Errors
/// An entry that is not of the form that the API server writes.
pub(super) fn decode(managed: Option<&Value>) -> Result<Managers, String> {
    let list = match managed {
        None | Some(Value::Null) => return Ok(Managers::new()),
        Some(Value::Array(list)) => list,
        Some(other) => return Err(format!("expected a list, found {other}")),
    };
    let mut managers = Managers::new();
    for (index, entry) in list.iter().enumerate() {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let applied = match text("operation").as_str() {
            "Apply" => true,
            "Update" => false,
            _ => return Err("operation must be `Apply` or `Update`".to_owned()),
        };
        if text("apiVersion").is_empty() {
            return Err("apiVersion must not be empty".to_owned());
        }
        match text("fieldsType").as_str() {
            "FieldsV1" => {}
            "" => return Err(format!("missing fieldsType in managed fields entry {index}")),
            other => return Err(format!("invalid fieldsType {other:?} in managed fields entry {index}")),
        }
        let nothing = json!({});
        let fields = entry.get("fieldsV1").filter(|fields| !fields.is_null()).unwrap_or(&nothing);
        let set = FieldSet::from_json(fields).map_err(|error| format!("error decoding set: {error}"))?;
        let entry = Entry {
            manager: text("manager"),
            applied,
            api_version: text("apiVersion"),
            subresource: text("subresource"),
            time: entry.get("time").and_then(Value::as_str).map(str::to_owned),
            set,
        };
        managers.insert(entry.id(), entry);
    }
    Ok(managers)
}

/// `metadata.managedFields`, null where there is no entry: applied configurations first, then by time and names.
pub(super) fn encode(managers: &Managers) -> Value {
    let mut entries: Vec<&Entry> = managers.values().collect();
    if entries.is_empty() {
        return Value::Null;
    }
    // Times are all written in the same form, which sorts as text.
    entries.sort_by(|a, b| {
        let key = |entry: &Entry| (entry.operation(), entry.time.clone().unwrap_or_default());
        key(a)
            .cmp(&key(b))
            .then_with(|| a.manager.cmp(&b.manager))
            .then_with(|| a.api_version.cmp(&b.api_version))
            .then_with(|| a.subresource.cmp(&b.subresource))
    });
    Value::Array(entries.into_iter().map(Entry::to_json).collect())
}

/// Puts the oldest updates together where there are too many.
pub(super) fn cap(managers: &mut Managers) {
    let mut updaters: Vec<(String, String)> = managers
        .iter()
        .filter(|(_, entry)| !entry.applied)
        .map(|(id, entry)| (entry.time.clone().unwrap_or_default(), id.clone()))
        .collect();
    let mut count = updaters.len();
    updaters.sort();
    let mut first_of: BTreeMap<String, String> = BTreeMap::new();
    for (_, id) in updaters {
        if count <= MOST_UPDATERS {
            return;
        }
        let Some(entry) = managers.get(&id).cloned() else { continue };
        let Some(first) = first_of.get(&entry.api_version) else {
            first_of.insert(entry.api_version, id);
            continue;
        };
        let mut bucket = Entry { manager: ANCIENT.to_owned(), subresource: String::new(), ..entry };
        managers.remove(&id);
        for older in [first.clone(), bucket.id()] {
            if let Some(older) = managers.remove(&older) {
                bucket.set = bucket.set.union(&older.set);
            }
        }
        managers.insert(bucket.id(), bucket);
        count -= 1;
    }
}
