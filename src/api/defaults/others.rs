//! Namespaces, nodes, secrets, limits, autoscalers, roles, and what extends the API. Upstream: the `defaults.go` of
//! each group.

use serde_json::{Value, json};

use super::{Fields, copy_missing, default, default_text, each, has, text, within, within_new};

pub(super) fn namespace(object: &mut Fields) {
    within_new(object, "metadata", |metadata| {
        let name = text(metadata, "name").to_owned();
        if !name.is_empty() {
            within_new(metadata, "labels", |labels| {
                labels.insert("kubernetes.io/metadata.name".to_owned(), Value::String(name));
            });
        }
    });
}

pub(super) fn node(object: &mut Fields) {
    within(object, "status", |status| {
        if !has(status, "allocatable") {
            copy_missing(status, "capacity", "allocatable");
        }
    });
    within(object, "spec", |spec| {
        if has(spec, "podCIDR") && !has(spec, "podCIDRs") {
            let first = spec["podCIDR"].clone();
            spec.insert("podCIDRs".to_owned(), json!([first]));
        }
    });
}

/// `stringData` is written into `data` and gone.
pub(super) fn secret(object: &mut Fields) {
    default_text(object, "type", "Opaque");
    let Some(Value::Object(plain)) = object.remove("stringData") else { return };
    if plain.is_empty() {
        return;
    }
    within_new(object, "data", |data| {
        for (key, value) in plain {
            let text = value.as_str().unwrap_or_default();
            data.insert(key, Value::String(base64(text.as_bytes())));
        }
    });
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let index = (word >> (18 - 6 * digit) & 63) as usize;
            out.push(if digit > chunk.len() { '=' } else { ALPHABET[index] as char });
        }
    }
    out
}

pub(super) fn limit_range(object: &mut Fields) {
    within(object, "spec", |spec| {
        each(spec, "limits", |item| {
            if text(item, "type") == "Container" {
                copy_missing(item, "max", "default");
                copy_missing(item, "default", "defaultRequest");
                copy_missing(item, "min", "defaultRequest");
            }
        });
    });
}

pub(super) fn autoscaler(object: &mut Fields) {
    within_new(object, "spec", |spec| {
        default(spec, "minReplicas", 1);
        if spec.get("metrics").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            let cpu = json!([{
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
            }]);
            spec.insert("metrics".to_owned(), cpu);
        }
        within(spec, "behavior", |behavior| {
            let fast = json!({"type": "Percent", "value": 100, "periodSeconds": 15});
            within_new(behavior, "scaleUp", |up| {
                default(up, "stabilizationWindowSeconds", 0);
                default(up, "selectPolicy", "Max");
                default(up, "policies", json!([{"type": "Pods", "value": 4, "periodSeconds": 15}, fast.clone()]));
            });
            within_new(behavior, "scaleDown", |down| {
                default(down, "selectPolicy", "Max");
                default(down, "policies", json!([fast]));
            });
        });
    });
}

pub(super) fn role_binding(object: &mut Fields) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    within(object, "roleRef", |role| default_text(role, "apiGroup", GROUP));
    each(object, "subjects", |subject| {
        if matches!(text(subject, "kind"), "User" | "Group") {
            default_text(subject, "apiGroup", GROUP);
        }
    });
}

pub(super) fn custom_resource_definition(object: &mut Fields) {
    within(object, "spec", |spec| {
        within(spec, "names", |names| {
            let kind = text(names, "kind").to_owned();
            default_text(names, "singular", &kind.to_lowercase());
            default_text(names, "listKind", &format!("{kind}List"));
        });
        within_new(spec, "conversion", |conversion| default_text(conversion, "strategy", "None"));
    });
}

pub(super) fn webhooks(object: &mut Fields, mutating: bool) {
    each(object, "webhooks", |webhook| {
        default(webhook, "failurePolicy", "Fail");
        default(webhook, "matchPolicy", "Equivalent");
        default(webhook, "namespaceSelector", json!({}));
        default(webhook, "objectSelector", json!({}));
        default(webhook, "timeoutSeconds", 10);
        if mutating {
            default(webhook, "reinvocationPolicy", "Never");
        }
        each(webhook, "rules", |rule| default(rule, "scope", "*"));
        within(webhook, "clientConfig", |client| {
            within(client, "service", |service| default(service, "port", 443));
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_as_it_should() {
        for (plain, encoded) in [("", ""), ("v", "dg=="), ("ab", "YWI="), ("abc", "YWJj"), ("abcd", "YWJjZA==")] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }
}
