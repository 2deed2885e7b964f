//! Streams of requests: from what was typed to what the network reads.

use super::behaviours::selector;
use super::file::{NetworkFile, TrafficFile};
use crate::api::located::{InputError, Place};
use crate::kernel::Time;
use crate::network::{Clients, TrafficLine, TrafficSettings};

/// More streams than anyone writes.
const LINES_MAX: usize = 100_000;
/// The most requests a second.
const RATE_MAX: f64 = 1e9;

pub(super) fn lower(
    lines: &[TrafficFile],
    network: &NetworkFile,
    place: &Place<'_>,
    errors: &mut Vec<InputError>,
) -> TrafficSettings {
    let mut settings = TrafficSettings::none();
    if let Some(period) = network.min_sync_period {
        settings.proxy.min_sync_period = period.0;
    }
    if let Some(takes) = network.sync_takes {
        settings.proxy.sync_takes = (takes.0.low, takes.0.high);
    }
    if let Some(ttl) = network.dns_ttl {
        settings.dns_ttl = ttl.0;
    }
    if lines.len() > LINES_MAX {
        errors.push(place.error(format!("there are more than {LINES_MAX} streams")));
        return settings;
    }
    for (index, file) in lines.iter().enumerate() {
        match line(file, &place.index(index)) {
            Ok(line) => settings.lines.push(line),
            Err(error) => errors.push(error),
        }
    }
    settings
}

fn line(file: &TrafficFile, place: &Place<'_>) -> Result<TrafficLine, InputError> {
    let or_default = |name: &Option<String>| name.as_deref().unwrap_or("default").into();
    let (from, text) = match (&file.from.selector, file.from.outside) {
        (Some(labels), false) => {
            let selector = selector(labels, &place.key("from").key("selector"))?;
            (Clients::Pods { namespace: or_default(&file.from.namespace), selector }, labels.as_str())
        }
        (None, true) => (Clients::Outside, "outside"),
        (Some(_), true) => {
            return Err(place.key("from").key("outside").error("a selector is given as well; leave one of them out"));
        }
        (None, false) => {
            let help = "write selector: app=shop for pods, or outside: true";
            return Err(place.key("from").error_help("nobody sends these requests", help));
        }
    };
    let rate_milli = (file.rate * 1000.0).round();
    if !(file.rate <= RATE_MAX && rate_milli >= 1.0) {
        let message = format!("{} requests a second: there can be 0.001 to {RATE_MAX}", file.rate);
        return Err(place.key("rate").error(message));
    }
    let (start, end) = (file.start.map(|at| Time::ZERO + at.0), file.until.map(|at| Time::ZERO + at.0));
    let start = start.unwrap_or(Time::ZERO);
    if end.is_some_and(|end| end <= start) {
        return Err(place.key("until").error("it ends before it begins"));
    }
    Ok(TrafficLine {
        name: file.name.as_deref().map_or_else(|| ecow::eco_format!("{text} to {}", file.to), Into::into),
        from,
        to: (or_default(&file.namespace), file.to.as_str().into()),
        rate_milli: rate_milli as u64,
        start,
        end,
    })
}
