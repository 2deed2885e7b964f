//! Built-in kinds checked as `kubectl apply --validate=strict` checks them, and JSON turned into types and back.
//!
//! Custom kinds are not checked here: their CRD's schema does that.
//! Left out: what needs more than the types, which is the API server's validation (ranges, names, required values).
use super::kind::Kind;
use super::located::{Rules, read};
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use super::located::{Half, Issue, Path, Segment};

/// Every unknown field of an object of a kind, worded as the API server's strict decoding does, then the first value
/// that does not fit its type. Empty for custom kinds.
pub fn check(kind: Kind, value: &Value) -> Vec<Issue> {
    kind.decoder().map_or_else(Vec::new, |decoder| decoder(value).1)
}

/// Checks a part of an object against a type of its own, with the same words as [`check`].
pub fn check_as<T: DeserializeOwned>(value: &Value) -> Vec<Issue> {
    read::<T>(value, Rules::Kubernetes).1
}

/// An object as the API server would write it back: through its type, so that quantities given as numbers become
/// texts and nulls go away. Custom kinds stay as they are.
///
/// # Errors
/// The first unknown field or misfit.
pub fn normalise(kind: Kind, value: Value) -> Result<Value, Issue> {
    let Some(decoder) = kind.decoder() else { return Ok(value) };
    let (object, issues) = decoder(&value);
    match issues.into_iter().next() {
        Some(issue) => Err(issue),
        None => Ok(object.unwrap_or(value)),
    }
}

/// JSON into a Kubernetes type. Unknown fields are ignored, as for objects that were checked when they came in.
///
/// # Errors
/// The first value that does not fit its type.
pub fn decode<T: DeserializeOwned>(value: &Value) -> Result<T, Issue> {
    let (decoded, issues) = read::<T>(value, Rules::Kubernetes);
    decoded.ok_or_else(|| issues.into_iter().next_back().unwrap_or_else(|| Issue::whole("cannot be decoded")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(container: Value) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {
                "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}},
            },
        })
    }

    #[track_caller]
    fn check_issues(container: Value, expected: &[(&str, Option<&str>)]) {
        let issues = check(Kind::Deployment, &deployment(container));
        let found: Vec<(String, Option<&str>)> =
            issues.iter().map(|issue| (issue.to_string(), issue.help.as_deref())).collect();
        let expected: Vec<(String, Option<&str>)> =
            expected.iter().map(|(text, help)| ((*text).to_owned(), *help)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_right_deployment_has_no_issue() {
        check_issues(json!({"name": "c", "image": "nginx"}), &[]);
    }

    #[test]
    fn unknown_fields_are_all_named_with_their_nearest_neighbour() {
        check_issues(
            json!({"name": "c", "imagee": "nginx", "resources": {"request": {"cpu": 1}}}),
            &[
                ("unknown field \"spec.template.spec.containers[0].imagee\"", Some("did you mean \"image\"?")),
                (
                    "unknown field \"spec.template.spec.containers[0].resources.request\"",
                    Some("did you mean \"requests\"?"),
                ),
            ],
        );
    }

    #[test]
    fn a_string_takes_no_number_and_no_boolean() {
        check_issues(
            json!({"name": "c", "env": [{"name": "A", "value": 1}]}),
            &[(
                "spec.template.spec.containers[0].env[0].value: expected a string, found the number 1",
                Some("write it in quotes: \"1\""),
            )],
        );
        check_issues(
            json!({"name": true}),
            &[(
                "spec.template.spec.containers[0].name: expected a string, found the boolean true",
                Some("write it in quotes: \"true\""),
            )],
        );
    }

    #[test]
    fn misfits_are_told_in_plain_words() {
        check_issues(
            json!({"name": "c", "ports": [{"containerPort": "80"}]}),
            &[(
                "spec.template.spec.containers[0].ports[0].containerPort: expected an integer, found the string \"80\"",
                Some("write it without quotes: 80"),
            )],
        );
        check_issues(
            json!({"name": "c", "ports": {"containerPort": 80}}),
            &[("spec.template.spec.containers[0].ports: expected a list, found a mapping", None)],
        );
        check_issues(
            json!({"name": "c", "securityContext": ["x"]}),
            &[(
                "spec.template.spec.containers[0].securityContext: expected a mapping (SecurityContext), found a list",
                None,
            )],
        );
        check_issues(
            json!({"name": "c", "stdin": "true"}),
            &[(
                "spec.template.spec.containers[0].stdin: expected true or false, found the string \"true\"",
                Some("write it without quotes: true"),
            )],
        );
    }

    #[test]
    fn quantities_become_texts_and_nulls_go_away() {
        let value = deployment(json!({
            "name": "c", "args": null, "command": [null],
            "resources": {"limits": {"cpu": 0.5, "memory": "1Gi", "nvidia.com/gpu": 1}},
        }));
        let value = normalise(Kind::Deployment, value).unwrap();
        let container = &value["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["resources"]["limits"], json!({"cpu": "0.5", "memory": "1Gi", "nvidia.com/gpu": "1"}));
        assert_eq!(container["command"], json!([""]));
        assert_eq!(container.get("args"), None);
    }

    #[test]
    fn a_custom_kind_passes_unchecked() {
        let value = json!({"apiVersion": "x/v1", "kind": "Y", "anything": 1});
        assert_eq!(check(Kind::Custom(0), &value), []);
        assert_eq!(normalise(Kind::Custom(0), value.clone()).unwrap(), value);
    }

    #[test]
    fn a_schema_nested_as_deep_as_files_may_be_is_read() {
        let mut schema = json!({"type": "object"});
        for _ in 0..100 {
            schema = json!({"not": schema});
        }
        let crd = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "ys.x"},
            "spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]},
        });
        assert_eq!(check(Kind::CustomResourceDefinition, &crd), []);
        assert!(normalise(Kind::CustomResourceDefinition, crd).is_ok());
    }
}
