//! A run: pods come, are placed, wait, leave; a sample after each that came.

use super::{Park, Placer, Plan, Sample};

/// A run on its way.
pub struct Run<'a> {
    plan: &'a Plan,
    placer: Box<dyn Placer + 'a>,
    park: Park,
    samples: Vec<Sample>,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// A sample after every pod that came.
    pub samples: Vec<Sample>,
}

impl<'a> Run<'a> {
    /// A run at its start.
    pub fn new(plan: &'a Plan, placer: Box<dyn Placer + 'a>) -> Run<'a> {
        let park = Park::new(plan.nodes.clone(), &plan.setting.typical);
        Run { plan, placer, park, samples: Vec::new() }
    }

    /// All of it.
    pub fn finish(mut self) -> Outcome {
        let typical = &self.plan.setting.typical;
        let (mut pods, mut rejected) = (0, 0);
        let (mut arrived, mut card_arrived) = ([0; 6], 0);
        for arrival in &self.plan.arrivals {
            for class in &arrival.classes {
                let pod = &self.plan.classes[*class as usize];
                pods += 1;
                for (sum, asked) in arrived.iter_mut().zip(pod.asks) {
                    *sum += asked;
                }
                card_arrived += pod.card_milli();
                match self.placer.place(self.plan, &self.park, *class) {
                    Some(spot) => self.park.add(pod, spot, typical),
                    None => rejected += 1,
                }
                self.samples.push(Sample {
                    at: arrival.at,
                    pods,
                    arrived,
                    card_arrived,
                    totals: *self.park.totals(),
                    rejected,
                    waiting: 0,
                    typical: typical.total,
                });
            }
        }
        Outcome { samples: self.samples }
    }
}
