//! What keeps a command from doing what it was asked for.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::api::located::InputErrors;

/// Why a command gave up. Each is reported on standard error, and the exit code is 2.
#[derive(Debug)]
pub(super) enum Failure {
    /// Files or options that mean nothing.
    Input(InputErrors),
    /// Something that the operating system or an option stands in the way of, as a sentence.
    Refused(String),
}

impl Failure {
    /// The exit code of bad input.
    pub(super) const BAD_INPUT: u8 = 2;

    /// A sentence about what was tried, and why the operating system refused it.
    pub(super) fn of_system(tried: impl fmt::Display, error: &io::Error) -> Failure {
        Failure::Refused(format!("{tried}: {error}"))
    }

    /// Says it on standard error, a line each.
    pub(super) fn report(&self) -> ExitCode {
        let mut stderr = io::stderr().lock();
        // Where even standard error is gone, the exit code is all there is.
        let _ = match self {
            Failure::Input(errors) => errors.0.iter().try_for_each(|error| writeln!(stderr, "error: {error}")),
            Failure::Refused(why) => writeln!(stderr, "error: {why}"),
        };
        ExitCode::from(Failure::BAD_INPUT)
    }
}

impl From<InputErrors> for Failure {
    fn from(errors: InputErrors) -> Failure {
        Failure::Input(errors)
    }
}
