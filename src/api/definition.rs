//! What a CustomResourceDefinition says of its kind, read once: schemas, subresources and columns, version by version.

use std::sync::Arc;

use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_128;

use super::json_path;
use super::schema::{Rules, Schema};

/// A definition that has taken effect. Two are equal if their texts were.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The versions, in the order of the definition.
    pub versions: Vec<Version>,
    identity: u128,
}

/// One version of a custom kind.
#[derive(Clone, Debug)]
pub struct Version {
    /// As `v1`.
    pub name: String,
    /// `schema.openAPIV3Schema`.
    pub schema: Schema,
    /// Its rules in CEL, where it has some.
    pub rules: Option<Rules>,
    /// Whether only the subresource writes the status.
    pub has_status: bool,
    /// `subresources.scale`.
    pub scale: Option<ScalePaths>,
    /// `additionalPrinterColumns`; upstream's `AGE` where there are none.
    pub columns: Vec<PrinterColumn>,
}

/// Where the numbers of the scale subresource stand in an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScalePaths {
    /// `specReplicasPath`.
    pub spec_replicas: FieldPath,
    /// `statusReplicasPath`.
    pub status_replicas: FieldPath,
    /// `labelSelectorPath`.
    pub label_selector: Option<FieldPath>,
}

/// A column of the tables that kubectl prints.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PrinterColumn {
    /// Its head.
    pub name: String,
    /// `type`: `date` is shown as an age.
    pub kind: String,
    /// `jsonPath`.
    pub path: String,
    /// Columns above 0 are shown by `-o wide` alone.
    pub priority: i64,
}

/// A path of field names, as `.spec.replicas`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldPath(pub Vec<String>);

impl PartialEq for Definition {
    fn eq(&self, other: &Definition) -> bool {
        self.identity == other.identity
    }
}

impl Eq for Definition {}

impl Definition {
    /// Reads the `spec` of a definition. What is wrong with one, `validation` tells.
    pub fn read(spec: &Value) -> Arc<Definition> {
        let versions = spec["versions"].as_array().into_iter().flatten().map(version).collect();
        Arc::new(Definition { versions, identity: xxh3_128(spec.to_string().as_bytes()) })
    }

    /// The rules that are not evaluated, as they are written.
    pub fn unchecked_rules(&self) -> impl Iterator<Item = &str> {
        self.versions.iter().filter_map(|version| version.rules.as_ref()).flat_map(Rules::unchecked).map(String::as_str)
    }

    /// A version by its name.
    pub fn version(&self, name: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.name == name)
    }
}

fn version(value: &Value) -> Version {
    let subresources = &value["subresources"];
    let scale = &subresources["scale"];
    let path = |name: &str| scale[name].as_str().filter(|path| !path.is_empty()).map(FieldPath::read);
    let columns = value["additionalPrinterColumns"].as_array().filter(|columns| !columns.is_empty());
    let written = &value["schema"]["openAPIV3Schema"];
    let schema = Schema::read(written);
    Version {
        rules: Rules::read(&schema, written),
        schema,
        name: value["name"].as_str().unwrap_or_default().to_owned(),
        has_status: subresources.get("status").is_some_and(|status| !status.is_null()),
        scale: path("specReplicasPath").zip(path("statusReplicasPath")).map(|(spec_replicas, status_replicas)| {
            ScalePaths { spec_replicas, status_replicas, label_selector: path("labelSelectorPath") }
        }),
        columns: match columns {
            Some(columns) => columns.iter().map(PrinterColumn::read).collect(),
            None => vec![PrinterColumn {
                name: "Age".to_owned(),
                kind: "date".to_owned(),
                path: ".metadata.creationTimestamp".to_owned(),
                priority: 0,
            }],
        },
    }
}

impl PrinterColumn {
    fn read(value: &Value) -> PrinterColumn {
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        PrinterColumn {
            name: text("name"),
            kind: text("type"),
            path: text("jsonPath"),
            priority: value["priority"].as_i64().unwrap_or(0),
        }
    }

    /// What an object has there; of several values the first counts, as upstream has it.
    pub fn value<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        json_path::find(object, &self.path)
    }
}

impl FieldPath {
    /// Reads a path.
    pub fn read(path: &str) -> FieldPath {
        FieldPath(path.trim_start_matches('.').split('.').map(str::to_owned).collect())
    }

    /// What an object has there.
    pub fn get<'a>(&self, fields: &'a Map<String, Value>) -> Option<&'a Value> {
        let (first, rest) = self.0.split_first()?;
        rest.iter().try_fold(fields.get(first)?, |value, name| value.get(name))
    }

    /// Puts a value there, making what leads to it.
    pub fn set(&self, fields: &mut Map<String, Value>, value: Value) {
        let Some((last, way)) = self.0.split_last() else { return };
        let mut fields = fields;
        for name in way {
            let inner = fields.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(inner) = inner else { return };
            fields = inner;
        }
        fields.insert(last.clone(), value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_make_what_leads_to_them() {
        let mut fields = Map::new();
        let path = FieldPath::read(".spec.pool.size");
        assert_eq!(path.get(&fields), None);
        path.set(&mut fields, json!(4));
        assert_eq!(path.get(&fields), Some(&json!(4)));
    }
}
