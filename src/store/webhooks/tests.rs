//! Which requests webhooks match, and what of it.

use serde_json::{Value, json};

use super::{Condition, Declared, Denial, Patch, Test};
use crate::api::{Kind, Object, convert};
use crate::event::{ErrorReason, PatchKind, Request, Subresource, Target, WebhookEffect, WebhookRule};
use crate::kernel::Span;
use crate::store::tests::Server;

const NAME: &str = "limits.example.com";

fn read(manifest: Value) -> Object {
    let (version, kind) = (manifest["apiVersion"].as_str(), manifest["kind"].as_str());
    let kind = Kind::from_gvk(version.unwrap_or_default(), kind.unwrap_or_default()).expect("a built-in kind");
    convert::from_json(kind, manifest).expect("a good manifest")
}

/// A server with a webhook outside of the cluster, changed as a test wants it.
fn server(kind: &str, webhook: Value) -> Server {
    let mut server = Server::new();
    let mut hook = json!({
        "name": NAME, "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://hooks.example.com/check"},
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}],
    });
    for (name, value) in webhook.as_object().into_iter().flatten() {
        hook[name] = value.clone();
    }
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": "c"}, "webhooks": [hook],
    });
    server.handle(Request::Create(read(configuration))).expect("a good configuration");
    server
}

fn config_map(name: &str, labels: Value) -> Object {
    read(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default", "labels": labels}}),
    )
}

/// Whether a webhook is asked about a request.
#[track_caller]
fn check(webhook: Value, request: Request, expected: bool) {
    let mut server = server("ValidatingWebhookConfiguration", webhook);
    server.handle(Request::Create(config_map("there", json!({"old": "yes"})))).expect("no delay in these tests");
    assert_eq!(server.store.ask_webhooks(&request).is_some(), expected);
}

fn rule(operations: &[&str], group: &str, resources: &[&str]) -> Value {
    json!({"rules": [{"operations": operations, "apiGroups": [group], "apiVersions": ["*"], "resources": resources}]})
}

fn there() -> Target {
    Target::Name(Kind::ConfigMap, "default".into(), "there".into())
}

#[test]
fn rules_match_operation_group_and_resource() {
    let create = || Request::Create(config_map("new", json!({})));
    let delete = || Request::Delete { target: there(), options: Default::default() };
    check(json!({}), create(), true);
    check(json!({}), delete(), false);
    check(rule(&["*"], "*", &["*"]), create(), true);
    check(rule(&["DELETE"], "", &["configmaps"]), delete(), true);
    check(rule(&["CREATE"], "apps", &["configmaps"]), create(), false);
    check(rule(&["CREATE"], "", &["pods", "secrets"]), create(), false);
    check(rule(&["CREATE"], "", &["configmaps/status"]), create(), false);
    check(rule(&["CREATE"], "", &["*/*"]), create(), true);
    let mut cluster = rule(&["CREATE"], "", &["configmaps"]);
    cluster["rules"][0]["scope"] = json!("Cluster");
    check(cluster, create(), false);
}

#[test]
fn subresources_are_matched_by_their_name() {
    let namespace = Target::Name(Kind::Namespace, "".into(), "default".into());
    let body = json!({"status": {"phase": "Active"}});
    let patch = crate::event::Patch { kind: PatchKind::Merge, body };
    let status =
        || Request::Patch { target: namespace.clone(), subresource: Subresource::Status, patch: patch.clone().into() };
    check(rule(&["UPDATE"], "", &["namespaces/status"]), status(), true);
    check(rule(&["UPDATE"], "", &["namespaces/*"]), status(), true);
    check(rule(&["UPDATE"], "", &["namespaces"]), status(), false);
    check(rule(&["UPDATE"], "", &["*"]), status(), false);
}

#[test]
fn labels_of_the_object_before_or_after_and_of_the_namespace_select() {
    let selecting =
        |selector: &str, key: &str| json!({selector: {"matchExpressions": [{"key": key, "operator": "Exists"}]}});
    let create = |labels: Value| Request::Create(config_map("new", labels));
    check(selecting("objectSelector", "new"), create(json!({"new": "yes"})), true);
    check(selecting("objectSelector", "new"), create(json!({})), false);
    check(selecting("namespaceSelector", "kubernetes.io/metadata.name"), create(json!({})), true);
    check(selecting("namespaceSelector", "team"), create(json!({})), false);
    let mut deletion = selecting("objectSelector", "old");
    deletion["rules"] = rule(&["DELETE"], "", &["configmaps"])["rules"].clone();
    check(deletion, Request::Delete { target: there(), options: Default::default() }, true);
}

#[test]
fn configurations_of_webhooks_are_never_matched_and_go_when_they_are_deleted() {
    let target = Target::Name(Kind::ValidatingWebhookConfiguration, "".into(), "c".into());
    let delete = || Request::Delete { target: target.clone(), options: Default::default() };
    check(rule(&["*"], "*", &["*"]), delete(), false);
    let mut server = server("ValidatingWebhookConfiguration", json!({}));
    assert!(server.store.has_webhooks());
    server.handle(delete()).expect("it can be deleted");
    assert!(!server.store.has_webhooks());
}

#[track_caller]
fn answer(server: &mut Server, request: Request) -> (Span, Result<Value, (ErrorReason, String)>) {
    let asked = server.store.ask_webhooks(&request).expect("the webhook is asked");
    let context = server.context();
    let reply = server.store.handle_admitted(request, &asked.verdict, &context);
    let told = reply.map(|answer| answer.object().map(convert::to_json).unwrap_or_default());
    (asked.takes, told.map_err(|error| (error.reason, error.message.to_string())))
}

#[test]
fn what_is_declared_denies_and_changes() {
    let is = |path: &str, value: Value| vec![Condition { path: path.to_owned(), test: Test::Is(value) }];
    let declared = Declared {
        name: NAME.into(),
        latency: (Span::from_secs(1), Span::from_secs(1)),
        denials: vec![Denial { when: is("metadata.labels.size", json!("xl")), message: "too large".to_owned() }],
        patches: vec![Patch {
            when: Vec::new(),
            patch: json!([{"op": "add", "path": "/data", "value": {"seen": "yes"}}]),
        }],
    };
    let mut server = server("MutatingWebhookConfiguration", json!({}));
    server.store.declare_webhooks(&[declared]);
    let (takes, told) = answer(&mut server, Request::Create(config_map("a", json!({"size": "xl"}))));
    let denial = format!("admission webhook {NAME:?} denied the request: too large");
    assert_eq!((takes, told), (Span::from_secs(1), Err((ErrorReason::Forbidden, denial))));
    let (_, told) = answer(&mut server, Request::Create(config_map("a", json!({}))));
    assert_eq!(told.expect("it is admitted")["data"], json!({"seen": "yes"}));
}

#[test]
fn calls_that_fail_are_told_in_the_words_of_the_api_server() {
    let service =
        json!({"clientConfig": {"service": {"name": "svc", "namespace": "ns", "path": "/check"}}, "timeoutSeconds": 3});
    let failed = |why: &str| {
        format!("Internal error occurred: failed calling webhook {NAME:?}: failed to call webhook: Post {why}")
    };
    let url = "\"https://svc.ns.svc:443/check?timeout=3s\"";
    let mut gone = server("ValidatingWebhookConfiguration", service.clone());
    let request = || Request::Create(config_map("a", json!({})));
    let (takes, told) = answer(&mut gone, request());
    let expected = failed(&format!("{url}: service \"svc\" not found"));
    assert_eq!((takes, told), (Span::ZERO, Err((ErrorReason::InternalError, expected))));
    gone.handle(Request::Create(read(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns"}}))))
        .expect("a namespace");
    gone.handle(Request::Create(read(json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "svc", "namespace": "ns"}, "spec": {"ports": [{"port": 443}]},
    })))).expect("a Service");
    let (_, told) = answer(&mut gone, request());
    let expected = failed(&format!("{url}: no endpoints available for service \"svc\""));
    assert_eq!(told, Err((ErrorReason::InternalError, expected)));

    let url = "\"https://hooks.example.com/check?timeout=3s\"";
    let impose = |server: &mut Server, effect: WebhookEffect| {
        server.store.impose_on_webhooks(1, WebhookRule { names: None, effect }.into());
    };
    let mut slow = server("ValidatingWebhookConfiguration", json!({"timeoutSeconds": 3}));
    impose(&mut slow, WebhookEffect::Delay(Span::from_secs(5), Span::from_secs(5)));
    let (takes, told) = answer(&mut slow, request());
    let expected = failed(&format!("{url}: context deadline exceeded"));
    assert_eq!((takes, told), (Span::from_secs(3), Err((ErrorReason::InternalError, expected))));
    slow.store.relieve_webhooks(1);
    impose(&mut slow, WebhookEffect::Refuse);
    let (_, told) = answer(&mut slow, request());
    let expected = failed(&format!("{url}: dial tcp hooks.example.com:443: connect: connection refused"));
    assert_eq!(told, Err((ErrorReason::InternalError, expected)));

    let mut optional =
        server("ValidatingWebhookConfiguration", json!({"timeoutSeconds": 3, "failurePolicy": "Ignore"}));
    impose(&mut optional, WebhookEffect::Delay(Span::from_secs(5), Span::from_secs(5)));
    let (takes, told) = answer(&mut optional, request());
    assert!(takes == Span::from_secs(3) && told.is_ok(), "{told:?}");
}

#[test]
fn configurations_are_refused_in_the_words_of_the_api_server() {
    let check = |change: Value, expected: &str| {
        let mut server = Server::new();
        let mut hook = json!({
            "name": NAME, "sideEffects": "None", "admissionReviewVersions": ["v1"], "clientConfig": {"url": "https://a.b"},
        });
        for (name, value) in change.as_object().into_iter().flatten() {
            hook[name] = value.clone();
        }
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "c"}, "webhooks": [hook],
        });
        let refused = server.handle(Request::Create(read(configuration))).expect_err("it is refused");
        let head = "ValidatingWebhookConfiguration.admissionregistration.k8s.io \"c\" is invalid: webhooks[0].";
        assert_eq!(refused.message.strip_prefix(head), Some(expected), "{}", refused.message);
    };
    check(
        json!({"name": "limits"}),
        "name: Invalid value: \"limits\": should be a domain with at least three segments separated by dots",
    );
    check(json!({"sideEffects": null}), "sideEffects: Required value: must specify one of None, NoneOnDryRun");
    check(
        json!({"timeoutSeconds": 31}),
        "timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds",
    );
    check(
        json!({"matchConditions": [{"name": "a", "expression": "true"}]}),
        "matchConditions: Forbidden: wavetank does not evaluate match conditions: take them out, or select by labels instead",
    );
}
