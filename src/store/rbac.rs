//! Role-based access control: who may do what. Upstream: `plugin/pkg/auth/authorizer/rbac`, `pkg/registry/rbac/validation`
//! and, for the texts, `apiserver/pkg/endpoints/handlers/responsewriters`.
//!
//! Only requests in somebody's name ([`UserInfo`]) are judged. The built-in parts and whoever runs the timeline without
//! `as:` are not: upstream's bootstrap roles and the group `system:masters` allow them all that they do here.
//!
//! Of upstream's default roles `cluster-admin` is known (without an object); `admin`, `edit`, `view` and those of the
//! system are not. An aggregated ClusterRole has at once what the roles that it selects allow, where upstream's
//! controller copies their rules. Left out: the check against escalation, URLs without resources, other authorizers.

use serde_json::{Map, Value};

use super::Store;
use crate::api::{Kind, KindInfo, Name, Object, Selector};
use crate::event::{ApiError, ErrorReason, Filter, Request, Subresource, Verb};

/// In whose name a request comes. Upstream: `user.Info`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserInfo {
    /// `system:serviceaccount:shop:operator`, or a person's name.
    pub name: Name,
    /// The groups.
    pub groups: Vec<Name>,
}

impl UserInfo {
    /// A user by name, with the groups that impersonation gives (`kubectl --as`).
    pub fn named(name: &str) -> UserInfo {
        let mut groups: Vec<Name> = Vec::new();
        if let Some((namespace, _)) = name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'))
        {
            groups.push("system:serviceaccounts".into());
            groups.push(format!("system:serviceaccounts:{namespace}").into());
        }
        groups.push("system:authenticated".into());
        UserInfo { name: name.into(), groups }
    }

    /// A service account.
    pub fn service_account(namespace: &str, name: &str) -> UserInfo {
        UserInfo::named(&format!("system:serviceaccount:{namespace}:{name}"))
    }
}

/// What a request is for an authorizer. Upstream: `authorizer.Attributes`.
struct Attributes<'a> {
    verb: &'static str,
    info: &'a KindInfo,
    subresource: &'static str,
    namespace: Name,
    name: Name,
}

impl Attributes<'_> {
    /// `deployments/scale`.
    fn resource(&self) -> String {
        match self.subresource {
            "" => self.info.plural.to_string(),
            subresource => format!("{}/{subresource}", self.info.plural),
        }
    }

    /// Upstream: `forbiddenMessage`, `NewForbidden`.
    fn refusal(&self, user: &UserInfo, problems: &[String]) -> ApiError {
        let name = if self.name.is_empty() { String::new() } else { format!(" {:?}", self.name) };
        let place = match self.namespace.as_str() {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace {namespace:?}"),
        };
        let reason = match problems {
            [] => String::new(),
            [problem] => format!(": RBAC: {problem}"),
            problems => format!(": RBAC: [{}]", problems.join(", ")),
        };
        let message = format!(
            "{}{name} is forbidden: User {:?} cannot {} resource {:?} in API group {:?} {place}{reason}",
            self.info.group_resource(),
            user.name,
            self.verb,
            self.resource(),
            self.info.group
        );
        ApiError::new(ErrorReason::Forbidden, message)
    }

    /// Whether a rule of a role allows it. Upstream: `RuleAllows`.
    fn is_allowed_by(&self, rule: &Value) -> bool {
        let has = |field: &str, wanted: &str| {
            let words = rule.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            words.into_iter().any(|word| word == "*" || word == wanted)
        };
        let any_of_subresource = format!("*/{}", self.subresource);
        let names = rule.get("resourceNames").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        has("verbs", self.verb)
            && has("apiGroups", &self.info.group)
            && (has("resources", &self.resource())
                || (!self.subresource.is_empty() && has("resources", &any_of_subresource)))
            && (names.is_empty() || names.iter().any(|name| name.as_str() == Some(self.name.as_str())))
    }
}

impl Store {
    /// Whether a user may send a request.
    ///
    /// # Errors
    /// `Forbidden` (403), in upstream's words.
    pub fn authorize(&self, user: &UserInfo, request: &Request) -> Result<(), ApiError> {
        let (namespace, name) = match request {
            Request::Create(object) => (object.meta().namespace.clone(), Name::new()),
            Request::Update(object)
            | Request::UpdateStatus(object)
            | Request::PatchStatus(object)
            | Request::FinalizeNamespace(object) => (object.meta().namespace.clone(), object.meta().name.clone()),
            Request::Bind { pod: target, .. }
            | Request::Evict { pod: target, .. }
            | Request::PatchMeta { target, .. }
            | Request::PatchEvent { target, .. }
            | Request::Patch { target, .. }
            | Request::Scale { target, .. }
            | Request::Delete { target, .. }
            | Request::Get(target) => self.path_of(target).unwrap_or_default(),
            Request::List { query, .. } | Request::DeleteCollection { query, .. } => {
                scope_of(query.namespace.as_ref(), &query.filter)
            }
        };
        let subresource = match request {
            Request::Bind { .. } => "binding",
            Request::Evict { .. } => "eviction",
            Request::UpdateStatus(_) | Request::PatchStatus(_) => "status",
            Request::Patch { subresource, .. } => match subresource {
                Subresource::None => "",
                Subresource::Status => "status",
                Subresource::Scale => "scale",
            },
            Request::Scale { .. } => "scale",
            Request::FinalizeNamespace(_) => "finalize",
            Request::Create(_)
            | Request::Update(_)
            | Request::PatchMeta { .. }
            | Request::PatchEvent { .. }
            | Request::Delete { .. }
            | Request::DeleteCollection { .. }
            | Request::Get(_)
            | Request::List { .. } => "",
        };
        let verb = match request.verb() {
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
            Verb::DeleteCollection => "deletecollection",
        };
        self.judge(user, &Attributes { verb, info: self.info(request.kind()), subresource, namespace, name })
    }

    /// Whether a user may watch.
    ///
    /// # Errors
    /// `Forbidden` (403), in upstream's words.
    pub fn authorize_watch(&self, user: &UserInfo, kind: Kind, filter: &Filter) -> Result<(), ApiError> {
        let (namespace, name) = scope_of(None, filter);
        self.judge(user, &Attributes { verb: "watch", info: self.info(kind), subresource: "", namespace, name })
    }

    fn judge(&self, user: &UserInfo, attributes: &Attributes<'_>) -> Result<(), ApiError> {
        if user.groups.iter().any(|group| group == "system:masters") {
            return Ok(());
        }
        let mut problems = Vec::new();
        // A namespace counts as being in itself. Upstream: `RequestInfoFactory.NewRequestInfo`.
        let is_namespace = attributes.info.plural == "namespaces" && attributes.info.group.is_empty();
        let namespace = if is_namespace { &attributes.name } else { &attributes.namespace };
        let attributes = &Attributes { namespace: namespace.clone(), name: attributes.name.clone(), ..*attributes };
        let cluster_wide = self.table(Kind::ClusterRoleBinding).iter();
        let in_namespace = self
            .table(Kind::RoleBinding)
            .iter()
            .filter(|binding| !namespace.is_empty() && binding.meta().namespace == *namespace);
        for binding in cluster_wide.chain(in_namespace) {
            if has_subject(binding, user) && self.role_allows(binding, attributes, &mut problems) {
                return Ok(());
            }
        }
        Err(attributes.refusal(user, &problems))
    }

    /// Whether the role to which a binding refers allows it.
    fn role_allows(&self, binding: &Object, attributes: &Attributes<'_>, problems: &mut Vec<String>) -> bool {
        let Some(reference) = fields(binding).and_then(|fields| fields.get("roleRef")) else { return false };
        let text = |field: &str| reference.get(field).and_then(Value::as_str).unwrap_or_default();
        let (kind, namespace) = match text("kind") {
            "ClusterRole" if text("name") == "cluster-admin" => return true,
            "ClusterRole" => (Kind::ClusterRole, Name::new()),
            _ => (Kind::Role, binding.meta().namespace.clone()),
        };
        let Some(role) = self.table(kind).by_name(&namespace, &text("name").into()) else {
            problems.push(format!(
                "{}.{} {:?} not found",
                self.info(kind).singular,
                self.info(kind).group,
                text("name")
            ));
            return false;
        };
        if rules(role).any(|rule| attributes.is_allowed_by(rule)) {
            return true;
        }
        let selectors = fields(role)
            .and_then(|fields| fields.get("aggregationRule")?.get("clusterRoleSelectors")?.as_array())
            .into_iter()
            .flatten();
        selectors.into_iter().any(|selector| {
            let selector = serde_json::from_value(selector.clone()).ok();
            let Ok(selector) = Selector::from_label_selector(selector.as_ref()) else { return false };
            let mut selected = self.table(Kind::ClusterRole).iter().filter(|role| {
                let labels = &role.meta().labels;
                selector.matches(|key| labels.get(key).map(Name::as_str))
            });
            selected.any(|role| rules(role).any(|rule| attributes.is_allowed_by(rule)))
        })
    }
}

/// The namespace and name that a list or a watch asks for.
fn scope_of(namespace: Option<&Name>, filter: &Filter) -> (Name, Name) {
    match filter {
        Filter::Named(namespace, name) => (namespace.clone(), name.clone()),
        Filter::InNamespace(namespace) => (namespace.clone(), Name::new()),
        Filter::All | Filter::OnNode(_) => (namespace.cloned().unwrap_or_default(), Name::new()),
    }
}

fn fields(object: &Object) -> Option<&Map<String, Value>> {
    match object {
        Object::Untyped(object) => Some(&object.body.fields),
        _ => None,
    }
}

fn rules(role: &Object) -> impl Iterator<Item = &Value> {
    fields(role).and_then(|fields| fields.get("rules")?.as_array()).into_iter().flatten()
}

/// Whether a binding is for a user. Upstream: `appliesToUser`.
fn has_subject(binding: &Object, user: &UserInfo) -> bool {
    let subjects = fields(binding).and_then(|fields| fields.get("subjects")?.as_array()).into_iter().flatten();
    subjects.into_iter().any(|subject| {
        let text = |field: &str| subject.get(field).and_then(Value::as_str).unwrap_or_default();
        match text("kind") {
            "User" => text("name") == user.name,
            "Group" => user.groups.iter().any(|group| group == text("name")),
            "ServiceAccount" => {
                let namespace = Some(text("namespace")).filter(|name| !name.is_empty());
                let namespace = namespace.unwrap_or(binding.meta().namespace.as_str());
                user.name == format!("system:serviceaccount:{namespace}:{}", text("name"))
            }
            _ => false,
        }
    })
}
