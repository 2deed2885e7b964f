//! Stateless chance: a draw is a pure function of (seed, purpose, object, n).
//!
//! There is no generator to store, clone or advance. ChaCha with 8 rounds (`rand_chacha`) is keyed
//! by the seed, the purpose's name and the object's path, with `n` as its stream number; the first
//! block of 64 bytes is the draw. So a draw that is added, taken away or made in another order
//! leaves every other draw as it was. The hashes are XXH3 with 64 bits: two paths that collide
//! (one chance in 10^9 among 200,000 paths) would share their draws, which is no error, only a
//! coincidence.

use super::time::Span;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use xxhash_rust::xxh3::xxh3_64;

/// What a draw is for, by name: `const PULL: Purpose = Purpose::new("image-pull");`. Two purposes
/// with the same name are the same purpose, so a name belongs to one place in the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Purpose(&'static str);

impl Purpose {
    /// The purpose of that name. Renaming a purpose changes its draws.
    pub const fn new(name: &'static str) -> Purpose {
        Purpose(name)
    }

    /// The name that it was made with.
    pub const fn name(self) -> &'static str {
        self.0
    }
}

/// The hash under which draws know the object with this stable logical path (`default/web-0`;
/// never a uid or a revision, which depend on what else happened).
pub fn object_hash(object: &str) -> u64 {
    xxh3_64(object.as_bytes())
}

/// The source of all draws of a run: nothing but its seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chance {
    /// The run's seed; another seed gives unrelated draws.
    pub seed: u64,
}

impl Chance {
    /// The draw number `n` (attempt, restart, ordinal) for this purpose and object; `object` comes
    /// from `object_hash`. The same four values give the same draw, always and everywhere.
    pub fn draw(self, purpose: Purpose, object: u64, n: u64) -> Draw {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..16].copy_from_slice(&xxh3_64(purpose.0.as_bytes()).to_le_bytes());
        key[16..24].copy_from_slice(&object.to_le_bytes());
        let mut block = ChaCha8Rng::from_seed(key);
        block.set_stream(n);
        Draw { words: std::array::from_fn(|_| block.next_u64()) }
    }
}

/// 512 uniform random bits and the ways to read them. All readings of one draw see the same bits,
/// so `unit` and `below` of one draw are not independent: take one reading a draw, or `word`s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    words: [u64; 8],
}

impl Draw {
    /// The first 64 bits.
    pub fn bits(&self) -> u64 {
        self.words[0]
    }

    /// The 64 bits number `i`, below 8, each independent of the others; word 0 is `bits`.
    pub fn word(&self, i: usize) -> u64 {
        self.words[i]
    }

    /// Uniform in [0, 1) with 53 bits.
    pub fn unit(&self) -> f64 {
        unit_of(self.words[0])
    }

    /// Uniform among 0, 1, … n − 1 by one 128-bit multiplication: no value's probability is off by
    /// more than 2^-64. Panics if `n` is zero.
    pub fn below(&self, n: u64) -> u64 {
        assert!(n > 0, "a draw among no values was asked for");
        ((u128::from(self.words[0]) * u128::from(n)) >> 64) as u64
    }

    /// Uniform between the two, both included. Panics if `high` is shorter than `low`.
    pub fn span_between(&self, low: Span, high: Span) -> Span {
        assert!(low <= high, "no span lies between {low} and {high}");
        let width = u128::from(high.0 - low.0) + 1;
        Span(low.0 + ((u128::from(self.words[0]) * width) >> 64) as u64)
    }

    /// Exponentially distributed with this mean (at most 36.8 times it), to the nanosecond.
    pub fn exponential(&self, mean: Span) -> Span {
        mean.scale(-libm::log(1.0 - self.unit()))
    }

    /// Normally distributed with mean 0 and variance 1 (Box and Muller; within ±8.6). Reads the
    /// first two words.
    pub fn normal(&self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        radius * libm::cos(std::f64::consts::TAU * unit_of(self.words[1]))
    }
}

/// The upper 53 bits as a fraction in [0, 1).
fn unit_of(word: u64) -> f64 {
    (word >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const PULL: Purpose = Purpose::new("image-pull");
    const CHANCE: Chance = Chance { seed: 42 };

    fn draw(n: u64) -> Draw {
        CHANCE.draw(PULL, object_hash("default/web-0"), n)
    }

    /// The mean of a reading over 20,000 draws.
    fn mean(reading: impl Fn(Draw) -> f64) -> f64 {
        (0..20_000).map(|n| reading(draw(n))).sum::<f64>() / 20_000.0
    }

    #[track_caller]
    fn check_near(value: f64, expected: f64, tolerance: f64) {
        assert!((value - expected).abs() < tolerance, "{value} is not within {tolerance} of {expected}");
    }

    #[test]
    fn known_draws_stay_as_they_are() {
        assert_eq!(object_hash("default/web-0"), 0x9530_1784_3bb1_1eef);
        assert_eq!(draw(0).bits(), 0x423c_d89b_8868_0a94);
        assert_eq!(draw(0).word(7), 0xa51c_2a69_835a_ac8a);
        let second = Span::from_secs(1);
        assert_eq!(draw(u64::MAX).bits(), 0x16fd_f038_1ae2_4e9e);
        assert_eq!(draw(0).unit().to_bits(), 0x3fd0_8f36_26e2_1a02);
        assert_eq!(draw(0).normal().to_bits(), 0xbfdf_16eb_b3a9_7a34);
        assert_eq!(draw(0).exponential(second), Span(299_405_104));
        assert_eq!(draw(1).span_between(second, second * 2), Span(1_978_402_529));
        assert_eq!(draw(2).below(1_000), 356);
    }

    #[test]
    fn the_block_is_chacha_as_rand_chacha_has_it() {
        // Seed, purpose and object of zero would need an inverse of the hash: the key is built here.
        let mut key = [0; 32];
        key[..8].copy_from_slice(&42_u64.to_le_bytes());
        key[8..16].copy_from_slice(&xxh3_64(b"image-pull").to_le_bytes());
        key[16..24].copy_from_slice(&object_hash("default/web-0").to_le_bytes());
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(9);
        for i in 0..8 {
            assert_eq!(draw(9).word(i), generator.next_u64());
        }
    }

    #[test]
    fn other_draws_do_not_influence_a_draw() {
        let alone = draw(3);
        for n in 0..100 {
            CHANCE.draw(Purpose::new("other"), object_hash("default/web-1"), n);
            draw(n);
        }
        assert_eq!(draw(3), alone);
    }

    #[test]
    fn each_of_the_four_values_changes_the_draw() {
        let object = object_hash("default/web-0");
        let all = [
            draw(0),
            draw(1),
            draw(1 << 32),
            Chance { seed: 43 }.draw(PULL, object, 0),
            CHANCE.draw(Purpose::new("image-pulls"), object, 0),
            CHANCE.draw(PULL, object_hash("default/web-1"), 0),
        ];
        for (i, one) in all.iter().enumerate() {
            for other in &all[..i] {
                assert_ne!(one.bits(), other.bits());
            }
        }
    }

    #[test]
    fn readings_have_their_means() {
        check_near(mean(|d| d.unit()), 0.5, 0.01);
        check_near(mean(|d| d.below(7) as f64), 3.0, 0.06);
        let second = Span::from_secs(1);
        check_near(mean(|d| d.exponential(second).as_secs_f64()), 1.0, 0.03);
        check_near(mean(|d| d.normal()), 0.0, 0.03);
        check_near(mean(|d| d.normal() * d.normal()), 1.0, 0.04);
        check_near(mean(|d| d.span_between(second, second * 3).as_secs_f64()), 2.0, 0.02);
    }

    #[test]
    fn readings_keep_to_their_bounds() {
        for n in 0..2_000 {
            assert!(draw(n).below(3) < 3);
            assert_eq!(draw(n).below(1), 0);
            assert!((0.0..1.0).contains(&draw(n).unit()));
            let (low, high) = (Span(5), Span(7));
            let span = draw(n).span_between(low, high);
            assert!(low <= span && span <= high);
            assert_eq!(draw(n).span_between(low, low), low);
            assert_eq!(draw(n).span_between(Span::ZERO, Span(u64::MAX)).0, draw(n).bits());
            assert!(draw(n).exponential(Span::from_secs(1)) < Span::from_secs(37));
        }
        assert!((0..2_000).any(|n| draw(n).span_between(Span(5), Span(7)) == Span(7)));
    }
}
