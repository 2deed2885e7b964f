//! When submissions come: one process after the other, instants never falling.

use crate::kernel::{Chance, Purpose, Span, Time, object_hash};

use super::distribution::unit;
use super::file::ArrivalsFile;

const GAP: Purpose = Purpose::new("synthetic-gap");
const BURST: Purpose = Purpose::new("synthetic-burst");
const HOUR: Span = Span::from_hours(1);
const DAY: Span = Span::from_hours(24);

/// The instants of submissions, one at a time.
pub(super) struct Arrivals<'f> {
    process: Option<&'f ArrivalsFile>,
    chance: Chance,
    object: u64,
    /// The instant of the last one.
    now: Time,
    /// How many gaps were drawn.
    gaps: u64,
    /// How many are still to come in the burst that is going on.
    left: u64,
}

impl<'f> Arrivals<'f> {
    /// From the start on; all at the start where there is no process.
    pub(super) fn of(process: Option<&'f ArrivalsFile>, chance: Chance) -> Arrivals<'f> {
        Arrivals { process, chance, object: object_hash("arrivals"), now: Time::ZERO, gaps: 0, left: 0 }
    }

    /// The instant of the next one.
    pub(super) fn next(&mut self) -> Time {
        match self.process {
            None => {}
            Some(ArrivalsFile::Poisson { per_hour }) => {
                self.wait(per_hour.0);
            }
            Some(ArrivalsFile::Uniform { per_hour }) => {
                // Counted from the start, so that nothing adds up.
                self.gaps += 1;
                self.now = Time::ZERO.saturating_add(HOUR.scale(self.gaps as f64 / per_hour.0));
            }
            Some(ArrivalsFile::Bursts { per_hour, size, apart }) => {
                if self.left == 0 {
                    let draw = self.chance.draw(BURST, self.object, self.gaps);
                    self.left = u64::from(size.low) + draw.below(u64::from(size.high - size.low) + 1);
                    self.wait(per_hour.0);
                } else if let Some(apart) = apart {
                    self.now = self.now.saturating_add(apart.0);
                }
                self.left -= 1;
            }
            Some(ArrivalsFile::Diurnal { per_hour, swing, period }) => {
                let period = period.map_or(DAY, |period| period.0);
                self.next_of_day(per_hour.0, swing.0, period);
            }
        }
        self.now
    }

    /// Lets an exponential gap pass; gives a number in [0, 1) that is independent of it.
    fn wait(&mut self, per_hour: f64) -> f64 {
        let draw = self.chance.draw(GAP, self.object, self.gaps);
        self.gaps += 1;
        self.now = self.now.saturating_add(draw.exponential(HOUR.scale(1.0 / per_hour)));
        unit(draw.word(1))
    }

    /// Thinning (Lewis and Shedler 1979): of a Poisson process at the highest rate, each arrival is kept with the ratio
    /// of the rate at its instant to the highest.
    fn next_of_day(&mut self, per_hour: f64, swing: f64, period: Span) {
        loop {
            let chance = self.wait(per_hour * (1.0 + swing));
            let phase = (self.now.nanos() % period.as_nanos()) as f64 / period.as_nanos() as f64;
            let rate = 1.0 + swing * libm::sin(std::f64::consts::TAU * phase);
            if chance * (1.0 + swing) < rate || self.now == Time::MAX {
                return;
            }
        }
    }
}
