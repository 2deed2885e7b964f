//! `wavetank list`: the families of the program and the docs of every member, from the registries.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::Failure;
use super::families::{FAMILIES, Family, Member, names};
use super::output::{Format, Output};
use crate::api::located::nearest;
use crate::report::Table;

/// List what there is to choose from: families, the members of one, or one member whole
#[derive(Args)]
pub(super) struct Arguments {
    /// A family; without it the families are listed
    #[arg(value_parser = PossibleValuesParser::new(names()))]
    family: Option<String>,

    /// A member, to be shown whole
    name: Option<String>,

    /// What to print
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table)]
    output: Format,
}

/// Does it.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let mut output = Output::stdout();
    let named = |name: &String| FAMILIES.iter().find(|family| family.name == *name);
    let Some(family) = arguments.family.as_ref().and_then(named) else {
        let lines: Vec<Member> = FAMILIES.iter().map(of_family).collect();
        output.print(&lines, arguments.output, |lines, _, out| write_members(lines, &["members"], out))?;
        return Ok(ExitCode::SUCCESS);
    };
    let mut members = (family.members)();
    let Some(name) = &arguments.name else {
        output.print(&members, arguments.output, |members, _, out| write_members(members, family.columns, out))?;
        return Ok(ExitCode::SUCCESS);
    };
    let known: Vec<String> = members.iter().map(|member| member.name.clone()).collect();
    members.retain(|member| member.name == *name);
    if members.is_empty() {
        let help = match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("see wavetank list {}", family.name),
        };
        let message = format!("{} has no member named {name:?}\n  help: {help}", family.name);
        return Err(Failure::Refused(message));
    }
    output.print(&members, arguments.output, |members, _, out| {
        members.iter().enumerate().try_for_each(|(index, member)| {
            if index > 0 {
                writeln!(out)?;
            }
            write_whole(member, out)
        })
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A family as a line of its own table.
fn of_family(family: &Family) -> Member {
    let count = (family.members)().len().to_string();
    Member {
        name: family.name.to_owned(),
        doc: family.doc.to_owned(),
        facts: [("members", count)].into(),
        parameters: Vec::new(),
        example: None,
    }
}

fn write_members(members: &[Member], columns: &[&str], out: &mut dyn Write) -> io::Result<()> {
    let headers = ["name"].iter().chain(columns).chain(&["doc"]);
    let mut table = Table::of_columns(headers.map(|header| header.to_uppercase()).collect());
    for member in members {
        let facts = columns.iter().map(|column| member.facts.get(column).cloned().unwrap_or_default());
        let cells = [member.name.clone()].into_iter().chain(facts).chain([first_sentence(&member.doc).to_owned()]);
        table.add_cells(cells.collect());
    }
    write!(out, "{table}")
}

/// The table has a line for each member; the rest is shown with it alone.
fn first_sentence(doc: &str) -> &str {
    doc.split_once(". ").map_or(doc, |(first, _)| first).trim_end_matches('.')
}

/// What a member takes; without a column of defaults where the docs tell them.
fn parameters(member: &Member) -> Table {
    let with_defaults = member.parameters.iter().any(|parameter| parameter.default.is_some());
    let cells = |name: &str, kind: &str, default: &str, doc: &str| -> Vec<String> {
        let default = with_defaults.then_some(default);
        [name, kind].into_iter().chain(default).chain([doc]).map(str::to_owned).collect()
    };
    let mut table = Table::of_columns(cells("PARAMETER", "TYPE", "DEFAULT", "DOC"));
    for parameter in &member.parameters {
        let default = parameter.default.as_deref().unwrap_or("-");
        table.add_cells(cells(&parameter.name, &parameter.kind, default, &parameter.doc));
    }
    table
}

fn write_whole(member: &Member, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}\n\n{}", member.name, member.doc)?;
    for (index, (fact, text)) in member.facts.iter().enumerate() {
        let gap = if index == 0 { "\n" } else { "" };
        writeln!(out, "{gap}{fact}: {text}")?;
    }
    if !member.parameters.is_empty() {
        write!(out, "\n{}", parameters(member))?;
    }
    if let Some(example) = &member.example {
        writeln!(out, "\nexample:")?;
        example.lines().try_for_each(|line| writeln!(out, "{line}"))?;
    }
    Ok(())
}
