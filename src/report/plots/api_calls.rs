//! Who called the API server how often.

use super::{Body, Curve, Curves, Panel, PlotEntry, PlotInput, Tone, Unit};
use crate::kernel::Time;
use crate::report::requests::client_name;

/// The plot.
pub(super) const ENTRY: PlotEntry = PlotEntry {
    name: "api-calls",
    title: "API calls by client",
    doc: "Requests a second that reached the API server, by client; all kubelets together are one. Heartbeats that are \
          computed are no requests, and watches are not counted.",
    draw,
};

/// Into how many parts the run is cut.
const PARTS: u64 = 160;

fn draw(input: &PlotInput<'_>) -> Vec<Panel> {
    let end = input.sim.now();
    let width = (end.nanos() / PARTS).max(1);
    let times: Vec<Time> = (0..PARTS).map(|part| Time(part * width)).collect();
    let mut clients: Vec<(String, f64, Vec<f64>)> = Vec::new();
    for (class, client, counts) in input.sim.tally().requests_over_time() {
        let Some((_, total)) = counts.last() else { continue };
        let name = client_name(input.sim.parts(), class, client).to_string();
        let rates = rates(counts, width);
        match clients.iter_mut().find(|known| known.0 == name) {
            Some((_, sum, known)) => {
                *sum += *total as f64;
                known.iter_mut().zip(&rates).for_each(|(sum, rate)| *sum += rate);
            }
            None => clients.push((name, *total as f64, rates)),
        }
    }
    if clients.is_empty() {
        return Vec::new();
    }
    clients.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let rest = clients.split_off(clients.len().min(Tone::IN_TURN.len()));
    let named = clients.into_iter().zip(Tone::IN_TURN);
    let mut curves: Vec<Curve> = named.map(|((name, _, values), tone)| Curve { name, tone, values }).collect();
    if !rest.is_empty() {
        let mut values = vec![0.0; PARTS as usize];
        rest.iter().for_each(|(_, _, rates)| values.iter_mut().zip(rates).for_each(|(sum, rate)| *sum += rate));
        curves.push(Curve { name: format!("{} others", rest.len()), tone: Tone::Grey, values });
    }
    let note = format!("mean of each {}", crate::kernel::Span(width).as_secs_f64());
    let body = Body::Stack(Curves { times, curves });
    vec![Panel { title: "Requests a second".to_owned(), note: format!("{note} s"), unit: Unit::PerSecond, body }]
}

/// The mean rate of each part, from a count that grows in steps.
fn rates(counts: &[(Time, u64)], width: u64) -> Vec<f64> {
    let mut counts = counts.iter().peekable();
    let (mut before, mut count) = (0, 0);
    let rate = |part: u64| {
        let is_last = part + 1 == PARTS;
        while let Some((_, next)) = counts.next_if(|(at, _)| is_last || at.nanos() < (part + 1) * width) {
            count = *next;
        }
        let rate = (count - before) as f64 * 1e9 / width as f64;
        before = count;
        rate
    };
    (0..PARTS).map(rate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_add_up_to_the_count() {
        let counts = [(Time(0), 5), (Time(30_000_000_000), 11), (Time(160_000_000_000), 12)];
        let rates = rates(&counts, 1_000_000_000);
        assert_eq!((rates[0], rates[1], rates[30], rates[159]), (5.0, 0.0, 6.0, 1.0));
        assert_eq!(rates.iter().sum::<f64>(), 12.0);
    }
}
