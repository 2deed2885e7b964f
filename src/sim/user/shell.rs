//! What every action has in hand: its client, what it prints, the kinds that exist, and where its replies go.

use std::sync::Arc;

use super::{Printed, Tone};
use crate::api::{Kind, KindInfo, Name};
use crate::client::{Client, Outbox, TokenBucket};
use crate::event::{ApiError, ClientIndex, Request, Target, TimerToken, Token};
use crate::kernel::Span;
use crate::sim::Resource;

/// What the client is called.
pub(super) const CLIENT: &str = "kubectl";
/// Requests a second and in a burst. Upstream: `genericclioptions` with the discovery burst of `kubectl/pkg/cmd`.
const QPS: f64 = 50.0;
const BURST: u64 = 300;

/// Whether an action goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(super) enum Progress {
    /// It awaits a reply or a timer.
    UnderWay,
    /// It has nothing left to do.
    Ended,
}

/// Something that failed; how it reads depends on whether it is alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    /// The API server said no.
    Server(ApiError),
    /// kubectl itself did, or wrapped what the server said.
    Plain(String),
}

impl Failure {
    /// The message alone, as one failure quotes another.
    pub(super) fn message(&self) -> String {
        match self {
            Failure::Server(error) => error.message.to_string(),
            Failure::Plain(message) => message.clone(),
        }
    }
}

/// What one run of kubectl holds beside the place where it stands.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) number: u32,
    pub(super) client: Client,
    pub(super) lines: Vec<Name>,
    pub(super) failures: Vec<Failure>,
}

impl Session {
    pub(super) fn new(number: u32) -> Session {
        let client = Client { index: ClientIndex(0), name: CLIENT.into(), limit: TokenBucket::new(QPS, BURST) };
        Session { number, client, lines: Vec::new(), failures: Vec::new() }
    }
}

/// What a step of an action may use.
pub(super) struct Shell<'a> {
    pub(super) session: &'a mut Session,
    pub(super) kinds: &'a Kinds,
    pub(super) printed: &'a mut Vec<Printed>,
    pub(super) out: &'a mut Outbox,
}

impl Shell<'_> {
    /// Sends a request; the reply comes to this thread of the action, which awaits nothing else.
    pub(super) fn ask(&mut self, thread: u32, request: Request) {
        let token = Token(join(self.session.number, thread));
        self.out.send(&mut self.session.client, token, request);
    }

    /// Wakes a thread of the action after a span.
    pub(super) fn wait(&mut self, thread: u32, span: Span) {
        self.out.timer_after(span, TimerToken(join(self.session.number, thread)));
    }

    /// Prints a line.
    pub(super) fn say(&mut self, text: String) {
        let text = Name::from(text);
        let (number, at) = (self.session.number, self.out.now);
        self.printed.push(Printed { number, at, tone: Tone::Progress, text: text.clone() });
        self.session.lines.push(text);
    }

    /// Remembers a failure, which is printed at the end.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.session.failures.push(failure);
    }
}

/// The number that comes back with a reply or a timer.
fn join(number: u32, thread: u32) -> u64 {
    (u64::from(number) << 32) | u64::from(thread)
}

/// The action and its thread of a number that came back.
pub(in crate::sim) fn split(token: u64) -> (u32, u32) {
    ((token >> 32) as u32, token as u32)
}

/// The custom kinds, numbered as the API server numbers them: in the order in which they are defined.
#[derive(Clone, Debug, Default)]
pub(super) struct Kinds {
    custom: Vec<Arc<KindInfo>>,
}

impl Kinds {
    pub(super) fn define(&mut self, info: Arc<KindInfo>) {
        if !self.custom.contains(&info) {
            self.custom.push(info);
        }
    }

    /// What a kind is called, if it is served.
    pub(super) fn info(&self, kind: Kind) -> Option<Arc<KindInfo>> {
        match kind {
            Kind::Custom(index) => self.custom.get(usize::from(index)).cloned(),
            built_in => built_in.info().map(|info| Arc::new(info.clone())),
        }
    }

    /// What an action is about; in the namespace `default` where it names none.
    pub(super) fn subject(&self, resource: Resource) -> Result<Subject, String> {
        let Resource { kind, namespace, name } = resource;
        let Some(info) = self.info(kind) else {
            return Err(format!("the server doesn't have a resource type for {:?}", name.as_str()));
        };
        Ok(Subject::new(kind, info, namespace, name))
    }
}

/// An object that an action is about, by name.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) kind: Kind,
    pub(super) info: Arc<KindInfo>,
    pub(super) namespace: Name,
    pub(super) name: Name,
}

impl Subject {
    pub(super) fn new(kind: Kind, info: Arc<KindInfo>, namespace: Name, name: Name) -> Subject {
        let namespace = match (info.namespaced, namespace.is_empty()) {
            (false, _) => Name::new(),
            (true, true) => "default".into(),
            (true, false) => namespace,
        };
        Subject { kind, info, namespace, name }
    }

    pub(super) fn target(&self) -> Target {
        Target::Name(self.kind, self.namespace.clone(), self.name.clone())
    }

    /// `deployment.apps`, or `pod` in the core group.
    pub(super) fn kind_name(&self) -> String {
        let kind = self.info.kind.to_lowercase();
        if self.info.group.is_empty() { kind } else { format!("{kind}.{}", self.info.group) }
    }

    /// `Deployment.apps`, or `Pod` in the core group. Upstream: `schema.GroupKind.String`.
    pub(super) fn group_kind(&self) -> String {
        let KindInfo { group, kind, .. } = &*self.info;
        if group.is_empty() { kind.to_string() } else { format!("{kind}.{group}") }
    }

    /// `deployment.apps/web done`, as kubectl's name printer writes it.
    pub(super) fn line(&self, done: &str) -> String {
        format!("{}/{} {done}", self.kind_name(), self.name)
    }

    /// `deployments/web`. Upstream: `resource.Info.ObjectName`.
    pub(super) fn object_name(&self) -> String {
        format!("{}/{}", self.info.plural, self.name)
    }

    /// `deployments.apps "web"`, as the rollout commands begin their errors.
    pub(super) fn quoted(&self) -> String {
        format!("{} {:?}", self.info.group_resource(), self.name.as_str())
    }

    /// Two lines that say what and where. Upstream: `resource.Info.String`.
    pub(super) fn description(&self) -> String {
        let KindInfo { group, version, kind, plural, .. } = &*self.info;
        let resource = format!("Resource: \"{group}/{version}, Resource={plural}\"");
        let (namespace, name) = (self.namespace.as_str(), self.name.as_str());
        format!(
            "{resource}, GroupVersionKind: \"{group}/{version}, Kind={kind}\"\nName: {name:?}, Namespace: {namespace:?}"
        )
    }
}
