//! `wavetank new`: a scenario to start from, which runs and passes as it is.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use super::output::{Output, shell_word, to_stderr};
use crate::api::text::is_dns1123_subdomain;

const STARTER: &str = include_str!("starter.yaml");
/// What the starter calls itself.
const NAME: &str = "NAME";

/// Print a commented scenario to start from; it runs and passes as it is
#[derive(Args)]
pub(super) struct Arguments {
    /// The scenario's name
    #[arg(default_value = "starter", value_parser = name)]
    name: String,

    /// Write it into this file, which must not be there yet
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

fn name(text: &str) -> Result<String, String> {
    match is_dns1123_subdomain(text).into_iter().next() {
        Some(why) => Err(why),
        None => Ok(text.to_owned()),
    }
}

/// Does it.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let text = STARTER.replace(NAME, &arguments.name);
    let Some(path) = &arguments.output else {
        Output::stdout().write(|out| out.write_all(text.as_bytes()))?;
        return Ok(ExitCode::SUCCESS);
    };
    let shown = path.display();
    let failed = |error: &std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::Refused(format!("{shown} is there already; name another file")),
        _ => Failure::of_system(format!("{shown} cannot be written"), error),
    };
    let mut file = File::create_new(path).map_err(|error| failed(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
    to_stderr(&format!("written; run it with: wavetank run {}", shell_word(&path.to_string_lossy())));
    Ok(ExitCode::SUCCESS)
}
