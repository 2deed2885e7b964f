//! Objects of custom kinds as kubectl prints them, in the columns of their CRDs; and rules of CRDs that were not checked.
//!
//! Upstream: apiextensions-apiserver `pkg/registry/customresource/tableconvertor`. Left out: columns with a priority, which
//! only `-o wide` shows.

use serde::Serialize;
use serde_json::Value;

use super::human_duration;
use super::table::Table;
use super::unserved::counted;
use crate::api::definition::PrinterColumn;
use crate::api::{Kind, KindInfo, Object, Timestamp, convert};
use crate::kernel::Time;
use crate::store::Store;

/// How many objects of a kind are shown.
const SHOWN: usize = 20;

/// The objects of a custom kind.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct CustomTable {
    /// As `tanks.example.com`.
    pub resource: String,
    /// The heads of the columns.
    pub columns: Vec<String>,
    /// A line an object: the first ones by namespace and name.
    pub rows: Vec<Vec<String>>,
    /// How many objects there are.
    pub total: u64,
}

/// Rules in CEL that nothing has evaluated.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct UncheckedRules {
    /// Of which CRD.
    pub definition: String,
    /// How many.
    pub count: u64,
}

/// A table for each custom kind that a CRD describes and that has objects.
pub fn custom_tables(store: &Store, at: Time, now: Timestamp) -> Vec<CustomTable> {
    let kinds = store.kinds().into_iter().filter(|kind| matches!(kind, Kind::Custom(_)));
    kinds.filter_map(|kind| custom_table(store, kind, at, now)).collect()
}

fn custom_table(store: &Store, kind: Kind, at: Time, now: Timestamp) -> Option<CustomTable> {
    let info = store.info(kind);
    let version = info.described()?;
    let objects: Vec<Object> = store.objects(kind, at).collect();
    if objects.is_empty() {
        return None;
    }
    let columns: Vec<&PrinterColumn> = version.columns.iter().filter(|column| column.priority == 0).collect();
    let heads = info.namespaced.then(|| "NAMESPACE".to_owned()).into_iter().chain(["NAME".to_owned()]);
    let heads = heads.chain(columns.iter().map(|column| column.name.to_uppercase()));
    let rows = objects.iter().take(SHOWN).map(|object| row(object, info, &columns, now));
    Some(CustomTable {
        resource: info.group_resource(),
        columns: heads.collect(),
        rows: rows.collect(),
        total: objects.len() as u64,
    })
}

fn row(object: &Object, info: &KindInfo, columns: &[&PrinterColumn], now: Timestamp) -> Vec<String> {
    let meta = object.meta();
    let value = convert::to_json(object);
    let namespace = info.namespaced.then(|| meta.namespace.to_string());
    let cells = columns.iter().map(|column| cell(column, &value, now));
    namespace.into_iter().chain([meta.name.to_string()]).chain(cells).collect()
}

/// Nothing where nothing stands, or something of another type.
fn cell(column: &PrinterColumn, object: &Value, now: Timestamp) -> String {
    let Some(value) = column.value(object) else { return String::new() };
    match (column.kind.as_str(), value) {
        (_, Value::Null) => String::new(),
        ("date", Value::String(text)) => match text.parse::<jiff::Timestamp>() {
            Ok(since) => human_duration(now.seconds_since(Timestamp(since.as_second()))),
            Err(_) => "<invalid>".to_owned(),
        },
        ("date" | "integer" | "number", Value::Number(number)) => number.to_string(),
        ("boolean", Value::Bool(holds)) => holds.to_string(),
        ("string", Value::String(text)) => text.clone(),
        ("string", other) => other.to_string(),
        _ => String::new(),
    }
}

impl CustomTable {
    /// As kubectl prints it, and how many objects it leaves out.
    pub(super) fn table(&self) -> (Table, u64) {
        let mut table = Table::of_columns(self.columns.clone());
        self.rows.iter().for_each(|row| table.add_cells(row.clone()));
        (table, self.total - self.rows.len() as u64)
    }
}

/// The CRDs with rules that nothing evaluates: all rules where this build has no CEL, else those that are not understood.
pub fn unchecked_rules(store: &Store) -> Vec<UncheckedRules> {
    let kinds = store.kinds().into_iter().filter(|kind| matches!(kind, Kind::Custom(_)));
    let of_kind = |kind: Kind| {
        let info = store.info(kind);
        let count = info.definition.as_ref()?.unchecked_rules().count() as u64;
        (count > 0).then(|| UncheckedRules { definition: info.group_resource(), count })
    };
    kinds.filter_map(of_kind).collect()
}

/// `warning: 3 rules of tanks.example.com are not checked: …`.
pub(super) fn warning(unchecked: &[UncheckedRules]) -> Option<String> {
    let of: Vec<String> =
        unchecked.iter().map(|of| format!("{} of {}", counted(of.count, "rule"), of.definition)).collect();
    let why = if cfg!(feature = "cel") {
        "the CEL library does not understand them"
    } else {
        "this build evaluates no CEL (build it with --features cel)"
    };
    (!of.is_empty()).then(|| format!("warning: not checked: {}: {why}", of.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_that_are_not_checked_are_told() {
        assert_eq!(warning(&[]), None);
        let one = |definition: &str, count| UncheckedRules { definition: definition.to_owned(), count };
        let told = warning(&[one("a.example.com", 1), one("b.example.com", 3)]).unwrap_or_default();
        assert!(
            told.starts_with("warning: not checked: 1 rule of a.example.com, 3 rules of b.example.com: "),
            "{told}"
        );
    }

    #[track_caller]
    fn check(kind: &str, value: Value, expected: &str) {
        let column =
            PrinterColumn { name: "X".to_owned(), kind: kind.to_owned(), path: ".spec.x".to_owned(), priority: 0 };
        assert_eq!(cell(&column, &json!({"spec": {"x": value}}), Timestamp(1_767_225_600)), expected);
    }

    #[test]
    fn cells_show_values_of_their_type() {
        check("integer", json!(3), "3");
        check("integer", json!("3"), "");
        check("string", json!("red"), "red");
        check("string", json!(["a"]), "[\"a\"]");
        check("boolean", json!(true), "true");
        check("date", json!("2025-12-31T23:55:00Z"), "5m");
        check("date", json!("yesterday"), "<invalid>");
        check("string", Value::Null, "");
    }
}
