//! Behaviours of containers: from what was typed to what kubelets read.

use super::file::{BehaviourFile, MatchFile};
use super::nodes::quantity;
use super::place::Place;
use crate::api::Selector;
use crate::api::located::InputError;
use crate::kubelet::{Behaviour, BehaviourEntry, Behaviours, Exit, Matching, Readiness};

/// More entries than anyone writes.
const ENTRIES_MAX: usize = 10_000;

pub(super) fn lower(files: &[BehaviourFile], place: &Place<'_>, errors: &mut Vec<InputError>) -> Behaviours {
    if files.len() > ENTRIES_MAX {
        errors.push(place.error(format!("there are more than {ENTRIES_MAX} behaviours")));
        return Behaviours::none();
    }
    let mut entries = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let place = place.index(index);
        match (matching(&file.matching, &place.key("match")), behaviour(file, &place)) {
            (Ok(matching), Ok(behaviour)) => entries.push(BehaviourEntry { matching, behaviour }),
            (first, second) => errors.extend(first.err().into_iter().chain(second.err())),
        }
    }
    Behaviours::new(entries, Behaviour::server())
}

fn matching(file: &MatchFile, place: &Place<'_>) -> Result<Matching, InputError> {
    let labels = file.selector.as_deref().map(|text| selector(text, &place.key("selector"))).transpose()?;
    Ok(Matching {
        image: file.image.as_deref().map(Into::into),
        labels,
        container: file.container.as_deref().map(Into::into),
    })
}

/// A label selector as `kubectl -l` takes it.
pub(super) fn selector(text: &str, place: &Place<'_>) -> Result<Selector, InputError> {
    Selector::parse(text).map_err(|why| {
        place.error_help(format!("{text:?} is no selector: {why}"), "write for example app=web,tier!=cache")
    })
}

fn behaviour(file: &BehaviourFile, place: &Place<'_>) -> Result<Behaviour, InputError> {
    let server = Behaviour::server();
    let ready = match (file.ready_after, file.never_ready) {
        (Some(_), true) => {
            return Err(place.key("neverReady").error("readyAfter is given as well; leave one of them out"));
        }
        (None, true) => Readiness::Never,
        (Some(after), false) => Readiness::After(after.0),
        (None, false) => server.ready,
    };
    let exit = match &file.exit {
        Some(exit) if !(0..=255).contains(&exit.code) => {
            return Err(place
                .key("exit")
                .key("code")
                .error(format!("{} is no exit code: they go from 0 to 255", exit.code)));
        }
        Some(exit) => Some(Exit { after: exit.after.0, code: exit.code }),
        None => None,
    };
    let stop_code = file.stop_code.unwrap_or(server.stop_code);
    if !(0..=255).contains(&stop_code) {
        return Err(place.key("stopCode").error(format!("{stop_code} is no exit code: they go from 0 to 255")));
    }
    let mut image = server.image;
    let size_place = place.key("image").key("size");
    let size = file.image.size.as_ref().map(|size| quantity(&size.0, &size_place)).transpose()?;
    image.bytes = size.map(|size| size.value().unsigned_abs());
    image.pull_time = file.image.pull.map(|range| range.0);
    image.missing = file.image.missing;
    Ok(Behaviour {
        start_delay: file.start_delay.map_or(server.start_delay, |range| range.0),
        ready,
        exit,
        stop: file.stop.map_or(server.stop, |range| range.0),
        stop_code,
        image,
    })
}
