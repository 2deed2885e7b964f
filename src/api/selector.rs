//! Label selectors, node selector requirements and field selectors: parsed once, matched often.
//!
//! Follows apimachinery `pkg/labels/selector.go`, `pkg/fields/selector.go`, metav1's
//! `LabelSelectorAsSelector` and component-helpers' `nodeaffinity`, with their errors. Left out:
//! `matchFields` of node selectors (the scheduler knows its only field) and the wrapping of a
//! requirement's errors in more than one path.
use std::fmt;

use ecow::EcoString as Name;
use k8s_openapi::api::core::v1::NodeSelectorRequirement;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::api::text::{go_quote, is_qualified_name, is_valid_label_value};

mod fields;
mod parse;

pub use fields::{FieldSelector, FieldTerm};

/// How a requirement relates a key to its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// The key is there with one of the values.
    In,
    /// The key is missing, or has none of the values.
    NotIn,
    /// The key is there with this value (`=`).
    Equals,
    /// The same, typed as `==`.
    DoubleEquals,
    /// The key is missing, or has another value (`!=`).
    NotEquals,
    /// The key is there.
    Exists,
    /// The key is missing.
    DoesNotExist,
    /// The key is there and its value is an integer above the given one.
    GreaterThan,
    /// The key is there and its value is an integer below the given one.
    LessThan,
}

/// One condition on one key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirement {
    /// The label, or the field, that is looked up.
    pub key: Name,
    /// The relation.
    pub operator: Operator,
    /// What the value is held against; for `GreaterThan` and `LessThan` exactly one integer.
    pub values: Vec<Name>,
}

impl Requirement {
    /// A requirement that is checked as upstream's `NewRequirement` does. `path` is the place of it
    /// in an object, or empty.
    ///
    /// # Errors
    /// Upstream's aggregated sentence: one error as it is, several in brackets.
    pub fn new(key: Name, operator: Operator, values: Vec<Name>, path: &str) -> Result<Self, String> {
        let mut errors = Vec::new();
        if let Some(error) = invalid_key(&key, &child(path, "key")) {
            errors.push(error);
        }
        let values_path = child(path, "values");
        let complaint = match operator {
            Operator::In | Operator::NotIn if values.is_empty() => {
                Some("for 'in', 'notin' operators, values set can't be empty")
            }
            Operator::Equals | Operator::DoubleEquals | Operator::NotEquals if values.len() != 1 => {
                Some("exact-match compatibility requires one single value")
            }
            Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
                Some("values set must be empty for exists and does not exist")
            }
            Operator::GreaterThan | Operator::LessThan if values.len() != 1 => {
                Some("for 'Gt', 'Lt' operators, exactly one value is required")
            }
            Operator::In
            | Operator::NotIn
            | Operator::Equals
            | Operator::DoubleEquals
            | Operator::NotEquals
            | Operator::Exists
            | Operator::DoesNotExist
            | Operator::GreaterThan
            | Operator::LessThan => None,
        };
        if let Some(complaint) = complaint {
            errors.push(format!("{values_path}: Invalid value: {}: {complaint}", go_strings(&values)));
        }
        if matches!(operator, Operator::GreaterThan | Operator::LessThan) {
            for (index, value) in values.iter().enumerate().filter(|(_, v)| v.parse::<i64>().is_err()) {
                let quoted = go_quote(value);
                errors.push(format!("{values_path}[{index}]: Invalid value: {quoted}: for 'Gt', 'Lt' operators, the value must be an integer"));
            }
        }
        for (index, value) in values.iter().enumerate() {
            let complaints = is_valid_label_value(value);
            if !complaints.is_empty() {
                let quoted = go_quote(value);
                errors
                    .push(format!("{values_path}[{index}][{key}]: Invalid value: {quoted}: {}", complaints.join("; ")));
            }
        }
        match aggregate(errors) {
            Some(error) => Err(error),
            None => Ok(Self { key, operator, values }),
        }
    }

    /// Whether the value found for the key (`None`: there is none) meets the requirement.
    pub fn matches_value(&self, found: Option<&str>) -> bool {
        let listed = |value: &str| self.values.iter().any(|v| v == value);
        let integers = |value: &str| Some((value.parse::<i64>().ok()?, self.values.first()?.parse::<i64>().ok()?));
        match self.operator {
            Operator::In | Operator::Equals | Operator::DoubleEquals => found.is_some_and(listed),
            Operator::NotIn | Operator::NotEquals => !found.is_some_and(listed),
            Operator::Exists => found.is_some(),
            Operator::DoesNotExist => found.is_none(),
            Operator::GreaterThan => found.and_then(integers).is_some_and(|(value, bound)| value > bound),
            Operator::LessThan => found.and_then(integers).is_some_and(|(value, bound)| value < bound),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted: Vec<&str> = self.values.iter().map(Name::as_str).collect();
        sorted.sort_unstable();
        let (key, values) = (&self.key, sorted.join(","));
        match self.operator {
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::Exists => write!(f, "{key}"),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}

/// A label selector: requirements that must all be met, or nothing at all.
///
/// Prints in upstream's canonical form, sorted by key; the selector of nothing prints as empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selector {
    /// Matches no labels.
    Nothing,
    /// Matches where all requirements are met, sorted by key; none of them: everything.
    All(Vec<Requirement>),
}

impl Selector {
    /// Matches whatever there is.
    pub fn everything() -> Self {
        Self::All(Vec::new())
    }

    /// Matches nothing.
    pub fn nothing() -> Self {
        Self::Nothing
    }

    /// The selector of these requirements.
    pub fn from_requirements(mut requirements: Vec<Requirement>) -> Self {
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Self::All(requirements)
    }

    /// Reads the text form: `a=b,c!=d,e in (x,y),!f,g>1`; the empty text is everything.
    ///
    /// # Errors
    /// Upstream's sentence on what was found and what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse::parse(text).map(Self::from_requirements)
    }

    /// The selector of an object's `selector`: absent is nothing, empty is everything
    /// (`LabelSelectorAsSelector`).
    ///
    /// # Errors
    /// Where an operator is unknown or a requirement is not valid, in upstream's words.
    pub fn from_label_selector(selector: Option<&LabelSelector>) -> Result<Self, String> {
        let Some(selector) = selector else {
            return Ok(Self::Nothing);
        };
        let mut requirements = Vec::new();
        for (key, value) in selector.match_labels.iter().flatten() {
            requirements.push(Requirement::new(key.into(), Operator::Equals, vec![value.into()], "")?);
        }
        for expression in selector.match_expressions.iter().flatten() {
            let operator = match expression.operator.as_str() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => {
                    return Err(format!("{} is not a valid label selector operator", go_quote(other)));
                }
            };
            let values = expression.values.iter().flatten().map(Name::from).collect();
            requirements.push(Requirement::new(Name::from(&expression.key), operator, values, "")?);
        }
        Ok(Self::from_requirements(requirements))
    }

    /// The selector of the `matchExpressions` of a node selector term; none of them match nothing.
    /// `path` is the place of the list in its object, or empty.
    ///
    /// # Errors
    /// Where an operator is unknown or a requirement is not valid, in upstream's words.
    pub fn from_node_requirements(expressions: &[NodeSelectorRequirement], path: &str) -> Result<Self, String> {
        if expressions.is_empty() {
            return Ok(Self::Nothing);
        }
        let (mut requirements, mut errors) = (Vec::new(), Vec::new());
        for (index, expression) in expressions.iter().enumerate() {
            let place = if path.is_empty() { String::new() } else { format!("{path}[{index}]") };
            match node_requirement(expression, &place) {
                Ok(requirement) => requirements.push(requirement),
                Err(error) => errors.push(error),
            }
        }
        match aggregate(errors) {
            Some(error) => Err(error),
            None => Ok(Self::from_requirements(requirements)),
        }
    }

    /// Whether the labels, of which `get` finds the value by key, are selected.
    pub fn matches<'l>(&self, get: impl Fn(&str) -> Option<&'l str>) -> bool {
        match self {
            Self::Nothing => false,
            Self::All(requirements) => requirements.iter().all(|r| r.matches_value(get(&r.key))),
        }
    }

    /// Whether this restricts nothing.
    pub fn is_everything(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::All(requirements) => requirements.is_empty(),
        }
    }

    /// The one value that `key` must have, where the selector says so.
    pub fn requires_exact_match(&self, key: &str) -> Option<&str> {
        let Self::All(requirements) = self else {
            return None;
        };
        let requirement = requirements.iter().find(|r| r.key == key)?;
        match (requirement.operator, &requirement.values[..]) {
            (Operator::Equals | Operator::DoubleEquals | Operator::In, [value]) => Some(value),
            (_, _) => None,
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::All(requirements) = self else {
            return Ok(());
        };
        for (index, requirement) in requirements.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{requirement}")?;
        }
        Ok(())
    }
}

fn node_requirement(expression: &NodeSelectorRequirement, path: &str) -> Result<Requirement, String> {
    let operator = match expression.operator.as_str() {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        "Gt" => Operator::GreaterThan,
        "Lt" => Operator::LessThan,
        other => {
            return Err(format!(
                "{}: Unsupported value: {}: supported values: \"In\", \"NotIn\", \"Exists\", \"DoesNotExist\", \"Gt\", \"Lt\"",
                child(path, "operator"),
                go_quote(other)
            ));
        }
    };
    let values = expression.values.iter().flatten().map(Name::from).collect();
    Requirement::new(Name::from(&expression.key), operator, values, path)
}

/// Upstream's complaint about a label key, where there is one.
fn invalid_key(key: &str, path: &str) -> Option<String> {
    let complaints = is_qualified_name(key);
    (!complaints.is_empty()).then(|| format!("{path}: Invalid value: {}: {}", go_quote(key), complaints.join("; ")))
}

fn child(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
}

/// A list of strings as Go's `%#v` prints it.
fn go_strings(values: &[Name]) -> String {
    if values.is_empty() {
        return "[]string(nil)".to_string();
    }
    let quoted: Vec<String> = values.iter().map(|v| go_quote(v)).collect();
    format!("[]string{{{}}}", quoted.join(", "))
}

/// One error as it is, several in brackets, as Go's aggregates print; each sentence once.
fn aggregate(errors: Vec<String>) -> Option<String> {
    let mut once: Vec<String> = Vec::new();
    for error in errors {
        if !once.contains(&error) {
            once.push(error);
        }
    }
    match once.len() {
        0 => None,
        1 => once.pop(),
        _ => Some(format!("[{}]", once.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelectorRequirement;

    const LABELS: [(&str, &str); 4] = [("app", "web"), ("tier", "front"), ("n", "5"), ("empty", "")];

    fn get(key: &str) -> Option<&'static str> {
        LABELS.iter().find(|(k, _)| *k == key).map(|(_, v)| *v)
    }

    #[track_caller]
    fn check(text: &str, printed: &str, matched: bool) {
        let selector = Selector::parse(text).unwrap();
        assert_eq!((selector.to_string().as_str(), selector.matches(get)), (printed, matched), "for {text:?}");
    }

    #[track_caller]
    fn check_error(text: &str, error: &str) {
        assert_eq!(Selector::parse(text), Err(error.to_string()), "for {text:?}");
    }

    #[test]
    fn selectors_match_labels_and_print_sorted() {
        check("", "", true);
        check("app=web", "app=web", true);
        check(" app == web ", "app==web", true);
        check("app!=web", "app!=web", false);
        check("tier=front,app=web", "app=web,tier=front", true);
        check("app in (b,web,a)", "app in (a,b,web)", true);
        check("app notin (web)", "app notin (web)", false);
        check("missing notin (x)", "missing notin (x)", true);
        check("missing!=x", "missing!=x", true);
        check("app", "app", true);
        check("!app", "!app", false);
        check("!missing,app", "app,!missing", true);
        check("n>4", "n>4", true);
        check("n<5", "n<5", false);
        check("app>1", "app>1", false);
        check("empty=", "empty=", true);
        check("empty=,app", "app,empty=", true);
        check("empty in ()", "empty in ()", true);
        check("app in (,web)", "app in (,web)", true);
        check("in in (in,notin)", "in in (in,notin)", false);
        check("example.com/x in (a)", "example.com/x in (a)", false);
        assert!(!Selector::nothing().matches(get));
        assert!(Selector::everything().matches(get));
        assert_eq!(Selector::parse("app=web,n>1").unwrap().requires_exact_match("app"), Some("web"));
    }

    #[test]
    fn errors_name_what_was_found_and_expected() {
        check_error(",", "found ',', expected: !, identifier, or 'end of string'");
        check_error("a=b,", "found '', expected: identifier after ','");
        check_error("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt");
        check_error("a in b", "unable to parse requirement: found 'b' expected: '('");
        check_error("a in (b", "unable to parse requirement: found '', expected: ',' or ')'");
        check_error("a=b c", "found 'c', expected: ',' or 'end of string'");
        check_error("!=x", "found '!=', expected: !, identifier, or 'end of string'");
        check_error("a=!", "unable to parse requirement: found '!', expected: identifier");
        check_error(
            "a>b",
            "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, the value must be an integer",
        );
        check_error(
            "-a",
            "unable to parse requirement: <nil>: Invalid value: \"-a\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        );
        check_error(
            "a=-b",
            "unable to parse requirement: values[0][a]: Invalid value: \"-b\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        );
    }

    fn label_selector(labels: &[(&str, &str)], expressions: &[(&str, &str, &[&str])]) -> LabelSelector {
        LabelSelector {
            match_labels: Some(labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()),
            match_expressions: Some(
                expressions
                    .iter()
                    .map(|(key, operator, values)| LabelSelectorRequirement {
                        key: key.to_string(),
                        operator: operator.to_string(),
                        values: Some(values.iter().map(|v| v.to_string()).collect()),
                    })
                    .collect(),
            ),
        }
    }

    #[track_caller]
    fn check_object(selector: Option<&LabelSelector>, expected: Result<(&str, bool), &str>) {
        let found = Selector::from_label_selector(selector).map(|s| (s.to_string(), s.matches(get)));
        assert_eq!(found, expected.map(|(s, m)| (s.to_string(), m)).map_err(str::to_string));
    }

    #[test]
    fn an_absent_selector_is_nothing_and_an_empty_one_everything() {
        check_object(None, Ok(("", false)));
        check_object(Some(&LabelSelector::default()), Ok(("", true)));
        let both = label_selector(&[("tier", "front")], &[("app", "In", &["web", "db"]), ("x", "DoesNotExist", &[])]);
        check_object(Some(&both), Ok(("app in (db,web),tier=front,!x", true)));
        check_object(
            Some(&label_selector(&[], &[("a", "Gt", &["1"])])),
            Err("\"Gt\" is not a valid label selector operator"),
        );
        check_object(
            Some(&label_selector(&[], &[("a", "In", &[])])),
            Err("values: Invalid value: []string(nil): for 'in', 'notin' operators, values set can't be empty"),
        );
        check_object(
            Some(&label_selector(&[], &[("a", "Exists", &["x"])])),
            Err("values: Invalid value: []string{\"x\"}: values set must be empty for exists and does not exist"),
        );
    }

    #[test]
    fn node_requirements_compare_numbers() {
        let term = |operator: &str, values: &[&str]| {
            vec![NodeSelectorRequirement {
                key: "n".to_string(),
                operator: operator.to_string(),
                values: Some(values.iter().map(|v| v.to_string()).collect()),
            }]
        };
        let select = |t: &[NodeSelectorRequirement]| Selector::from_node_requirements(t, "").map(|s| s.matches(get));
        assert_eq!(select(&term("Gt", &["4"])), Ok(true));
        assert_eq!(select(&term("Lt", &["4"])), Ok(false));
        assert_eq!(select(&[]), Ok(false));
        assert!(select(&term("Gt", &["1", "2"])).is_err());
        assert_eq!(
            select(&term("Near", &["4"])),
            Err("operator: Unsupported value: \"Near\": supported values: \"In\", \"NotIn\", \"Exists\", \"DoesNotExist\", \"Gt\", \"Lt\"".to_string())
        );
    }
}
