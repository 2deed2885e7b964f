//! `wavetank schema`: the JSON Schema of scenario files, for editors and other tools.

use std::process::ExitCode;

use clap::Args;

use super::Failure;
use super::output::Output;
use crate::scenario;

/// Print the JSON Schema (draft 2020-12) of scenario files
#[derive(Args)]
#[command(after_help = "\
It describes documents of kind Scenario; Kubernetes objects in the same file have schemas of their own. Editors with the \
YAML language server take it from a comment on the file's first line:
  # yaml-language-server: $schema=./scenario.schema.json")]
pub(super) struct Arguments {}

/// Does it.
pub(super) fn run(_: &Arguments) -> Result<ExitCode, Failure> {
    Output::stdout().write(|out| {
        serde_json::to_writer_pretty(&mut *out, &scenario::schema())?;
        writeln!(out)
    })?;
    Ok(ExitCode::SUCCESS)
}
