//! The digest of a history: 128 bits over every entry of the journal, in order. Equal digests mean equal histories.

use std::fmt;

use xxhash_rust::xxh3::Xxh3;

use super::Entry;

/// How many entries a block digest covers: two histories that differ are compared block by block.
const BLOCK: u64 = 1000;

/// A 128-bit digest, printed as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DigestValue(pub u128);

impl fmt::Display for DigestValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The running digest.
#[derive(Clone)]
pub struct Digest {
    hasher: Xxh3,
    entries: u64,
    blocks: Vec<u64>,
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digest").field("value", &self.value()).field("entries", &self.entries).finish()
    }
}

impl Default for Digest {
    fn default() -> Digest {
        Digest { hasher: Xxh3::new(), entries: 0, blocks: Vec::new() }
    }
}

impl Digest {
    /// Takes an entry in.
    pub(super) fn add(&mut self, entry: &Entry) {
        self.hasher.update(&entry.to_bytes());
        self.entries += 1;
        if self.entries.is_multiple_of(BLOCK) {
            self.blocks.push(self.hasher.digest());
        }
    }

    /// The digest of everything so far.
    pub fn value(&self) -> DigestValue {
        DigestValue(self.hasher.digest128())
    }

    /// The digests after each 1,000 entries.
    pub fn blocks(&self) -> &[u64] {
        &self.blocks
    }
}
