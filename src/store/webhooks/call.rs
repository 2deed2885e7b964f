//! A call of a webhook: whether it is reached, how long it takes, what it answers. Upstream: apiserver
//! `pkg/util/webhook/client.go`, `pkg/admission/plugin/webhook/errors`, `pkg/util/proxy`.

use serde_json::Value;

use super::hook::{Client, Hook};
use super::prospect::Prospect;
use crate::api::{Kind, Name, Object};
use crate::event::{ApiError, ErrorReason, WebhookEffect};
use crate::kernel::{Purpose, Span, object_hash};
use crate::store::Store;

const LATENCY: Purpose = Purpose::new("webhook-latency");
const DELAY: Purpose = Purpose::new("webhook-delay");

/// How long a webhook takes of which nothing is declared.
const USUALLY: (Span, Span) = (Span::from_millis(2), Span::from_millis(10));

impl Store {
    /// Calls a webhook: how long that takes, and the patches that it answers with, or why the request is refused.
    pub(super) fn call_webhook(
        &mut self,
        hook: &Hook,
        prospect: &mut Prospect,
    ) -> (Span, Result<Vec<Value>, ApiError>) {
        let declared = self.webhooks.declared.clone();
        let declared = declared.iter().find(|declared| declared.name == hook.name);
        let takes = self.webhook_takes(hook, prospect, declared.map_or(USUALLY, |declared| declared.latency));
        let reached = match self.reach(hook) {
            Err(why) => Err((Span::ZERO, why)),
            Ok(_) if takes >= hook.timeout => Err((hook.timeout, "context deadline exceeded".to_owned())),
            Ok(address) if self.is_refused(hook) => {
                Err((Span::ZERO, format!("dial tcp {address}: connect: connection refused")))
            }
            Ok(_) => Ok(()),
        };
        if let Err((takes, why)) = reached {
            if hook.is_optional {
                return (takes, Ok(Vec::new()));
            }
            let message = format!(
                "Internal error occurred: failed calling webhook {:?}: failed to call webhook: Post {:?}: {why}",
                hook.name.as_str(),
                hook.url()
            );
            return (takes, Err(ApiError::new(ErrorReason::InternalError, message)));
        }
        let Some(declared) = declared else { return (takes, Ok(Vec::new())) };
        let object = prospect.json();
        if let Some(message) = declared.denies(object) {
            let message = format!("admission webhook {:?} denied the request: {message}", hook.name.as_str());
            return (takes, Err(ApiError::new(ErrorReason::Forbidden, message)));
        }
        (takes, Ok(declared.changes(object)))
    }

    /// A draw of the webhook, the object and the ordinal of the call among those of both.
    fn webhook_takes(&mut self, hook: &Hook, prospect: &Prospect, usual: (Span, Span)) -> Span {
        let path = format!("{}/{}/{}/{}", hook.name, prospect.info.plural, prospect.namespace, prospect.name);
        let hash = object_hash(&path);
        let count = self.webhooks.calls.entry(hash).or_default();
        let nth = u64::from(*count);
        *count += 1;
        let mut takes = self.chance.draw(LATENCY, hash, nth).span_between(usual.0, usual.1);
        for (strike, rule) in self.webhooks.rules.iter().filter(|(_, rule)| rule.concerns(&hook.name)) {
            if let WebhookEffect::Delay(low, high) = rule.effect {
                let draw = self.chance.draw(DELAY, hash ^ u64::from(*strike), nth);
                takes += draw.span_between(low, high);
            }
        }
        takes
    }

    fn is_refused(&self, hook: &Hook) -> bool {
        let mut rules = self.webhooks.rules.iter().filter(|(_, rule)| rule.concerns(&hook.name));
        rules.any(|(_, rule)| rule.effect == WebhookEffect::Refuse)
    }

    /// The address that is called.
    fn reach(&self, hook: &Hook) -> Result<String, String> {
        let (namespace, name, port) = match &hook.client {
            Client::Url(url) => return Ok(host_of(url)),
            Client::Service(namespace, name, port, _) => (namespace, name, *port),
        };
        let Some(Object::Untyped(service)) = self.table(Kind::Service).by_name(namespace, name) else {
            return Err(format!("service {:?} not found", name.as_str()));
        };
        let spec = service.body.fields.get("spec").unwrap_or(&Value::Null);
        let ports = spec["ports"].as_array().into_iter().flatten();
        let Some(port) = ports.into_iter().find(|known| known["port"].as_u64() == Some(port)) else {
            return Err(format!("no service port {port} found for service {:?}", name.as_str()));
        };
        let port_name = port["name"].as_str().unwrap_or_default();
        let endpoint = self.ready_endpoint(namespace, name, port_name);
        endpoint.ok_or_else(|| format!("no endpoints available for service {:?}", name.as_str()))
    }

    /// The first endpoint of a Service that is ready, in the order of its slices.
    fn ready_endpoint(&self, namespace: &Name, service: &Name, port_name: &str) -> Option<String> {
        const SERVICE: &str = "kubernetes.io/service-name";
        let slices = self.table(Kind::EndpointSlice).in_namespace(namespace);
        let own = slices.filter(|slice| slice.meta().labels.get(SERVICE) == Some(service));
        own.into_iter().find_map(|slice| {
            let Object::Untyped(slice) = slice else { return None };
            let fields = &slice.body.fields;
            let mut ports = fields.get("ports")?.as_array()?.iter();
            let port = ports.find(|port| port["name"].as_str().unwrap_or_default() == port_name)?["port"].as_u64()?;
            let mut endpoints = fields.get("endpoints")?.as_array()?.iter();
            let ready = endpoints.find(|endpoint| endpoint["conditions"]["ready"] != false)?;
            let address = ready["addresses"][0].as_str()?;
            Some(if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") })
        })
    }
}

impl Hook {
    /// What is posted to.
    fn url(&self) -> String {
        let seconds = self.timeout.as_nanos() / 1_000_000_000;
        match &self.client {
            Client::Url(url) => format!("{url}?timeout={seconds}s"),
            Client::Service(namespace, name, port, path) => {
                let slash = if path.starts_with('/') || path.is_empty() { "" } else { "/" };
                format!("https://{name}.{namespace}.svc:{port}{slash}{path}?timeout={seconds}s")
            }
        }
    }
}

fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default();
    if host.contains(':') { host.to_owned() } else { format!("{host}:443") }
}
