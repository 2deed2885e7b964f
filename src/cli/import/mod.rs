//! `wavetank import`: makes a scenario of what `kubectl get` has printed.

mod nodes;
mod objects;
mod yaml;

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};

use super::output::{Output, shell_word, to_stderr};
use super::{Failure, dumps, read};
use crate::api::Kind;
use crate::api::dump::Printed;
use crate::api::text::is_dns1123_subdomain;
use crate::report::counted;
use crate::scenario::file;
use objects::Objects;

/// Make a scenario of a running cluster: of what kubectl prints of it
#[derive(Args)]
#[command(after_help = "\
The files are what `kubectl get nodes,pods,deployments,… -A -o yaml` or `-o json` prints.

Nodes become pools of equal ones, with their names, labels, taints and capacities; those that are not ready are well in \
the scenario, cordoned ones are cordoned in it. Pods that are bound stay bound, pending ones are pending. Where a \
ReplicaSet or Deployment is among the files, it takes its pods back; pods of owners without a controller here \
(DaemonSets, StatefulSets, Jobs, nodes) are pods of their own. Pods that have ended or are being deleted are left out.

What a server adds is left out too: uids, versions, status, managed fields, owners, token volumes, cluster IPs. \
Service accounts and priority classes that pods name and the files do not have are made up. Left out: ConfigMaps, \
Secrets, Jobs, events, custom resources, images on nodes.")]
pub(super) struct Arguments {
    /// A file that kubectl has printed, or a folder of them, plain or gzip; `-` reads standard input
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Write the scenario into this file, which must not be there yet [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The scenario's name [default: that of the output, or of the first file]
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: Option<String>,
}

fn name(text: &str) -> Result<String, String> {
    match is_dns1123_subdomain(text).into_iter().next() {
        Some(why) => Err(why),
        None => Ok(text.to_owned()),
    }
}

/// Does it.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let wanted = |kind: Kind| kind == Kind::Node || objects::is_kept(kind);
    let mut take = |Printed { kind, mut value, .. }: Printed| {
        if kind.info().is_some_and(|info| info.namespaced) && value["metadata"]["namespace"].is_null() {
            value["metadata"]["namespace"] = Value::from("default");
        }
        Ok((kind, value))
    };
    let (printed_nodes, others): (Vec<_>, Vec<_>) =
        dumps::objects(&arguments.files, &wanted, &mut take)?.into_iter().partition(|(kind, _)| *kind == Kind::Node);
    let nodes: Vec<Value> = printed_nodes.into_iter().map(|(_, node)| node).collect();
    let pools = nodes::pools(&nodes);
    if pools.is_empty() {
        return Err(Failure::Refused("there is no Node in the files: a scenario has one at least".to_owned()));
    }
    let objects = Objects::of(others);
    let mut scenario = head(arguments, pools);
    let cordons: Vec<Value> = nodes::cordoned(&nodes).map(|node| json!({"at": "0s", "cordon": node})).collect();
    if !cordons.is_empty() {
        scenario.insert("timeline".to_owned(), Value::Array(cordons));
    }
    let text = document(arguments, scenario, &objects);
    let said = format!("{} and {}", counted(nodes.len() as u64, "node"), counted(objects.list.len() as u64, "object"));
    objects.notes.iter().for_each(|note| to_stderr(&format!("note: {note}")));
    match &arguments.output {
        None => Output::stdout().write(|out| out.write_all(text.as_bytes()))?,
        Some(path) => {
            write_new(path, &text)?;
            let run = shell_word(&path.to_string_lossy());
            to_stderr(&format!("written with {said}; run it with: wavetank run {run}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn head(arguments: &Arguments, pools: Vec<Value>) -> Map<String, Value> {
    let stem = |path: &Path| {
        let name = path.file_name()?.to_str()?.split('.').next()?.to_lowercase().replace('_', "-");
        is_dns1123_subdomain(&name).is_empty().then_some(name)
    };
    let named = arguments.name.clone();
    let named = named.or_else(|| stem(arguments.output.as_deref()?)).or_else(|| stem(arguments.files.first()?));
    let mut scenario = Map::new();
    scenario.insert("apiVersion".to_owned(), Value::from(file::API_VERSION));
    scenario.insert("kind".to_owned(), Value::from(file::KIND));
    scenario.insert("metadata".to_owned(), json!({"name": named.unwrap_or_else(|| "imported".to_owned())}));
    scenario.insert("nodes".to_owned(), Value::Array(pools));
    scenario
}

/// The scenario, and its objects as further documents.
fn document(arguments: &Arguments, scenario: Map<String, Value>, objects: &Objects) -> String {
    let files: Vec<String> = arguments.files.iter().map(|path| read::shown(path)).collect();
    let mut text = format!("# Made by wavetank import of {}.\n", files.join(", ").replace(['\n', '\r'], " "));
    yaml::write(&Value::Object(scenario), &mut text);
    for object in &objects.list {
        text.push_str("---\n");
        yaml::write(object, &mut text);
    }
    text
}

fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let shown = path.display();
    let failed = |error: &std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::Refused(format!("{shown} is there already; name another file")),
        _ => Failure::of_system(format!("{shown} cannot be written"), error),
    };
    let mut file = File::create_new(path).map_err(|error| failed(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| failed(&error))
}
