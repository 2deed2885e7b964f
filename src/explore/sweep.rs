//! A sweep: every point of a grid with every seed.

use std::path::Path;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use xxhash_rust::xxh3::Xxh3;

use crate::api::located::InputErrors;
use crate::record::DigestValue;
use crate::scenario::{self, Draft, Found, RunResult, Scenario};

/// How paths are read, by any thread. The same path must be the same text each time.
pub type ReadPathAnywhere<'a> = dyn Fn(&Path) -> Result<Found, String> + Sync + 'a;

/// A range of seeds, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seeds {
    /// The first.
    pub first: u64,
    /// The last, not below the first.
    pub last: u64,
}

impl Seeds {
    /// How many there are; `u64::MAX` for all of them.
    pub fn count(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

/// One digest over those of all runs, in their order.
pub fn digest_of_all(digests: impl IntoIterator<Item = DigestValue>) -> DigestValue {
    let mut hasher = Xxh3::new();
    digests.into_iter().for_each(|digest| hasher.update(&digest.0.to_le_bytes()));
    DigestValue(hasher.digest128())
}

/// One run of a sweep.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Case {
    /// The point of the grid.
    pub point: u64,
    /// The seed.
    pub seed: u64,
}

/// A grid and the seeds that each of its points is run with.
pub struct Sweep<'a> {
    draft: &'a Draft,
    read: &'a ReadPathAnywhere<'a>,
    pool: ThreadPool,
}

impl<'a> Sweep<'a> {
    /// A sweep over so many threads; 0: one for each core.
    ///
    /// # Errors
    /// The operating system gives no threads.
    pub fn new(draft: &'a Draft, jobs: usize, read: &'a ReadPathAnywhere<'a>) -> Result<Sweep<'a>, String> {
        let pool = ThreadPoolBuilder::new().num_threads(jobs).build().map_err(|error| error.to_string())?;
        Ok(Sweep { draft, read, pool })
    }

    /// Loads every point once, so that bad input is found before anything runs. The cases, by point and seed; without
    /// seeds each point has its scenario's own.
    ///
    /// # Errors
    /// The mistakes of all points, each once.
    pub fn cases(&self, seeds: Option<Seeds>) -> Result<Vec<Case>, InputErrors> {
        let points = 0..self.draft.points();
        let seed_of = |point: u64| self.load(point).map(|scenario| scenario.seed).map_err(|errors| (point, errors));
        let loaded: Vec<Result<u64, (u64, InputErrors)>> =
            self.pool.install(|| points.into_par_iter().map(seed_of).collect());
        let (own, failed): (Vec<_>, Vec<_>) = loaded.into_iter().partition(Result::is_ok);
        let failed: Vec<(u64, InputErrors)> = failed.into_iter().filter_map(Result::err).collect();
        if !failed.is_empty() {
            return Err(self.draft.merge(failed));
        }
        let own = own.into_iter().filter_map(Result::ok).zip(0..);
        let of_point = |(own, point): (u64, u64)| {
            let Seeds { first, last } = seeds.unwrap_or(Seeds { first: own, last: own });
            (first..=last).map(move |seed| Case { point, seed })
        };
        Ok(own.flat_map(of_point).collect())
    }

    /// Runs cases, sorted as [`Sweep::cases`] has them, and hands each to `look` on the thread that ran it. The results
    /// are in the order of the cases.
    ///
    /// `begin` is told of each case right before it runs, on the same thread.
    pub fn run<T: Send>(
        &self,
        cases: &[Case],
        keep_journal: bool,
        begin: &(dyn Fn(Case) + Sync),
        look: &(dyn Fn(Case, &Scenario, RunResult) -> T + Sync),
    ) -> Vec<T> {
        let of_point: Vec<&[Case]> = cases.chunk_by(|one, other| one.point == other.point).collect();
        let run_point = |cases: &&[Case]| {
            let mut scenario = match self.load(cases[0].point) {
                Ok(scenario) => scenario,
                Err(errors) => panic!("a point that could be loaded before cannot be loaded any more: {errors}"),
            };
            scenario.setup.keep_journal = keep_journal;
            let run_case = |case: &Case| {
                begin(*case);
                let result = scenario::run(&scenario, case.seed, &mut |_| {});
                look(*case, &scenario, result)
            };
            cases.par_iter().map(run_case).collect::<Vec<T>>()
        };
        self.pool.install(|| of_point.par_iter().flat_map(run_point).collect())
    }

    fn load(&self, point: u64) -> Result<Scenario, InputErrors> {
        self.draft.at(point, &|path| (self.read)(path))
    }
}
