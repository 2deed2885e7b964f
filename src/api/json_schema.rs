//! JSON Schemas (draft 2020-12) of the files that people write, from the types that read them and their docs.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// A type with a schema that is written by hand.
macro_rules! schema_of {
    ($type:ty, $name:literal, $generator:ident => $schema:expr) => {
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema($generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $schema
            }
        }
    };
}
pub(crate) use schema_of;

/// The schema of a type, with what it refers to.
pub fn of<T: JsonSchema>() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    RecursiveTransform(plain_descriptions).transform(&mut schema);
    schema.to_value()
}

/// Docs are written for rustdoc: links without brackets, one line a paragraph.
fn plain_descriptions(schema: &mut Schema) {
    // What is not given has a default that the docs tell; it is not null.
    if schema.get("default") == Some(&Value::Null) {
        schema.remove("default");
    }
    let Some(Value::String(description)) = schema.get("description") else { return };
    let paragraphs = description.split("\n\n").map(|paragraph| paragraph.replace('\n', " "));
    let text = paragraphs.collect::<Vec<_>>().join("\n\n").replace("[`", "`").replace("`]", "`");
    schema.insert("description".to_owned(), Value::String(text));
}
