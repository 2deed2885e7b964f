//! One life of a program: what its behaviour declares, drawn, as instants. Pure: the same life is told the same way
//! whenever it is asked for, so that no record has to keep it.

use super::behaviour::{Behaviour, Exit, Lapse, Readiness};
use super::pod::PodRecord;
use super::settings::{
    ANSWERS, BEGIN, EXIT, EXIT_CHANCE, HANG_AFTER, HANG_CHANCE, HANG_LASTS, KubeletSettings, READY, Range,
    UNREADY_AFTER, UNREADY_CHANCE, UNREADY_LASTS,
};
use crate::api::resources::Resources;
use crate::kernel::{Chance, Purpose, Time};

/// One life.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program<'a> {
    behaviour: &'a Behaviour,
    chance: Chance,
    /// The container's path, for draws.
    path: u64,
    /// The number of the life: how often the container has been restarted.
    life: u64,
    /// When the container was started.
    pub(super) since: Time,
    /// When it could not serve for what it read.
    misled: &'a [(Time, Time)],
}

/// How a life ends without anybody's doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct End {
    /// When; `Time::MAX`: not at all.
    pub(super) at: Time,
    /// With which exit code.
    pub(super) code: i32,
    /// Whether it was killed for its memory.
    pub(super) out_of_memory: bool,
}

/// What a probe finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Finding {
    /// All is well.
    Well,
    /// Nobody listens yet.
    Refused,
    /// Nobody answers.
    Hung,
    /// It answers that it cannot serve.
    Unready,
}

impl<'a> Program<'a> {
    /// The life of a container that was started at `since`.
    pub(super) fn new(behaviour: &'a Behaviour, chance: Chance, path: u64, life: u32, since: Time) -> Program<'a> {
        Program { behaviour, chance, path, life: u64::from(life), since, misled: &[] }
    }

    /// The same, unable to serve at these times.
    pub(super) fn misled(self, misled: &'a [(Time, Time)]) -> Program<'a> {
        Program { misled, ..self }
    }

    fn draw(&self, range: Range, purpose: Purpose) -> crate::kernel::Span {
        range.draw(self.chance, purpose, self.path, self.life)
    }

    /// When the program itself starts.
    pub(super) fn begins(&self) -> Time {
        self.since.saturating_add(self.draw(self.behaviour.start_delay, BEGIN))
    }

    /// How it ends by itself: as declared, or when its memory passes the container's limit.
    pub(super) fn end(&self, record: &PodRecord, index: usize, settings: &KubeletSettings) -> End {
        let begins = self.begins();
        let by_default = Exit { after: settings.init_run, code: 0, probability: 1.0 };
        let exit = self.behaviour.exit.or(record.is_plain_init(index).then_some(by_default));
        let comes = |exit: &Exit| {
            exit.probability >= 1.0 || self.chance.draw(EXIT_CHANCE, self.path, self.life).unit() < exit.probability
        };
        let mut end = match exit.filter(comes) {
            Some(exit) => {
                End { at: begins.saturating_add(self.draw(exit.after, EXIT)), code: exit.code, out_of_memory: false }
            }
            None => End { at: Time::MAX, code: 0, out_of_memory: false },
        };
        let Some(memory) = &self.behaviour.usage.memory else { return end };
        let limits = record.spec(index).resources.as_ref().and_then(|resources| resources.limits.as_ref());
        let limit = Resources::of_list(limits).memory.unsigned_abs();
        if limit > 0
            && let Some(after) = memory.first_above(limit)
            && begins.saturating_add(after) < end.at
        {
            end = End { at: begins.saturating_add(after), code: super::termination::KILLED, out_of_memory: true };
        }
        end
    }

    /// What probes find over time: each finding from its instant on, instants rising, the first at the container's start.
    /// `for_readiness`: whether a program that cannot serve counts.
    pub(super) fn findings(&self, for_readiness: bool) -> Vec<(Time, Finding)> {
        let begins = self.begins();
        let answers = begins.saturating_add(self.draw(self.behaviour.answers_after, ANSWERS));
        let ready = match self.behaviour.ready {
            _ if !for_readiness => Time::ZERO,
            Readiness::After(range) => begins.saturating_add(self.draw(range, READY)),
            Readiness::Never => Time::MAX,
        };
        let hangs = self.lapses(begins, &self.behaviour.hangs, [HANG_AFTER, HANG_LASTS, HANG_CHANCE]);
        let unready = if for_readiness {
            let own = self.lapses(begins, &self.behaviour.unready, [UNREADY_AFTER, UNREADY_LASTS, UNREADY_CHANCE]);
            own.into_iter().chain(self.misled.iter().copied()).collect()
        } else {
            Vec::new()
        };
        let mut instants = vec![self.since, answers, ready];
        instants.extend(hangs.iter().chain(&unready).flat_map(|(from, until)| [*from, *until]));
        instants.retain(|at| *at >= self.since && *at < Time::MAX);
        instants.sort_unstable();
        instants.dedup();
        let within =
            |lapses: &[(Time, Time)], at: Time| lapses.iter().any(|(from, until)| (*from..*until).contains(&at));
        let find = |at: Time| {
            if at < answers {
                Finding::Refused
            } else if within(&hangs, at) {
                Finding::Hung
            } else if at < ready || within(&unready, at) {
                Finding::Unready
            } else {
                Finding::Well
            }
        };
        instants.into_iter().map(|at| (at, find(at))).collect()
    }

    /// The lapses of this life, from and until when.
    fn lapses(&self, begins: Time, lapses: &[Lapse], [after, lasts, chance]: [Purpose; 3]) -> Vec<(Time, Time)> {
        let mut found = Vec::new();
        for (number, lapse) in lapses.iter().enumerate() {
            let n = self.life << 16 | number as u64;
            if lapse.probability < 1.0 && self.chance.draw(chance, self.path, n).unit() >= lapse.probability {
                continue;
            }
            let from = begins.saturating_add(lapse.after.draw(self.chance, after, self.path, n));
            let until = lapse
                .lasts
                .map_or(Time::MAX, |range| from.saturating_add(range.draw(self.chance, lasts, self.path, n)));
            found.push((from, until));
        }
        found
    }
}
