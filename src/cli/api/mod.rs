//! `wavetank api`: plays recorded conversations to the simulated API server.

mod normal;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Failure;
use super::output::Output;
use super::read::open;
use crate::api::Clock;
use crate::event::{Cause, PartId};
use crate::kernel::{Chance, Span, Time};
use crate::rest::{Call, Response, understand};
use crate::sim::ServedKinds;
use crate::store::{ApiServerSettings, Context, DisabledPlugins, ServiceRanges, Store};

/// Play recorded conversations to the simulated API server and print what it answers
#[derive(Args)]
#[command(after_help = "\
A case is a JSON object a line, {\"name\": …, \"requests\": [{\"method\": …, \"path\": …, \"query\": …, \"contentType\": …, \
\"body\": …}]}; each is played in a fresh namespace of an empty cluster without controllers, a millisecond between requests. \
{ns} stands for the namespace; $RV and $UID for the resourceVersion and uid of the newest reply with an object, $RV1 and \
$UID1 for those of the first. A line is printed for each: {\"name\": …, \"replies\": [{\"code\": …, \"body\": …}]}, with \
<uid>, <resourceVersion>, <time> and the like instead of what differs from run to run.")]
pub(super) struct Arguments {
    /// The cases, a JSON object a line; - for standard input
    #[arg(long, value_name = "FILE", required = true)]
    cases: PathBuf,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    requests: Vec<RecordedCall>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordedCall {
    method: String,
    path: String,
    #[serde(default)]
    query: serde_json::Map<String, Value>,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    body: Value,
}

/// `--service-cluster-ip-range`, as it was when conversations were recorded.
const SERVICE_RANGES: &str = "10.0.0.0/16,fd00:10::/108";
/// `--disable-admission-plugins`, likewise.
const DISABLED_PLUGINS: &str = "ServiceAccount";
/// The namespace of a conversation: a word that is nowhere else.
const NAMESPACE: &str = "ns-of-the-case";

/// Does it.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let shown =
        if arguments.cases == Path::new("-") { "standard input".into() } else { arguments.cases.display().to_string() };
    let refuse = |why: String| Failure::Refused(format!("--cases {shown}: {why}"));
    let lines = BufReader::new(open(&arguments.cases).map_err(refuse)?).lines();
    let mut output = Output::stdout();
    for (number, line) in lines.enumerate() {
        let line = line.map_err(|error| refuse(error.to_string()))?;
        if line.trim().is_empty() {
            continue;
        }
        let case: Case = serde_json::from_str(&line)
            .map_err(|error| refuse(format!("line {}: it is no case: {error}", number + 1)))?;
        let replies: Vec<Value> = play(&case);
        output.write(|out| {
            serde_json::to_writer(&mut *out, &json!({"name": case.name, "replies": replies}))?;
            writeln!(out)
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A server with the namespace of the conversation.
struct Server {
    store: Store,
    now: Time,
}

impl Server {
    fn new() -> Server {
        let mut store = Store::new(Chance { seed: 1 }, Clock::DEFAULT, &[Span::ZERO]);
        let cluster_ips = ServiceRanges::cluster_ips(SERVICE_RANGES).expect("the ranges are good");
        store.configure(&ApiServerSettings {
            service_ranges: ServiceRanges { cluster_ips, ..ServiceRanges::default() },
            disabled_plugins: DisabledPlugins::parse(DISABLED_PLUGINS).expect("the plugins are known"),
        });
        let context = Context { now: Time::ZERO, cause: Cause::START, from: PartId::User, replica: 0 };
        store.bootstrap(&context);
        let mut server = Server { store, now: Time::ZERO };
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        let call = Call { method: "POST".to_owned(), path: "/api/v1/namespaces".to_owned(), body, ..Call::default() };
        server.answer(&call);
        server
    }

    fn answer(&mut self, call: &Call) -> Response {
        self.now += Span::from_millis(1);
        let asked = match understand(call, &ServedKinds(&self.store)) {
            Ok(asked) => asked,
            Err(response) => return response,
        };
        let context = Context { now: self.now, cause: Cause::START, from: PartId::User, replica: 0 };
        let reply = self.store.handle_as(asked.manager.clone(), asked.request.clone(), &context);
        self.store.take_commits();
        asked.response(&reply)
    }
}

fn play(case: &Case) -> Vec<Value> {
    let mut server = Server::new();
    let keeps_managers = case.name.starts_with("apply");
    let (mut first, mut newest) = (Value::Null, Value::Null);
    let mut replies = Vec::new();
    for recorded in &case.requests {
        let Response { code, body } = server.answer(&recorded.filled(&first, &newest));
        if body.pointer("/metadata/uid").is_some() {
            newest = body.clone();
            if first.is_null() {
                first = body.clone();
            }
        }
        replies.push(json!({"code": code, "body": normal::normal(body, NAMESPACE, keeps_managers)}));
    }
    replies
}

impl RecordedCall {
    /// The call with the namespace and the identities of earlier answers filled in.
    fn filled(&self, first: &Value, newest: &Value) -> Call {
        let of = |object: &Value, field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let fill = |text: &str| {
            text.replace("{ns}", NAMESPACE)
                .replace("$RV1", &of(first, "resourceVersion"))
                .replace("$UID1", &of(first, "uid"))
                .replace("$RV", &of(newest, "resourceVersion"))
                .replace("$UID", &of(newest, "uid"))
        };
        let parameter = |(name, value): (&String, &Value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (name.clone(), fill(&value))
        };
        Call {
            method: self.method.clone(),
            path: fill(&self.path),
            query: self.query.iter().map(parameter).collect(),
            content_type: self.content_type.clone().unwrap_or_default(),
            body: filled(&self.body, &fill),
        }
    }
}

fn filled(value: &Value, fill: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(fill(text)),
        Value::Array(items) => items.iter().map(|item| filled(item, fill)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), filled(value, fill))).collect(),
        other => other.clone(),
    }
}
