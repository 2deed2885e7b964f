//! Faults: from what was typed to what strikes. Their parameters are read as the fault's registry declares them.

use serde_json::Value;

use super::behaviours::selector;
use super::expect;
use super::file::FaultFile;
use super::resource::Kinds;
use crate::api::Name;
use crate::api::located::{InputError, Place};
use crate::fault::{
    self, FaultEntry, NodeTarget, Parameter, ParameterKind, ParameterValue, Parameters, PartTarget, Take,
};
use crate::kernel::{Span, Time};
use crate::sim::{TimedFault, Trigger};

/// What faults may name.
pub(super) struct Known<'a> {
    pub(super) kinds: &'a Kinds,
    /// The names of nodes, for suggestions.
    pub(super) nodes: &'a dyn Fn() -> Vec<String>,
    pub(super) has_node: &'a dyn Fn(&str) -> bool,
    pub(super) zones: &'a [Name],
    /// The names of the components that are no kubelets.
    pub(super) parts: &'a [String],
    pub(super) duration: Option<Span>,
}

pub(super) fn lower(file: &FaultFile, known: &Known<'_>, place: &Place<'_>) -> Result<TimedFault, InputError> {
    let trigger = trigger(file, known, place)?;
    let names: Vec<&str> = fault::ALL.iter().map(|entry| entry.name).collect();
    let mut given = file.faults.iter();
    let (name, parameters) = match (given.next(), given.next()) {
        (Some(first), None) => first,
        (None, _) => {
            return Err(place.error_help("no fault is named", format!("add one of: {}", names.join(", "))));
        }
        (Some((first, _)), Some((second, _))) => {
            let unknown = [first, second].into_iter().find(|name| fault::find(name).is_none());
            return Err(match unknown {
                Some(name) => unknown_fault(name, &names, place),
                None => place.key(second).error(format!("{first} and {second} cannot stand in one entry")),
            });
        }
    };
    let Some(entry) = fault::find(name) else { return Err(unknown_fault(name, &names, place)) };
    let parameters = read_parameters(entry, parameters, known, &place.key(name))?;
    let lasts = file.lasts.map(|range| (range.0.low, range.0.high));
    Ok(TimedFault { trigger, lasts, fault: (entry.build)(&parameters).into() })
}

fn unknown_fault(name: &str, names: &[&str], place: &Place<'_>) -> InputError {
    let valid: Vec<&str> = names.iter().copied().chain(FaultFile::KEYS).collect();
    place.key(name).unknown_key(format!("no fault is named {name:?}"), name, &valid)
}

fn trigger(file: &FaultFile, known: &Known<'_>, place: &Place<'_>) -> Result<Trigger, InputError> {
    let given = [("at", file.at.is_some()), ("every", file.every.is_some()), ("when", file.when.is_some())];
    let mut kinds = given.iter().filter(|(_, given)| *given).map(|(key, _)| *key);
    let kind = match (kinds.next(), kinds.next()) {
        (Some(kind), None) => kind,
        (None, _) => {
            return Err(place.error_help("it never strikes", "add at: 90s, every: 10m ±2m, or when: with a claim"));
        }
        (Some(first), Some(second)) => {
            return Err(place.key(second).error(format!("{first} and {second} cannot stand in one entry")));
        }
    };
    let belongs = [
        ("from", file.from.is_some(), ["every", "when"].as_slice()),
        ("until", file.until.is_some(), &["every"]),
        ("after", file.after.is_some(), &["when"]),
        ("times", file.times.is_some(), &["when"]),
    ];
    for (key, given, to) in belongs {
        if given && !to.contains(&kind) {
            return Err(place.key(key).error(format!("belongs to {} alone", to.join(" and "))));
        }
    }
    for (key, given) in [("at", file.at), ("from", file.from)] {
        if let (Some(given), Some(duration)) = (given, known.duration)
            && given.0 > duration
        {
            let message = format!("{} lies after the end of the scenario, at {duration}", given.0);
            return Err(place.key(key).error(message));
        }
    }
    let from = file.from.map(|from| Time::ZERO + from.0);
    if let Some(at) = file.at {
        return Ok(Trigger::At(Time::ZERO + at.0));
    }
    if let Some(every) = file.every {
        let until = file.until.map(|until| Time::ZERO + until.0);
        let first = from.unwrap_or(Time::ZERO + every.period);
        if until.is_some_and(|until| until < first) {
            return Err(place.key("until").error("it ends before it begins"));
        }
        return Ok(Trigger::Every { first, period: every.period, jitter: every.jitter, until });
    }
    let Some(claim) = &file.when else { return Err(place.error("it never strikes")) };
    if file.times == Some(0) {
        return Err(place.key("times").error_help("it never strikes", "write 1 or more"));
    }
    Ok(Trigger::When {
        claim: expect::claim(claim, known.kinds, &place.key("when"))?,
        from: from.unwrap_or(Time::ZERO),
        after: file.after.map_or(Span::ZERO, |after| after.0),
        times: file.times.unwrap_or(1),
    })
}

fn read_parameters(
    entry: &FaultEntry,
    given: &Value,
    known: &Known<'_>,
    place: &Place<'_>,
) -> Result<Parameters, InputError> {
    let empty = serde_json::Map::new();
    let given = match given {
        Value::Object(map) => map,
        Value::Null => &empty,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            let example = entry.example.lines().last().unwrap_or_default();
            return Err(
                place.error_help("a mapping of parameters is wanted here", format!("write for example {example}"))
            );
        }
    };
    let names: Vec<&str> = entry.parameters.iter().map(|parameter| parameter.name).collect();
    if let Some(unknown) = given.keys().find(|key| !names.contains(&key.as_str())) {
        let message = format!("{} has no parameter {unknown:?}", entry.name);
        return Err(place.key(unknown).unknown_key(message, unknown, &names));
    }
    let mut parameters = Parameters::default();
    for parameter in entry.parameters {
        let here = place.key(parameter.name);
        let value = match (given.get(parameter.name), parameter.default) {
            (Some(value), _) => read_parameter(parameter, value, known, &here)?,
            (None, Some(default)) => read_parameter(parameter, &Value::String(default.to_owned()), known, &here)?,
            (None, None) => {
                let message = format!("{} needs the parameter {}", entry.name, parameter.name);
                return Err(place.error_help(message, parameter.doc));
            }
        };
        parameters.0.insert(parameter.name, value);
    }
    Ok(parameters)
}

fn read_parameter(
    parameter: &Parameter,
    value: &Value,
    known: &Known<'_>,
    place: &Place<'_>,
) -> Result<ParameterValue, InputError> {
    let text = || value.as_str().ok_or_else(|| place.error("a text is wanted here"));
    Ok(match parameter.kind {
        ParameterKind::Nodes => ParameterValue::Nodes(nodes(value, known, place)?),
        ParameterKind::Parts => ParameterValue::Parts(parts(value, known, place)?),
        ParameterKind::Range => {
            let range = super::file::read_range(text()?).map_err(|why| place.error(why))?;
            ParameterValue::Range(range.0.low, range.0.high)
        }
        ParameterKind::Kind => match text()? {
            "" => ParameterValue::Kind(None),
            word => ParameterValue::Kind(Some(known.kinds.kind(word, place)?)),
        },
        ParameterKind::Count => ParameterValue::Count(count(value, place)?),
        ParameterKind::Text => ParameterValue::Text(text()?.into()),
        ParameterKind::Webhooks => {
            let names = texts(value, place)?;
            let all = names.iter().any(|name| name == "all");
            ParameterValue::Webhooks((!all).then(|| names.into_iter().map(Name::from).collect()))
        }
        ParameterKind::Choice(words) => {
            let word = text()?;
            match words.iter().find(|known| **known == word) {
                Some(word) => ParameterValue::Choice(word),
                None => return Err(place.unknown_name(format!("{word:?} is none of its words"), word, words)),
            }
        }
    })
}

fn count(value: &Value, place: &Place<'_>) -> Result<u32, InputError> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    number
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| place.error("a whole number from 0 on is wanted here"))
}

fn texts(value: &Value, place: &Place<'_>) -> Result<Vec<String>, InputError> {
    match value {
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Array(items) if !items.is_empty() => items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                item.as_str().map(str::to_owned).ok_or_else(|| place.index(index).error("a name is wanted here"))
            })
            .collect(),
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            Err(place.error("a name or a list of names is wanted here"))
        }
    }
}

fn known_node(name: &str, known: &Known<'_>, place: &Place<'_>) -> Result<(), InputError> {
    if (known.has_node)(name) {
        return Ok(());
    }
    let nodes = (known.nodes)();
    let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
    Err(place.unknown_name(format!("no node is named {name:?}"), name, &nodes))
}

fn nodes(value: &Value, known: &Known<'_>, place: &Place<'_>) -> Result<NodeTarget, InputError> {
    const KEYS: [&str; 5] = ["names", "selector", "zone", "count", "fraction"];
    let Value::Object(map) = value else {
        let names = texts(value, place)?;
        for name in &names {
            known_node(name, known, place)?;
        }
        return Ok(NodeTarget::named(names));
    };
    if let Some(unknown) = map.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(place.key(unknown).unknown_key(format!("nodes are not chosen by {unknown:?}"), unknown, &KEYS));
    }
    let mut target = NodeTarget { names: None, selector: None, zone: None, take: Take::All };
    if let Some(names) = map.get("names") {
        let names = texts(names, &place.key("names"))?;
        for name in &names {
            known_node(name, known, &place.key("names"))?;
        }
        target.names = Some(names.into_iter().map(Name::from).collect());
    }
    if let Some(written) = map.get("selector") {
        let here = place.key("selector");
        let text = written.as_str().ok_or_else(|| here.error("labels are wanted here, as kubectl -l takes them"))?;
        target.selector = Some(selector(text, &here)?);
    }
    if let Some(zone) = map.get("zone") {
        let here = place.key("zone");
        let zone = zone.as_str().ok_or_else(|| here.error("the name of a zone is wanted here"))?;
        if !known.zones.iter().any(|known| known == zone) {
            let zones: Vec<&str> = known.zones.iter().map(Name::as_str).collect();
            return Err(here.unknown_name(format!("no node is in a zone {zone:?}"), zone, &zones));
        }
        target.zone = Some(zone.into());
    }
    target.take = match (map.get("count"), map.get("fraction")) {
        (None, None) => Take::All,
        (Some(number), None) => Take::Count(count(number, &place.key("count"))?),
        (None, Some(fraction)) => match fraction.as_f64() {
            Some(share) if share > 0.0 && share <= 1.0 => Take::Fraction(share),
            Some(_) | None => {
                return Err(place.key("fraction").error("a share above 0, and 1 at most, is wanted here"));
            }
        },
        (Some(_), Some(_)) => return Err(place.key("fraction").error("count and fraction cannot stand together")),
    };
    Ok(target)
}

/// The words that stand for components beside their names.
fn words<'a>() -> impl Iterator<Item = &'a str> {
    fault::PART_CLASSES.iter().chain(fault::PART_LEADERS).copied()
}

fn parts(value: &Value, known: &Known<'_>, place: &Place<'_>) -> Result<PartTarget, InputError> {
    let names = texts(value, place)?;
    if names.iter().any(|name| name == "all") {
        return Ok(PartTarget::All);
    }
    for name in &names {
        match name.strip_prefix("kubelet/") {
            Some(node) => known_node(node, known, place)?,
            None if known.parts.contains(name) || words().any(|word| word == name) => {}
            None => {
                let own = known.parts.iter().map(String::as_str);
                let valid: Vec<&str> = words().chain(own).chain(["all"]).collect();
                return Err(place.unknown_name(format!("no component is named {name:?}"), name, &valid));
            }
        }
    }
    Ok(PartTarget::Named(names.into_iter().map(Name::from).collect()))
}
