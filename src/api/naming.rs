//! How upstream makes names: hashes of templates, random suffixes, ordinals.
//!
//! Follows apimachinery `pkg/util/rand`, apiserver `pkg/storage/names` and `pkg/controller`
//! (`ComputeHash`). Everything is a pure function: random names are made from a word that was drawn
//! elsewhere.

/// The letters of encoded and random names: no vowels and no look-alikes, so that no words arise.
pub const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// The longest name that `generateName` makes, in bytes.
pub const GENERATED_NAME_MAX: usize = 63;
/// How many random letters `generateName` adds.
pub const RANDOM_LENGTH: usize = 5;

/// Each byte of `text` as the letter of [`ALPHABET`] at its value modulo 27 (`rand.SafeEncodeString`).
pub fn safe_encode(text: &str) -> String {
    text.bytes().map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()])).collect()
}

/// The 32-bit FNV-1a hash of `bytes` (Go's `fnv.New32a`).
pub fn fnv32a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// The value of the `pod-template-hash` label (`ComputeHash`).
///
/// Upstream hashes Go's own dump of the template; here it is the canonical JSON of it, so that the
/// form and the behaviour on collisions are the real ones while the letters differ.
/// `collision_count` is appended as eight little-endian bytes, where there is one.
pub fn pod_template_hash(canonical_template_bytes: &[u8], collision_count: Option<i32>) -> String {
    let mut bytes = canonical_template_bytes.to_vec();
    if let Some(count) = collision_count {
        // Go's PutUint32 into a slice of eight bytes: the upper four stay zero.
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
    }
    safe_encode(&fnv32a(&bytes).to_string())
}

/// `length` letters of [`ALPHABET`] from 64 drawn bits: at most 13 letters, the base-27 digits of the draw.
pub fn random_suffix(bits: u64, length: usize) -> String {
    assert!(length <= 13, "64 bits give at most 13 letters of an alphabet of 27");
    let mut rest = bits;
    let mut suffix = String::with_capacity(length);
    for _ in 0..length {
        suffix.push(char::from(ALPHABET[(rest % 27) as usize]));
        rest /= 27;
    }
    suffix
}

/// The name that `generateName: base` becomes: `base`, cut to 58 bytes, and five random letters.
pub fn generate_name(base: &str, bits: u64) -> String {
    let mut end = base.len().min(GENERATED_NAME_MAX - RANDOM_LENGTH);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{}", &base[..end], random_suffix(bits, RANDOM_LENGTH))
}

/// The name of the member `ordinal` of a StatefulSet or an indexed set: `base-ordinal`.
pub fn ordinal_name(base: &str, ordinal: i32) -> String {
    format!("{base}-{ordinal}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(found: &str, expected: &str) {
        assert_eq!(found, expected);
    }

    #[test]
    fn numbers_are_encoded_as_upstream_does() {
        // '0' is 48, 48 mod 27 = 21, the letter 4 from the end of the alphabet's digits.
        check(&safe_encode("0123456789"), "456789bcdf");
        check(&safe_encode(""), "");
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(fnv32a(b""), 0x811c_9dc5);
        assert_eq!(fnv32a(b"a"), 0xe40c_292c);
        assert_eq!(fnv32a(b"foobar"), 0xbf9c_f968);
    }

    #[test]
    fn a_collision_changes_the_template_hash() {
        check(&pod_template_hash(b"foobar", None), &safe_encode("3214735720"));
        let mut with_count = b"foobar".to_vec();
        with_count.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        check(&pod_template_hash(b"foobar", Some(1)), &safe_encode(&fnv32a(&with_count).to_string()));
        assert_ne!(pod_template_hash(b"foobar", Some(0)), pod_template_hash(b"foobar", None));
    }

    #[test]
    fn generated_names_fit_into_a_label() {
        check(&generate_name("web-", 0), "web-bbbbb");
        check(&generate_name("web-", 26), "web-9bbbb");
        assert_eq!(generate_name(&"a".repeat(80), u64::MAX).len(), 63);
        check(&ordinal_name("db", 2), "db-2");
    }
}
