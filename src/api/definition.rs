//! What a CustomResourceDefinition says of its kind, read once: schemas, subresources and columns, version by version.

use std::sync::Arc;

use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_128;

use super::schema::Schema;

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
    Version {
        name: value["name"].as_str().unwrap_or_default().to_owned(),
        schema: Schema::read(&value["schema"]["openAPIV3Schema"]),
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

    /// What an object has there. Understood are names, `['quoted']` ones, indexes, `[*]` and filters
    /// `[?(@.a=="b")]`; of several values the first counts, as upstream has it.
    pub fn value<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        find(object, self.path.trim_matches(['{', '}']).trim_start_matches('$'))
    }
}

fn find<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return Some(value);
    }
    if let Some(rest) = path.strip_prefix('[') {
        let end = closing(rest)?;
        let (inside, rest) = (&rest[..end], &rest[end + 1..]);
        if let Some(name) = inside.strip_prefix(['\'', '"']) {
            return find(value.get(name.trim_end_matches(['\'', '"']))?, rest);
        }
        let items = value.as_array()?;
        if inside == "*" {
            return items.iter().find_map(|item| find(item, rest));
        }
        if let Some(condition) = inside.strip_prefix("?(").and_then(|inside| inside.strip_suffix(')')) {
            return items.iter().filter(|item| holds(item, condition)).find_map(|item| find(item, rest));
        }
        let index: i64 = inside.parse().ok()?;
        let index = if index < 0 { items.len() as i64 + index } else { index };
        return find(items.get(usize::try_from(index).ok()?)?, rest);
    }
    let (name, rest) = first_name(path.strip_prefix('.').unwrap_or(path));
    if name.is_empty() {
        return find(value, rest);
    }
    find(value.get(&name)?, rest)
}

/// Where the bracket closes that was opened before.
fn closing(text: &str) -> Option<usize> {
    let mut quote = None;
    text.char_indices().find_map(|(at, letter)| match (quote, letter) {
        (None, ']') => Some(at),
        (None, '\'' | '"') => {
            quote = Some(letter);
            None
        }
        (Some(open), letter) if open == letter => {
            quote = None;
            None
        }
        _ => None,
    })
}

/// A name, in which `\.` is a dot, and what comes after it.
fn first_name(path: &str) -> (String, &str) {
    let mut name = String::new();
    let mut letters = path.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '.' | '[' => return (name, &path[at..]),
            '\\' => name.extend(letters.next().map(|(_, letter)| letter)),
            other => name.push(other),
        }
    }
    (name, "")
}

/// `@.type=="Ready"`, `@.weight>1` and the like; a path alone asks whether something is there.
fn holds(item: &Value, condition: &str) -> bool {
    let operators = ["==", "!=", "<=", ">=", "<", ">"];
    let Some((operator, at)) = operators.into_iter().find_map(|operator| Some((operator, condition.find(operator)?)))
    else {
        return find(item, condition.trim().trim_start_matches('@')).is_some();
    };
    let (left, right) = (condition[..at].trim(), condition[at + operator.len()..].trim());
    let Some(found) = find(item, left.trim_start_matches('@')) else { return false };
    let text = right.strip_prefix(['\'', '"']).map(|text| text.trim_end_matches(['\'', '"']));
    let ordering = match text {
        Some(text) => found.as_str().map(|found| found.cmp(text)),
        None => match (right, found) {
            ("true" | "false", Value::Bool(found)) => Some(found.cmp(&(right == "true"))),
            _ => right.parse::<f64>().ok().zip(found.as_f64()).and_then(|(right, found)| found.partial_cmp(&right)),
        },
    };
    ordering.is_some_and(|ordering| match operator {
        "==" => ordering.is_eq(),
        "!=" => ordering.is_ne(),
        "<=" => ordering.is_le(),
        ">=" => ordering.is_ge(),
        "<" => ordering.is_lt(),
        _ => ordering.is_gt(),
    })
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

    #[track_caller]
    fn check(path: &str, expected: Option<Value>) {
        let object = json!({
            "metadata": {"labels": {"example.com/size": "xl"}},
            "spec": {"replicas": 3, "ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Stale", "status": "False"}]},
        });
        let column = PrinterColumn { name: String::new(), kind: String::new(), path: path.to_owned(), priority: 0 };
        assert_eq!(column.value(&object).cloned(), expected, "{path}");
    }

    #[test]
    fn columns_find_what_their_paths_name() {
        check(".spec.replicas", Some(json!(3)));
        check("{.spec.replicas}", Some(json!(3)));
        check(".spec.size", None);
        check(".spec.ports[1].port", Some(json!(2)));
        check(".spec.ports[-1].name", Some(json!("b")));
        check(".spec.ports[*].port", Some(json!(1)));
        check(".spec.ports[?(@.port>1)].name", Some(json!("b")));
        check(".status.conditions[?(@.type==\"Ready\")].status", Some(json!("True")));
        check(".status.conditions[?(@.type=='Stale')].status", Some(json!("False")));
        check(".status.conditions[?(@.type==\"Lost\")].status", None);
        check(".metadata.labels['example.com/size']", Some(json!("xl")));
        check(".metadata.labels.example\\.com/size", Some(json!("xl")));
    }

    #[test]
    fn paths_make_what_leads_to_them() {
        let mut fields = Map::new();
        let path = FieldPath::read(".spec.pool.size");
        assert_eq!(path.get(&fields), None);
        path.set(&mut fields, json!(4));
        assert_eq!(path.get(&fields), Some(&json!(4)));
    }
}
