//! Images that nodes have, by number: their size and on how many nodes they are.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1;

use crate::api::Name;

/// The images of all nodes. Upstream: `imageStates` in `pkg/scheduler/backend/cache/cache.go`.
///
/// As upstream, the size is the one that the first node reported, until no node has the image any more. Upstream's
/// snapshot of a node may hold an older count of nodes until that node changes; here the count is always current.
#[derive(Clone, Debug, Default)]
pub struct Images {
    numbers: BTreeMap<Name, u32>,
    states: Vec<State>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    bytes: i64,
    nodes: u32,
}

impl Images {
    /// Takes in the images of a node, and gives their numbers, sorted.
    pub fn add(&mut self, images: &[v1::ContainerImage]) -> Vec<u32> {
        let mut numbers = Vec::new();
        for image in images {
            for name in image.names.iter().flatten() {
                let number = *self.numbers.entry(name.as_str().into()).or_insert_with(|| {
                    self.states.push(State::default());
                    self.states.len() as u32 - 1
                });
                if numbers.contains(&number) {
                    continue;
                }
                let state = &mut self.states[number as usize];
                if state.nodes == 0 {
                    state.bytes = image.size_bytes.unwrap_or(0);
                }
                state.nodes += 1;
                numbers.push(number);
            }
        }
        numbers.sort_unstable();
        numbers
    }

    /// A node no longer has these images.
    pub fn remove(&mut self, numbers: &[u32]) {
        for number in numbers {
            self.states[*number as usize].nodes -= 1;
        }
    }

    /// The number of an image by its full name, if a node has it.
    pub fn number(&self, name: &str) -> Option<u32> {
        let number = *self.numbers.get(name)?;
        (self.states[number as usize].nodes > 0).then_some(number)
    }

    /// Its size in bytes.
    pub fn bytes(&self, number: u32) -> i64 {
        self.states[number as usize].bytes
    }

    /// On how many nodes it is.
    pub fn nodes(&self, number: u32) -> u32 {
        self.states[number as usize].nodes
    }
}
