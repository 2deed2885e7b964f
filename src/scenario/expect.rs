//! Expectations: from what was typed to what is judged.

use super::behaviours::selector;
use super::file::{ClaimFile, CountFile, ExpectationFile};
use super::resource::Kinds;
use crate::api::located::{InputError, Place};
use crate::api::{ConditionStatus, Kind, Name, Selector};
use crate::check::{Claim, Comparison, Expectation, FieldPath, Predicate, Quantifier, When, amount};
use crate::kernel::{Span, Time};
use serde_json::Value;

pub(super) fn lower(
    file: &ExpectationFile,
    kinds: &Kinds,
    duration: Option<Span>,
    place: &Place<'_>,
) -> Result<Expectation, InputError> {
    let misplaced = |key: &str, with: &str| place.key(key).error(format!("belongs to {with} alone"));
    for (key, given) in [("within", file.within), ("from", file.from), ("until", file.until)] {
        if let (Some(given), Some(duration)) = (given, duration)
            && given.0 > duration
        {
            let message = format!("{} lies after the end of the scenario, at {duration}", given.0);
            return Err(place.key(key).error(message));
        }
    }
    let from = file.from.map_or(Time::ZERO, |from| Time::ZERO + from.0);
    let (claim_file, claim_place, when) = match (&file.eventually, &file.always) {
        (Some(claim), None) => {
            if file.until.is_some() {
                return Err(misplaced("until", "always"));
            }
            let within = file.within.map(|within| Time::ZERO + within.0);
            (claim, place.key("eventually"), When::Eventually { from, within })
        }
        (None, Some(claim)) => {
            if file.within.is_some() {
                return Err(misplaced("within", "eventually"));
            }
            (claim, place.key("always"), When::Always { from, until: file.until.map(|until| Time::ZERO + until.0) })
        }
        (None, None) => return Err(place.error_help("nothing is expected", "add eventually: or always: with a claim")),
        (Some(_), Some(_)) => {
            let message = "eventually and always cannot stand in one entry";
            return Err(place.key("always").error_help(message, "write an entry for each"));
        }
    };
    if let When::Eventually { from, within: Some(last) } | When::Always { from, until: Some(last) } = when
        && last < from
    {
        return Err(place.key("from").error("it ends before it begins"));
    }
    Ok(Expectation { claim: claim(claim_file, kinds, &claim_place)?, when })
}

/// The expectation that holds where only manifests are given: all Deployments become Available.
pub(super) fn all_deployments_available() -> Expectation {
    let claim = Claim {
        text: "all deployments Available".to_owned(),
        kind: Kind::Deployment,
        name: None,
        namespace: None,
        selector: Selector::everything(),
        predicates: vec![Predicate::Condition("Available".into(), ConditionStatus::True)],
        quantifier: Quantifier::Every,
    };
    Expectation { claim, when: When::Eventually { from: Time::ZERO, within: None } }
}

pub(super) fn claim(file: &ClaimFile, kinds: &Kinds, place: &Place<'_>) -> Result<Claim, InputError> {
    let (kind, name, namespace, mut text) = match (&file.resource, &file.all) {
        (Some(resource), None) => {
            for (key, given) in [("selector", file.selector.is_some()), ("count", file.count.is_some())] {
                if given {
                    return Err(place.key(key).error("belongs to all: alone"));
                }
            }
            let (here, of_namespace) = (place.key("resource"), place.key("namespace"));
            let resource = kinds.resource(resource, file.namespace.as_deref(), &here, &of_namespace)?;
            let text = kinds.show(&resource);
            (resource.kind, Some(resource.name), Some(resource.namespace), text)
        }
        (None, Some(all)) => {
            let kind = kinds.kind(all, &place.key("all"))?;
            let namespace = kinds.namespace(kind, file.namespace.as_deref(), &place.key("namespace"))?;
            (kind, None, namespace, format!("all {}", kinds.info(kind).plural))
        }
        (None, None) => {
            return Err(place.error_help("it is about nothing", "add resource: deployment/web, or all: pods"));
        }
        (Some(_), Some(_)) => return Err(place.key("all").error("resource and all cannot stand in one claim")),
    };
    if let Some(namespace) = namespace.as_ref().filter(|namespace| !namespace.is_empty() && *namespace != "default") {
        text.push_str(&format!(" -n {namespace}"));
    }
    let selector = match &file.selector {
        Some(written) => {
            text.push_str(&format!(" -l {written}"));
            selector(written, &place.key("selector"))?
        }
        None => Selector::everything(),
    };
    let predicates = predicates(file, kind, place, &mut text)?;
    let quantifier = quantifier(file, &predicates, place, &mut text)?;
    Ok(Claim { text, kind, name, namespace, selector, predicates, quantifier })
}

fn predicates(
    file: &ClaimFile,
    kind: Kind,
    place: &Place<'_>,
    text: &mut String,
) -> Result<Vec<Predicate>, InputError> {
    let mut predicates = Vec::new();
    if let Some(written) = &file.condition {
        let (name, status) = condition(written, &place.key("condition"))?;
        text.push_str(&format!(" {written}"));
        predicates.push(Predicate::Condition(name, status));
    }
    let comparisons = comparisons(file, place)?;
    match &file.field {
        Some(path) => {
            let here = place.key("field");
            let help = "write for example status.availableReplicas";
            let path =
                FieldPath::parse(path).map_err(|why| here.error_help(format!("{path:?} is no path: {why}"), help))?;
            if comparisons.is_empty() {
                return Err(here.error_help("it is compared with nothing", "add equals, notEquals, atLeast or atMost"));
            }
            for comparison in comparisons {
                text.push_str(&format!(" {path} {comparison}"));
                predicates.push(Predicate::Field(path.clone(), comparison));
            }
        }
        None if comparisons.is_empty() => {}
        None => return Err(place.error_help("a value to compare, but no field", "add field: status.availableReplicas")),
    }
    if file.rolled_out {
        if !matches!(kind, Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet) {
            let message = "only Deployments, StatefulSets and DaemonSets are rolled out";
            return Err(place.key("rolledOut").error(message));
        }
        text.push_str(" rolled out");
        predicates.push(Predicate::RolledOut);
    }
    Ok(predicates)
}

fn condition(written: &str, place: &Place<'_>) -> Result<(Name, ConditionStatus), InputError> {
    let (name, status) = written.split_once('=').unwrap_or((written, "True"));
    let known = ["True", "False", "Unknown"];
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(place.error_help(format!("{written:?} is no condition"), "write Available, or Progressing=False"));
    }
    match known.iter().find(|known| known.eq_ignore_ascii_case(status)) {
        Some(status) => Ok((name.into(), ConditionStatus::parse(status))),
        None => Err(place.unknown_name(format!("{status:?} is no status of a condition"), status, &known)),
    }
}

fn comparisons(file: &ClaimFile, place: &Place<'_>) -> Result<Vec<Comparison>, InputError> {
    let bound = |key: &str, value: &Value| match amount(value) {
        Some(_) => Ok(value.clone()),
        None => Err(place.key(key).error("a bound is a number or a quantity")),
    };
    let mut comparisons = Vec::new();
    comparisons.extend(file.equals.clone().map(Comparison::Equals));
    comparisons.extend(file.not_equals.clone().map(Comparison::NotEquals));
    if let Some(value) = &file.at_least {
        comparisons.push(Comparison::AtLeast(bound("atLeast", value)?));
    }
    if let Some(value) = &file.at_most {
        comparisons.push(Comparison::AtMost(bound("atMost", value)?));
    }
    Ok(comparisons)
}

fn quantifier(
    file: &ClaimFile,
    predicates: &[Predicate],
    place: &Place<'_>,
    text: &mut String,
) -> Result<Quantifier, InputError> {
    let given = [("exists", file.exists), ("gone", file.gone), ("count", file.count.is_some())];
    let mut given = given.iter().filter(|(_, given)| *given).map(|(key, _)| *key);
    if let (Some(first), Some(second)) = (given.next(), given.next()) {
        return Err(place.key(second).error(format!("{first} and {second} cannot stand in one claim")));
    }
    if file.gone {
        text.push_str(" gone");
        return Ok(Quantifier::None);
    }
    if let Some(CountFile { equals, at_least, at_most }) = file.count {
        let here = place.key("count");
        let (low, high) = match (equals, at_least, at_most) {
            (Some(exactly), None, None) => (exactly, exactly),
            (None, None, None) => return Err(here.error_help("it bounds nothing", "add equals, atLeast or atMost")),
            (None, low, high) => (low.unwrap_or(0), high.unwrap_or(u64::MAX)),
            (Some(_), _, _) => return Err(here.key("equals").error("stands alone, without atLeast and atMost")),
        };
        if low > high {
            return Err(here.error("no number lies between these bounds"));
        }
        text.push_str(&match (low, high) {
            (low, high) if low == high => format!(" = {low}"),
            (low, u64::MAX) => format!(" ≥ {low}"),
            (0, high) => format!(" ≤ {high}"),
            (low, high) => format!(" {low} to {high}"),
        });
        return Ok(Quantifier::Between(low, high));
    }
    if predicates.is_empty() && !file.exists {
        let help = "add condition, field, rolledOut, exists, gone or count";
        return Err(place.error_help("nothing is claimed", help));
    }
    if file.exists {
        text.push_str(" exists");
    }
    Ok(Quantifier::Every)
}
