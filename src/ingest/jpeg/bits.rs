//! Huffman codes and the bit stream that they go into.

use super::tables::Codes;

/// Code and length of each symbol; length 0: the table has no such symbol.
pub struct Huffman([(u32, u32); 256]);

impl Huffman {
    pub fn new(codes: &Codes) -> Self {
        let mut table = [(0, 0); 256];
        let (mut code, mut values) = (0, codes.values.iter());
        for (length, &count) in (1..).zip(&codes.lengths) {
            for &value in values.by_ref().take(usize::from(count)) {
                table[usize::from(value)] = (code, length);
                code += 1;
            }
            code <<= 1;
        }
        Self(table)
    }
}

/// Bytes under construction, with the stuffing that scans need.
pub struct Bits {
    pub bytes: Vec<u8>,
    waiting: u64,
    count: u32,
}

impl Bits {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, waiting: 0, count: 0 }
    }

    /// Up to 32 bits, the most significant first.
    #[inline(always)]
    fn put(&mut self, bits: u32, count: u32) {
        self.waiting = self.waiting << count | u64::from(bits);
        self.count += count;
        if self.count >= 32 {
            self.count -= 32;
            self.write((self.waiting >> self.count) as u32);
        }
    }

    #[inline(always)]
    fn write(&mut self, word: u32) {
        // A byte of ones is followed by a zero, so that it is not taken for a marker.
        if word & 0x8080_8080 & !word.wrapping_add(0x0101_0101) == 0 {
            self.bytes.extend_from_slice(&word.to_be_bytes());
        } else {
            for byte in word.to_be_bytes() {
                self.stuff(byte);
            }
        }
    }

    fn stuff(&mut self, byte: u8) {
        self.bytes.push(byte);
        if byte == 0xff {
            self.bytes.push(0);
        }
    }

    /// The symbol of `run` zeros and a value, and the value's bits.
    #[inline(always)]
    pub fn value(&mut self, huffman: &Huffman, run: u32, value: i32) {
        let size = 32 - value.unsigned_abs().leading_zeros();
        let (code, length) = huffman.0[(run << 4 | size) as usize & 0xff];
        // Negative values are one less, in as many bits.
        let bits = (value + (value >> 31)) as u32 & ((1 << size) - 1);
        self.put(code << size | bits, length + size);
    }

    /// A symbol that has no value.
    #[inline(always)]
    pub fn symbol(&mut self, huffman: &Huffman, symbol: u8) {
        let (code, length) = huffman.0[usize::from(symbol)];
        self.put(code, length);
    }

    /// Fills the last byte with ones.
    pub fn finish(mut self) -> Vec<u8> {
        let missing = (8 - self.count % 8) % 8;
        self.put((1 << missing) - 1, missing);
        for byte in (0..self.count / 8).rev() {
            self.stuff((self.waiting >> (byte * 8)) as u8);
        }
        self.bytes
    }
}
