//! A webhook as its configuration says it, and which requests it matches. Upstream: apiserver
//! `pkg/admission/plugin/webhook/predicates`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::Value;

use super::prospect::{Operation, Prospect};
use crate::api::{Kind, Labels, Name, Object, Selector};
use crate::kernel::Span;
use crate::store::Store;

/// One webhook of a configuration.
#[derive(Clone, Debug)]
pub(super) struct Hook {
    pub(super) name: Name,
    pub(super) client: Client,
    /// `failurePolicy` is `Ignore`.
    pub(super) is_optional: bool,
    pub(super) timeout: Span,
    rules: Vec<Rule>,
    /// `matchPolicy` is `Equivalent`: a rule for another version of the resource counts as well.
    takes_equivalents: bool,
    namespaces: Selector,
    objects: Selector,
}

/// Where a webhook is reached.
#[derive(Clone, Debug)]
pub(super) enum Client {
    /// A Service: namespace, name, port and path.
    Service(Name, Name, u64, String),
    /// A URL, outside of the cluster.
    Url(String),
}

#[derive(Clone, Debug)]
struct Rule {
    operations: Vec<String>,
    groups: Vec<String>,
    versions: Vec<String>,
    resources: Vec<String>,
    /// `Cluster`, `Namespaced` or `*`.
    scope: String,
}

impl Hook {
    /// The webhooks of a configuration, in its order.
    pub(super) fn read(configuration: &Object) -> Vec<Hook> {
        let Object::Untyped(configuration) = configuration else { return Vec::new() };
        let hooks = configuration.body.fields.get("webhooks").and_then(Value::as_array).into_iter().flatten();
        hooks.map(hook).collect()
    }

    /// Whether a request is to be shown to it.
    pub(super) fn matches(&self, prospect: &Prospect, store: &Store) -> bool {
        let fits = |rule: &Rule| {
            rule.fits(prospect, &prospect.info.version)
                || self.takes_equivalents
                    && prospect.info.served_versions.iter().any(|version| rule.fits(prospect, version))
        };
        self.rules.iter().any(fits) && self.is_in_namespace(prospect, store) && self.selects(prospect)
    }

    /// Objects without a namespace are in all of them; a namespace is in itself.
    fn is_in_namespace(&self, prospect: &Prospect, store: &Store) -> bool {
        if is_empty(&self.namespaces) {
            return true;
        }
        let labels = match prospect.kind {
            Kind::Namespace if prospect.subresource.is_empty() && prospect.operation != Operation::Create => {
                store.labels_of_namespace(&prospect.name)
            }
            Kind::Namespace => prospect.labels().cloned().unwrap_or_default(),
            _ if prospect.namespace.is_empty() => return true,
            _ => store.labels_of_namespace(&prospect.namespace),
        };
        meets(&self.namespaces, &labels)
    }

    /// The object before or after must have the labels.
    fn selects(&self, prospect: &Prospect) -> bool {
        is_empty(&self.objects)
            || [prospect.labels(), prospect.old_labels()]
                .into_iter()
                .flatten()
                .any(|labels| meets(&self.objects, labels))
    }
}

impl Rule {
    fn fits(&self, prospect: &Prospect, version: &str) -> bool {
        let has = |list: &[String], wanted: &str| list.iter().any(|entry| entry == "*" || entry == wanted);
        has(&self.operations, prospect.operation.as_str())
            && has(&self.groups, &prospect.info.group)
            && has(&self.versions, version)
            && self.fits_scope(prospect)
            && self.resources.iter().any(|entry| self.fits_resource(entry, prospect))
    }

    /// A namespace counts as cluster-scoped.
    fn fits_scope(&self, prospect: &Prospect) -> bool {
        match self.scope.as_str() {
            "Cluster" => !prospect.info.namespaced,
            "Namespaced" => prospect.info.namespaced,
            _ => true,
        }
    }

    /// `pods`, `pods/status`, `pods/*`, `*/scale`, `*` (no subresources), `*/*`.
    fn fits_resource(&self, entry: &str, prospect: &Prospect) -> bool {
        let (resource, part) = entry.split_once('/').unwrap_or((entry, ""));
        (resource == "*" || resource == prospect.info.plural) && (part == prospect.subresource || part == "*")
    }
}

fn hook(value: &Value) -> Hook {
    let text = |name: &str| value[name].as_str().unwrap_or_default();
    let selector = |name: &str| {
        let written: Option<LabelSelector> = serde_json::from_value(value[name].clone()).unwrap_or_default();
        match written {
            Some(written) => Selector::from_label_selector(Some(&written)).unwrap_or_else(|_| Selector::nothing()),
            None => Selector::everything(),
        }
    };
    let client = &value["clientConfig"];
    let service = &client["service"];
    Hook {
        name: text("name").into(),
        client: match client["url"].as_str() {
            Some(url) => Client::Url(url.to_owned()),
            None => Client::Service(
                service["namespace"].as_str().unwrap_or_default().into(),
                service["name"].as_str().unwrap_or_default().into(),
                service["port"].as_u64().unwrap_or(443),
                service["path"].as_str().unwrap_or_default().to_owned(),
            ),
        },
        is_optional: text("failurePolicy") == "Ignore",
        timeout: Span::from_secs(value["timeoutSeconds"].as_u64().unwrap_or(10)),
        rules: value["rules"].as_array().into_iter().flatten().map(rule).collect(),
        takes_equivalents: text("matchPolicy") != "Exact",
        namespaces: selector("namespaceSelector"),
        objects: selector("objectSelector"),
    }
}

fn rule(value: &Value) -> Rule {
    let texts = |name: &str| {
        let entries = value[name].as_array().into_iter().flatten().filter_map(Value::as_str);
        entries.map(str::to_owned).collect()
    };
    Rule {
        operations: texts("operations"),
        groups: texts("apiGroups"),
        versions: texts("apiVersions"),
        resources: texts("resources"),
        scope: value["scope"].as_str().unwrap_or("*").to_owned(),
    }
}

fn is_empty(selector: &Selector) -> bool {
    *selector == Selector::everything()
}

fn meets(selector: &Selector, labels: &Labels) -> bool {
    selector.matches(|key| labels.get(key).map(Name::as_str))
}
