//! A vector in chunks that are shared until written: reads as a `Vec`, and a clone costs one pointer a chunk.

use std::sync::Arc;

const CHUNK: usize = 64;

/// A growable sparse vector by dense number. Cloning shares all chunks; writing copies the chunk that is hit.
#[derive(Clone, Debug)]
pub struct Chunks<T> {
    chunks: Vec<Arc<[Option<T>; CHUNK]>>,
    live: usize,
}

impl<T> Default for Chunks<T> {
    fn default() -> Chunks<T> {
        Chunks { chunks: Vec::new(), live: 0 }
    }
}

impl<T: Clone> Chunks<T> {
    /// The value at a number, if there is one.
    pub fn get(&self, slot: u32) -> Option<&T> {
        let slot = slot as usize;
        self.chunks.get(slot / CHUNK)?[slot % CHUNK].as_ref()
    }

    /// The value at a number, to be changed.
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        let slot = slot as usize;
        Arc::make_mut(self.chunks.get_mut(slot / CHUNK)?)[slot % CHUNK].as_mut()
    }

    /// Sets the value at a number and returns what was there.
    pub fn set(&mut self, slot: u32, value: T) -> Option<T> {
        let slot = slot as usize;
        while self.chunks.len() <= slot / CHUNK {
            self.chunks.push(Arc::new([const { None }; CHUNK]));
        }
        let before = Arc::make_mut(&mut self.chunks[slot / CHUNK])[slot % CHUNK].replace(value);
        self.live += usize::from(before.is_none());
        before
    }

    /// Takes the value at a number out.
    pub fn take(&mut self, slot: u32) -> Option<T> {
        let slot = slot as usize;
        let chunk = self.chunks.get_mut(slot / CHUNK)?;
        chunk[slot % CHUNK].as_ref()?;
        self.live -= 1;
        Arc::make_mut(chunk)[slot % CHUNK].take()
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// The values by rising number.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter().flatten())
    }

    /// The values with their numbers, rising.
    pub fn entries(&self) -> impl Iterator<Item = (u32, &T)> {
        self.chunks.iter().enumerate().flat_map(|(base, chunk)| {
            chunk
                .iter()
                .enumerate()
                .filter_map(move |(offset, value)| Some(((base * CHUNK + offset) as u32, value.as_ref()?)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_keeps_its_own_values() {
        let mut one = Chunks::default();
        for slot in 0..200 {
            one.set(slot, slot);
        }
        let mut two = one.clone();
        two.set(5, 500);
        two.take(6);
        assert_eq!((one.get(5), one.get(6), one.len()), (Some(&5), Some(&6), 200));
        assert_eq!((two.get(5), two.get(6), two.len()), (Some(&500), None, 199));
        assert_eq!(
            two.entries().map(|(slot, _)| slot).filter(|slot| (4..8).contains(slot)).collect::<Vec<_>>(),
            [4, 5, 7]
        );
    }
}
