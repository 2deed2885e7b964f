//! What behaviours mean, and what is wrong with them.

use super::{HEAD, load_text};
use crate::kernel::Span;
use crate::kubelet::{Behaviour, Course, Exit, Lapse, Range};

#[track_caller]
fn read(text: &str) -> Behaviour {
    let scenario = load_text(&format!("{HEAD}behaviours:\n- {text}\n")).unwrap_or_else(|errors| panic!("{errors}"));
    scenario.setup.behaviours.entries()[0].behaviour.clone()
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let found = load_text(&format!("{HEAD}behaviours:\n- {text}\n"));
    assert_eq!(found.map_or_else(|errors| errors.to_string(), |_| "fine".to_owned()), expected);
}

fn seconds(low: u64, high: u64) -> Range {
    Range { low: Span::from_secs(low), high: Span::from_secs(high) }
}

#[test]
fn exits_and_lapses_may_come_by_chance() {
    let behaviour = read("{exit: {after: 1m..2m, code: 3, probability: 0.3}, answersAfter: 5s}");
    assert_eq!(behaviour.exit, Some(Exit { after: seconds(60, 120), code: 3, probability: 0.3 }));
    assert_eq!(behaviour.answers_after, seconds(5, 5));
    let behaviour = read("{unready: [{after: 60s, lasts: 20s..30s}], hangs: [{after: 10m, probability: 0.5}]}");
    assert_eq!(behaviour.unready, [Lapse::new(seconds(60, 60), Some(seconds(20, 30)))]);
    assert_eq!(behaviour.hangs, [Lapse { probability: 0.5, ..Lapse::new(seconds(600, 600), None) }]);
    assert_eq!(read("{exit: {after: 1s}}").exit.map(|exit| exit.probability), Some(1.0));
}

#[test]
fn amounts_are_constant_or_ramps_or_steps() {
    assert_eq!(read("{usage: {cpu: 250m}}").usage.cpu, Some(Course::Constant(250)));
    assert_eq!(read("{usage: {cpu: 2}}").usage.cpu, Some(Course::Constant(2000)));
    let mi = 1024 * 1024;
    assert_eq!(
        read("{usage: {memory: {from: 100Mi, to: 1Gi, over: 10m}}}").usage.memory,
        Some(Course::Ramp { from: 100 * mi, to: 1024 * mi, over: Span::from_mins(10) })
    );
    assert_eq!(
        read("{usage: {memory: [{after: 0s, is: 100Mi}, {after: 5m, is: 600Mi}]}}").usage.memory,
        Some(Course::Steps(vec![(Span::ZERO, 100 * mi), (Span::from_mins(5), 600 * mi)]))
    );
}

#[test]
fn what_is_wrong_is_said_at_its_place() {
    check(
        "{exit: {after: 1s, probability: 2}}",
        "s.yaml:5:35: behaviours[0].exit.probability: 2 is no probability: they go from 0 to 1",
    );
    check(
        "{exit: {after: 1s, code: 256}}",
        "s.yaml:5:28: behaviours[0].exit.code: 256 is no exit code: they go from 0 to 255",
    );
    check(
        "{hangs: [{after: 1s, probability: -1}]}",
        "s.yaml:5:37: behaviours[0].hangs[0].probability: -1 is no probability: they go from 0 to 1",
    );
    check(
        "{usage: {memory: [{after: 5s, is: 1Mi}, {after: 5s, is: 2Mi}]}}",
        "s.yaml:5:51: behaviours[0].usage.memory[1].after: it is not later than the step before",
    );
    check(
        "{usage: {memory: {from: 1Mi, to: much, over: 1s}}}",
        "s.yaml:5:36: behaviours[0].usage.memory.to: \"much\" is no quantity\n  help: write for example 500m, 4, 16Gi or 100M",
    );
    check(
        "{usage: {cpu: true}}",
        "s.yaml:5:17: behaviours[0].usage.cpu: expected a quantity, a ramp {from, to, over} or a list of steps \
         {after, is}, found the boolean true",
    );
}
