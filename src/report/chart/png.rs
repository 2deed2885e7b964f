//! A picture of a few colours as PNG in a data address: a palette of sixteen, four bits a point, not compressed.
//!
//! So a heat map of any number of cells takes two thirds of a byte a cell, and a page one element. Source: the PNG
//! specification (W3C, third edition): signature, IHDR, PLTE, tRNS, IDAT of stored deflate blocks, IEND.

use super::shade::{COLOURS, SHADES};

/// The point that shows nothing.
pub(super) const CLEAR: u8 = SHADES as u8;
/// The longest stored block.
const BLOCK: usize = 65_535;
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The data address of a picture: rows of points, each a step of colour or [`CLEAR`]. All rows have the same length.
pub(super) fn data_address(rows: &[Vec<u8>]) -> String {
    format!("data:image/png;base64,{}", base64(&png(rows)))
}

fn png(rows: &[Vec<u8>]) -> Vec<u8> {
    let width = rows.first().map_or(0, Vec::len) as u32;
    let mut raw = Vec::new();
    for row in rows {
        // No filter; two points a byte, the first in the upper half.
        raw.push(0);
        raw.extend(row.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(CLEAR)));
    }
    let mut header = Vec::new();
    header.extend(width.to_be_bytes());
    header.extend((rows.len() as u32).to_be_bytes());
    header.extend([4, 3, 0, 0, 0]);
    let mut palette: Vec<u8> = COLOURS.iter().flatten().copied().collect();
    palette.extend([0, 0, 0]);
    let mut alpha = vec![255; SHADES];
    alpha.push(0);
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in
        [(b"IHDR", header), (b"PLTE", palette), (b"tRNS", alpha), (b"IDAT", stored(&raw)), (b"IEND", Vec::new())]
    {
        out.extend((data.len() as u32).to_be_bytes());
        let from = out.len();
        out.extend(name);
        out.extend(data);
        let sum = crc(&out[from..]);
        out.extend(sum.to_be_bytes());
    }
    out
}

/// A zlib stream that holds the bytes as they are.
fn stored(raw: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let blocks = raw.len().div_ceil(BLOCK).max(1);
    for number in 0..blocks {
        let block = &raw[number * BLOCK..raw.len().min((number + 1) * BLOCK)];
        let length = block.len() as u16;
        out.push(u8::from(number + 1 == blocks));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    let (low, high) = raw.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    out.extend((high << 16 | low).to_be_bytes());
    out
}

fn crc(bytes: &[u8]) -> u32 {
    let step = |sum: u32| if sum & 1 == 1 { 0xedb8_8320 ^ (sum >> 1) } else { sum >> 1 };
    let of_byte = |sum: u32, byte: &u8| (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum));
    !bytes.iter().fold(u32::MAX, of_byte)
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_standards() {
        assert_eq!(crc(b"123456789"), 0xcbf4_3926);
        assert_eq!(stored(b"Wikipedia")[2 + 5 + 9..], 0x11e6_0398_u32.to_be_bytes());
        assert_eq!([&b"M"[..], b"Ma", b"Man"].map(base64), ["TQ==", "TWE=", "TWFu"]);
    }

    #[test]
    fn a_picture_takes_half_a_byte_a_point_before_its_letters() {
        let rows = vec![vec![3; 100]; 1_213];
        assert!(data_address(&rows).len() < 84_000, "{}", data_address(&rows).len());
    }

    #[test]
    #[cfg(feature = "cli")]
    fn any_reader_of_zlib_reads_it() {
        use std::io::Read;
        let raw: Vec<u8> = (0..150_000_u32).map(|n| (n % 251) as u8).collect();
        let mut read = Vec::new();
        flate2::read::ZlibDecoder::new(stored(&raw).as_slice()).read_to_end(&mut read).expect("it is a zlib stream");
        assert_eq!(read, raw);
    }
}
