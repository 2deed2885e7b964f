//! Standard output: the one place through which a command answers.

use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};

use clap::ValueEnum;
use serde::Serialize;

use super::Failure;
use crate::report::Looks;

/// How an answer is printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Tables in kubectl's looks
    #[value(alias = "text")]
    Table,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

/// Standard output and what can be shown there. Once the reader is gone, the rest is dropped without a word.
pub(super) struct Output {
    out: BufWriter<io::Stdout>,
    closed: bool,
    /// Signs and colours, or plain text.
    pub(super) looks: Looks,
}

impl Output {
    pub(super) fn stdout() -> Output {
        let stdout = io::stdout();
        let looks = if stdout.is_terminal() && wants_colour() { Looks::Terminal } else { Looks::Plain };
        Output { out: BufWriter::new(stdout), closed: false, looks }
    }

    /// Writes something and sends it off.
    pub(super) fn write(&mut self, what: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        if self.closed {
            return Ok(());
        }
        match what(&mut self.out).and_then(|()| self.out.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => Err(Failure::of_system("standard output cannot be written", &error)),
        }
    }

    /// Prints an answer: as tables by `write_table`, or as it is.
    pub(super) fn print<S: Serialize>(
        &mut self,
        answer: &S,
        format: Format,
        write_table: impl FnOnce(&S, Looks, &mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let looks = self.looks;
        self.write(|out| match format {
            Format::Table => write_table(answer, looks, out),
            Format::Json => {
                serde_json::to_writer_pretty(&mut *out, answer)?;
                writeln!(out)
            }
            Format::Yaml => {
                let text = serde_saphyr::to_string(answer).map_err(io::Error::other)?;
                out.write_all(text.as_bytes())
            }
        })
    }
}

/// A line for people while standard output holds something for programs.
pub(super) fn to_stderr(line: &str) {
    // Nobody is left to be told.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// See no-color.org.
fn wants_colour() -> bool {
    let is_set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    is_set("NO_COLOR").is_none() && is_set("TERM").is_none_or(|term| term != "dumb")
}

/// A word as a shell takes it.
pub(super) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(word: &str, expected: &str) {
        assert_eq!(shell_word(word), expected);
    }

    #[test]
    fn words_survive_a_shell() {
        check("scenarios/hello.yaml", "scenarios/hello.yaml");
        check("nodes.0.count=3", "nodes.0.count=3");
        check("nodes[0].count=3", "'nodes[0].count=3'");
        check("it's", r"'it'\''s'");
        check("", "''");
    }
}
