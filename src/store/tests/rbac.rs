//! Who may do what.

use serde_json::{Value, json};

use super::Server;
use crate::api::Kind;
use crate::event::{DeleteOptions, Filter, ListAt, Query, Request, Subresource, Target};
use crate::store::UserInfo;

fn rule(verbs: &[&str], group: &str, resources: &[&str]) -> Value {
    json!({"verbs": verbs, "apiGroups": [group], "resources": resources})
}

fn server() -> Server {
    let mut server = Server::new();
    let role = |kind: &str, name: &str, rules: Value| {
        let mut role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name}});
        if kind == "Role" {
            role["metadata"]["namespace"] = "default".into();
        }
        role["rules"] = rules;
        role
    };
    let binding = |kind: &str, name: &str, (role_kind, role_name): (&str, &str), subjects: Value| {
        let mut binding = role(kind, name, Value::Null);
        binding["roleRef"] = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role_name});
        binding["subjects"] = subjects;
        binding.as_object_mut().expect("it is one").remove("rules");
        if kind == "RoleBinding" {
            binding["metadata"]["namespace"] = "default".into();
        }
        binding
    };
    let operator = json!([{"kind": "ServiceAccount", "name": "operator", "namespace": "default"}]);
    let mut one_name = rule(&["get"], "", &["configmaps"]);
    one_name["resourceNames"] = json!(["settings"]);
    let mut adder = role("ClusterRole", "adds", json!([rule(&["list"], "apps", &["*"])]));
    adder["metadata"]["labels"] = json!({"to": "all"});
    let mut all = role("ClusterRole", "all", json!([]));
    all["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {"to": "all"}}]});
    for object in [
        role("Role", "pods", json!([rule(&["get", "list", "create"], "", &["pods"]), one_name])),
        binding("RoleBinding", "pods", ("Role", "pods"), operator.clone()),
        role("ClusterRole", "scales", json!([rule(&["*"], "apps", &["*/scale"])])),
        binding("ClusterRoleBinding", "scales", ("ClusterRole", "scales"), operator),
        adder,
        all,
        binding(
            "ClusterRoleBinding",
            "all",
            ("ClusterRole", "all"),
            json!([{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "readers"}]),
        ),
        binding(
            "ClusterRoleBinding",
            "lost",
            ("ClusterRole", "lost"),
            json!([{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "eve"}]),
        ),
        binding(
            "ClusterRoleBinding",
            "root",
            ("ClusterRole", "cluster-admin"),
            json!([{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "root"}]),
        ),
    ] {
        server.create(object);
    }
    server
}

fn named(kind: Kind, namespace: &str, name: &str) -> Target {
    Target::Name(kind, namespace.into(), name.into())
}

fn list(kind: Kind, namespace: Option<&str>) -> Request {
    let query = Query {
        kind,
        namespace: namespace.map(Into::into),
        labels: crate::api::Selector::everything(),
        filter: Filter::All,
    };
    Request::List { query, at: ListAt::Quorum }
}

/// What a user is told; empty: the request is let through.
#[track_caller]
fn check(user: &UserInfo, request: &Request, expected: &str) {
    let told = server().store.authorize(user, request).err().map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(told, expected);
}

#[test]
fn a_missing_verb_is_refused_in_the_words_that_its_author_knows() {
    let operator = &UserInfo::service_account("default", "operator");
    check(operator, &list(Kind::Pod, Some("default")), "");
    check(
        operator,
        &list(Kind::Pod, None),
        "pods is forbidden: User \"system:serviceaccount:default:operator\" cannot list resource \"pods\" in API group \
         \"\" at the cluster scope",
    );
    check(
        operator,
        &Request::Delete { target: named(Kind::Pod, "default", "a"), options: DeleteOptions::default() },
        "pods \"a\" is forbidden: User \"system:serviceaccount:default:operator\" cannot delete resource \"pods\" in API \
         group \"\" in the namespace \"default\"",
    );
    check(
        operator,
        &list(Kind::Deployment, Some("default")),
        "deployments.apps is forbidden: User \"system:serviceaccount:default:operator\" cannot list resource \
         \"deployments\" in API group \"apps\" in the namespace \"default\"",
    );
    check(
        operator,
        &Request::Get(named(Kind::Namespace, "", "kube-system")),
        "namespaces \"kube-system\" is forbidden: User \"system:serviceaccount:default:operator\" cannot get resource \
         \"namespaces\" in API group \"\" in the namespace \"kube-system\"",
    );
}

#[test]
fn rules_name_subresources_and_objects() {
    let operator = &UserInfo::service_account("default", "operator");
    let patch = |subresource| Request::Patch {
        target: named(Kind::Deployment, "shop", "web"),
        subresource,
        patch: std::sync::Arc::new(crate::event::Patch { kind: crate::event::PatchKind::Merge, body: json!({}) }),
    };
    check(operator, &patch(Subresource::Scale), "");
    check(
        operator,
        &patch(Subresource::Status),
        "deployments.apps \"web\" is forbidden: User \"system:serviceaccount:default:operator\" cannot patch resource \
         \"deployments/status\" in API group \"apps\" in the namespace \"shop\"",
    );
    check(operator, &Request::Get(named(Kind::ConfigMap, "default", "settings")), "");
    check(
        operator,
        &Request::Get(named(Kind::ConfigMap, "default", "others")),
        "configmaps \"others\" is forbidden: User \"system:serviceaccount:default:operator\" cannot get resource \
         \"configmaps\" in API group \"\" in the namespace \"default\"",
    );
}

#[test]
fn roles_are_aggregated_bound_to_groups_and_may_be_missing() {
    let reader = &UserInfo { name: "ann".into(), groups: vec!["readers".into()] };
    check(reader, &list(Kind::StatefulSet, None), "");
    check(&UserInfo::named("root"), &list(Kind::Secret, None), "");
    check(
        &UserInfo::named("eve"),
        &list(Kind::Secret, None),
        "secrets is forbidden: User \"eve\" cannot list resource \"secrets\" in API group \"\" at the cluster scope: \
         RBAC: clusterrole.rbac.authorization.k8s.io \"lost\" not found",
    );
    let server = server();
    let watched =
        server.store.authorize_watch(&UserInfo::named("ann"), Kind::Pod, &Filter::InNamespace("default".into()));
    let told = watched.expect_err("nobody lets ann watch").to_string();
    assert!(told.contains("cannot watch resource \"pods\" in API group \"\" in the namespace \"default\""), "{told}");
}
