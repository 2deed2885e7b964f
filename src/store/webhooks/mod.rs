//! Admission webhooks: configurations that are stored match requests, and what a webhook answers is declared, or follows
//! from its Service.
//!
//! Upstream: apiserver `pkg/admission/plugin/webhook`, and `pkg/util/webhook` for how calls fail. Mutating webhooks are
//! called one after another in the order of their configurations' names, validating ones all at once.
//!
//! A request that webhooks match waits where it arrived until they have answered, and is carried out then, against what
//! is stored by that time; what they say is said of the object as it was when the request arrived. A request that none
//! matches is carried out at once and pays a look at the rules, or nothing where there is no webhook.
//!
//! A webhook that nothing is declared of admits everything, if its Service has a ready endpoint. The server knows
//! Services by their endpoints, as with `--enable-aggregator-routing`, and configurations as soon as they are stored.
//!
//! Left out: reinvocation; validating webhooks are asked before the object is validated, not after; deletions of
//! collections and patches of an object's metadata by native parts are matched, but cannot be changed; heartbeats that
//! are computed for their readers never pass here; an endpoint that counts as ready answers, whatever became of its node.

mod call;
mod declared;
mod hook;
mod prospect;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde_json::Value;

use crate::api::{Kind, Name, Object, convert, merge};
use crate::event::{ApiError, ErrorReason, Reply, Request, WebhookRule, WebhookVerdict};
use crate::kernel::Span;
use crate::store::{Context, Store};
pub use declared::{Condition, Declared, Denial, Patch, Test};
use hook::Hook;
use prospect::Prospect;

/// What the server knows of webhooks.
#[derive(Clone, Debug, Default)]
pub(super) struct Webhooks {
    mutating: Arc<[Hook]>,
    validating: Arc<[Hook]>,
    declared: Arc<[Declared]>,
    /// What faults impose, by strike.
    rules: Vec<(u32, Arc<WebhookRule>)>,
    /// How often each webhook was called for each object, by the hash of both.
    calls: FxHashMap<u64, u32>,
    /// Patches of the request that is being carried out.
    patches: Vec<Value>,
}

/// What came of asking the webhooks.
#[derive(Clone, Debug)]
pub struct Asked {
    /// How long they take.
    pub takes: Span,
    /// What they say.
    pub verdict: WebhookVerdict,
}

impl Store {
    /// Declares what webhooks answer.
    pub fn declare_webhooks(&mut self, declared: &[Declared]) {
        self.webhooks.declared = declared.into();
    }

    /// From now on calls of webhooks fare so, until the strike ends.
    pub fn impose_on_webhooks(&mut self, strike: u32, rule: Arc<WebhookRule>) {
        self.webhooks.rules.push((strike, rule));
    }

    /// A strike ends.
    pub fn relieve_webhooks(&mut self, strike: u32) {
        self.webhooks.rules.retain(|(of, _)| *of != strike);
    }

    /// Whether any webhook is registered.
    pub fn has_webhooks(&self) -> bool {
        !(self.webhooks.mutating.is_empty() && self.webhooks.validating.is_empty())
    }

    /// What the webhooks that match a request say of it; nothing where none matches.
    pub fn ask_webhooks(&mut self, request: &Request) -> Option<Asked> {
        if !self.has_webhooks() || !request.is_write() {
            return None;
        }
        let mut prospect = Prospect::of(self, request)?;
        let mut asked = Asked { takes: Span::ZERO, verdict: WebhookVerdict::default() };
        let mut is_matched = false;
        for hook in self.webhooks.mutating.clone().iter() {
            if !hook.matches(&prospect, self) {
                continue;
            }
            is_matched = true;
            let (takes, answer) = self.call_webhook(hook, &mut prospect);
            asked.takes += takes;
            match answer {
                Ok(patches) => {
                    for patch in patches {
                        match prospect.apply(&patch) {
                            Ok(()) => asked.verdict.patches.push(patch),
                            Err(why) => {
                                asked.verdict.refusal = Some(ApiError::new(ErrorReason::InternalError, why));
                                return Some(asked);
                            }
                        }
                    }
                }
                Err(refusal) => {
                    asked.verdict.refusal = Some(refusal);
                    return Some(asked);
                }
            }
        }
        let mut longest = Span::ZERO;
        for hook in self.webhooks.validating.clone().iter() {
            if !hook.matches(&prospect, self) {
                continue;
            }
            is_matched = true;
            let (takes, answer) = self.call_webhook(hook, &mut prospect);
            longest = longest.max(takes);
            // Of several refusals upstream tells that which came first; here the order of the webhooks decides.
            if let (Err(refusal), None) = (answer, &asked.verdict.refusal) {
                asked.verdict.refusal = Some(refusal);
            }
        }
        asked.takes += longest;
        is_matched.then_some(asked)
    }

    /// Carries out a request of which webhooks have said something.
    pub fn handle_admitted(&mut self, request: Request, verdict: &WebhookVerdict, context: &Context) -> Reply {
        if let Some(refusal) = &verdict.refusal {
            return Err(refusal.clone());
        }
        self.webhooks.patches = verdict.patches.clone();
        let reply = self.handle(request, context);
        self.webhooks.patches.clear();
        reply
    }

    /// The object of the request that is being carried out, as webhooks have changed it.
    pub(super) fn patched_by_webhooks(&mut self, object: Object) -> Result<Object, ApiError> {
        if self.webhooks.patches.is_empty() {
            return Ok(object);
        }
        let refused = |why: String| ApiError::new(ErrorReason::InternalError, why);
        let id = object.meta().id;
        let mut value = convert::to_json(&object);
        for patch in std::mem::take(&mut self.webhooks.patches) {
            value = merge::json_patch(&value, &patch).map_err(refused)?;
        }
        let read = match &object {
            Object::Untyped(custom) if id.kind.info().is_none() => {
                convert::custom_from_json(id.kind, custom.body.info.clone(), value)
            }
            _ => convert::from_json(id.kind, value),
        };
        let mut object = read.map_err(|error| refused(error.to_string()))?;
        object.meta_mut().id = id;
        Ok(self.conform(object))
    }

    /// Configurations have changed: the webhooks are read anew.
    pub(super) fn reread_webhooks(&mut self) {
        let of = |store: &Store, kind: Kind| -> Arc<[Hook]> {
            let configurations = store.table(kind).iter();
            configurations.flat_map(|configuration| Hook::read(configuration).into_iter()).collect()
        };
        self.webhooks.mutating = of(self, Kind::MutatingWebhookConfiguration);
        self.webhooks.validating = of(self, Kind::ValidatingWebhookConfiguration);
    }

    /// The labels of a namespace.
    fn labels_of_namespace(&self, namespace: &Name) -> crate::api::Labels {
        let found = self.table(Kind::Namespace).by_name(&Name::new(), namespace);
        found.map(|namespace| namespace.meta().labels.clone()).unwrap_or_default()
    }
}
