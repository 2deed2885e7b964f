//! Behaviours of containers: from what was typed to what kubelets read.

use super::file::{BehaviourFile, CourseFile, ExitFile, LapseFile, MatchFile, QuantityText, SightFile, UsageFile};
use super::nodes::quantity;
use crate::api::located::{InputError, Place};
use crate::api::{Quantity, Selector};
use crate::kernel::Span;
use crate::kubelet::{
    Behaviour, BehaviourEntry, Behaviours, Course, Exit, Lapse, Matching, Readiness, Reading, Sight, UsageBehaviour,
};

/// More entries than anyone writes.
const ENTRIES_MAX: usize = 10_000;
/// More lapses of one program than anyone writes.
const LAPSES_MAX: usize = 1_000;

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
    let stop_code = file.stop_code.unwrap_or(server.stop_code);
    let mut image = server.image;
    let size_place = place.key("image").key("size");
    let size = file.image.size.as_ref().map(|size| quantity(&size.0, &size_place)).transpose()?;
    image.bytes = size.map(|size| size.value().unsigned_abs());
    image.pull_time = file.image.pull.map(|range| range.0);
    image.missing = file.image.missing;
    Ok(Behaviour {
        start_delay: file.start_delay.map_or(server.start_delay, |range| range.0),
        answers_after: file.answers_after.map_or(server.answers_after, |range| range.0),
        ready,
        unready: lapses(&file.unready, &place.key("unready"))?,
        unready_while: sights(&file.unready_while, &place.key("unreadyWhile"))?,
        hangs: lapses(&file.hangs, &place.key("hangs"))?,
        exit: file.exit.as_ref().map(|exit| lower_exit(exit, &place.key("exit"))).transpose()?,
        stop: file.stop.map_or(server.stop, |range| range.0),
        stop_code: exit_code(stop_code, &place.key("stopCode"))?,
        usage: usage(&file.usage, &place.key("usage"))?,
        image,
    })
}

fn lower_exit(file: &ExitFile, place: &Place<'_>) -> Result<Exit, InputError> {
    let code = exit_code(file.code, &place.key("code"))?;
    Ok(Exit { after: file.after.0, code, probability: probability(file.probability, place)? })
}

fn exit_code(code: i32, place: &Place<'_>) -> Result<i32, InputError> {
    if (0..=255).contains(&code) {
        return Ok(code);
    }
    Err(place.error(format!("{code} is no exit code: they go from 0 to 255")))
}

/// The `probability` of what stands here; 1 where none is given.
fn probability(given: Option<f64>, place: &Place<'_>) -> Result<f64, InputError> {
    let given = given.unwrap_or(1.0);
    if (0.0..=1.0).contains(&given) {
        return Ok(given);
    }
    Err(place.key("probability").error(format!("{given} is no probability: they go from 0 to 1")))
}

fn lapses(files: &[LapseFile], place: &Place<'_>) -> Result<Vec<Lapse>, InputError> {
    if files.len() > LAPSES_MAX {
        return Err(place.error(format!("there are more than {LAPSES_MAX} of them")));
    }
    let lower = |(index, file): (usize, &LapseFile)| {
        let probability = probability(file.probability, &place.index(index))?;
        Ok(Lapse { after: file.after.0, lasts: file.lasts.map(|range| range.0), probability })
    };
    files.iter().enumerate().map(lower).collect()
}

fn sights(files: &[SightFile], place: &Place<'_>) -> Result<Vec<Sight>, InputError> {
    let lower = |(index, file): (usize, &SightFile)| {
        let place = place.index(index);
        let reading = match (&file.file, &file.env) {
            (Some(path), None) if path.starts_with('/') => Reading::File(path.as_str().into()),
            (Some(path), None) => {
                return Err(place.key("file").error_help(
                    format!("{path:?} is no whole path"),
                    "write it as the program opens it: /etc/app/mode",
                ));
            }
            (None, Some(name)) => Reading::Env(name.as_str().into()),
            (Some(_), Some(_)) => return Err(place.key("env").error("file is given as well; leave one of them out")),
            (None, None) => {
                return Err(place.error_help("it reads nothing", "add file: /etc/app/mode, or env: MODE"));
            }
        };
        Ok(Sight { reading, equals: file.equals.as_str().into() })
    };
    files.iter().enumerate().map(lower).collect()
}

fn usage(file: &UsageFile, place: &Place<'_>) -> Result<UsageBehaviour, InputError> {
    let cpu = file.cpu.as_ref().map(|cpu| course(cpu, |amount| amount.milli_value(), &place.key("cpu"))).transpose()?;
    let whole = |given: &Option<CourseFile>, key: &str| {
        given.as_ref().map(|given| course(given, |amount| amount.value(), &place.key(key))).transpose()
    };
    Ok(UsageBehaviour {
        cpu,
        memory: whole(&file.memory, "memory")?,
        disk: whole(&file.disk, "disk")?,
        inodes: whole(&file.inodes, "inodes")?,
        pids: whole(&file.pids, "pids")?,
    })
}

fn course(file: &CourseFile, unit: fn(&Quantity) -> i64, place: &Place<'_>) -> Result<Course, InputError> {
    let amount = |text: &QuantityText, place: &Place<'_>| quantity(&text.0, place).map(|it| unit(&it).unsigned_abs());
    Ok(match file {
        CourseFile::Constant(text) => Course::Constant(amount(text, place)?),
        CourseFile::Ramp(ramp) => Course::Ramp {
            from: amount(&ramp.from, &place.key("from"))?,
            to: amount(&ramp.to, &place.key("to"))?,
            over: ramp.over.0,
        },
        CourseFile::Steps(files) => {
            let mut steps: Vec<(Span, u64)> = Vec::new();
            for (index, step) in files.iter().enumerate() {
                let place = place.index(index);
                if steps.last().is_some_and(|(before, _)| *before >= step.after.0) {
                    return Err(place.key("after").error("it is not later than the step before"));
                }
                steps.push((step.after.0, amount(&step.is, &place.key("is"))?));
            }
            Course::Steps(steps)
        }
    })
}
