//! `wavetank schema`: the JSON Schemas of scenario files and study files, for editors and other tools.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::Failure;
use super::output::Output;
use crate::api::json_schema;
use crate::bench::placement::file::StudyFile;
use crate::scenario;

/// Print the JSON Schema (draft 2020-12) of scenario files, or of study files
#[derive(Args)]
#[command(after_help = "\
It describes documents of kind Scenario, or of kind Study as `wavetank bench placement` takes them; Kubernetes objects in \
the same file have schemas of their own. Editors with the \
YAML language server take it from a comment on the file's first line:
  # yaml-language-server: $schema=./scenario.schema.json")]
pub(super) struct Arguments {
    /// Of which files
    #[arg(value_enum, value_name = "KIND", default_value_t = Files::Scenario)]
    kind: Files,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Files {
    /// What `wavetank run` takes
    Scenario,
    /// What `wavetank bench placement` takes
    Study,
}

/// Does it.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let schema = match arguments.kind {
        Files::Scenario => scenario::schema(),
        Files::Study => json_schema::of::<StudyFile>(),
    };
    Output::stdout().write(|out| {
        serde_json::to_writer_pretty(&mut *out, &schema)?;
        writeln!(out)
    })?;
    Ok(ExitCode::SUCCESS)
}
