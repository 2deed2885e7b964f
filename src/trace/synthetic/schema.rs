//! The JSON schemas of the scalars of synthetic files, written by hand.

use schemars::json_schema;

use super::file::{AmountFile, DrawnAmountFile, ShapeFile, SizesFile};
use super::scalar::{CountRange, Length, Positive, Share, Size};
use crate::api::json_schema::schema_of;

schema_of!(Length, "Length", _generator => json_schema!({
    "description": "A duration in Go's syntax, not zero: 300ms, 90s, 1h30m; days (2d) as well.",
    "type": "string",
    "pattern": r"^\s*\+?(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h|d))+\s*$",
}));

schema_of!(Size, "Size", _generator => json_schema!({
    "description": "A Kubernetes quantity above zero: 500m, 4, 16Gi.",
    "anyOf": [
        {"type": "string", "pattern": "^[+]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$"},
        {"type": "number", "exclusiveMinimum": 0},
    ],
}));

schema_of!(Positive, "Positive", _generator => json_schema!({"type": "number", "exclusiveMinimum": 0}));

schema_of!(Share, "Share", _generator => json_schema!({"type": "number", "minimum": 0, "maximum": 1}));

schema_of!(CountRange, "CountRange", _generator => json_schema!({
    "description": "A number from 1 on, or a range, both ends included: 2..8.",
    "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^\s*[0-9]+\s*(\.\.\s*[0-9]+\s*)?$"}],
}));

schema_of!(AmountFile, "Amount", generator => json_schema!({
    "anyOf": [generator.subschema_for::<Size>(), generator.subschema_for::<DrawnAmountFile>()],
}));

schema_of!(SizesFile, "Sizes", generator => json_schema!({"anyOf": [
    {"type": "array", "items": generator.subschema_for::<ShapeFile>(), "minItems": 1},
    {"description": "What a task of the trace asks for that the study names.", "const": "trace"},
]}));
