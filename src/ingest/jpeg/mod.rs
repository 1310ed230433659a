//! Page images as they are stored and shown: baseline JPEG, colour at half resolution. Pages are mostly paper, so blocks
//! of one level cost next to nothing here; a general encoder spends most of its time on them.

mod bits;
mod split;
mod tables;

use bits::{Bits, Huffman};
use split::{Colours, Row};
use tables::{FIRST, OTHERS, QUANTIZATION, ZIGZAG};

/// Pixels of a side of what is coded at once: four blocks of brightness and one of each colour difference.
const UNIT: usize = 16;
const BLOCK: usize = 8;
/// Pixels between what is coded and what is asked of memory meanwhile.
const AHEAD: usize = 4 * UNIT;

type Block = [[f32; BLOCK]; BLOCK];

/// `rgb`: `[height, width, 3]`, neither side 0; `quality`: 1 to 100, as the IJG's encoder means it.
pub(super) fn encode(rgb: &[u8], width: u16, height: u16, quality: u8) -> Vec<u8> {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn avx2(encoder: Encoder, image: &Image<'_>) -> Vec<u8> {
            encoder.scan(image, |row| split::ssse3(row))
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            let image = Image { rgb, width: width.into(), height: height.into() };
            // SAFETY: the processor has AVX2 and FMA.
            return unsafe { avx2(Encoder::new(width, height, quality), &image) };
        }
    }
    Encoder::new(width, height, quality).scan(&Image { rgb, width: width.into(), height: height.into() }, split::plain)
}

struct Image<'a> {
    rgb: &'a [u8],
    width: usize,
    height: usize,
}

struct Encoder {
    bits: Bits,
    first: [Huffman; 2],
    others: [Huffman; 2],
    /// What a coefficient is multiplied by, brightness and colour: quantization and what the transform leaves undone.
    factors: [Block; 2],
    /// The last first coefficients of brightness and the two colour differences.
    last: [i32; 3],
}

/// Brightness, blue and red difference: which tables.
const TABLES: [usize; 3] = [0, 1, 1];

impl Encoder {
    fn new(width: u16, height: u16, quality: u8) -> Self {
        let quality = u32::from(quality.clamp(1, 100));
        let scale = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
        let quantization =
            QUANTIZATION.map(|table| table.map(|q| ((u32::from(q) * scale + 50) / 100).clamp(1, 255) as u8));
        let bytes = header(width, height, &quantization, usize::from(width) * usize::from(height) / 4);
        Self {
            bits: Bits::new(bytes),
            first: FIRST.each_ref().map(Huffman::new),
            others: OTHERS.each_ref().map(Huffman::new),
            factors: quantization.map(|table| factors(&table)),
            last: [0; 3],
        }
    }

    /// `split`: the one for this processor.
    #[inline(always)]
    fn scan(mut self, image: &Image<'_>, split: impl Fn(&Row) -> Colours) -> Vec<u8> {
        for top in (0..image.height).step_by(UNIT) {
            for left in (0..image.width).step_by(UNIT) {
                image.prefetch(left + AHEAD, top);
                let pixels = image.unit(left, top);
                if let Some(level) = uniform(&pixels) {
                    self.uniform(level);
                } else {
                    self.unit(&pixels, &split);
                }
            }
        }
        let mut bytes = self.bits.finish();
        bytes.extend([0xff, 0xd9]);
        bytes
    }

    /// A unit of one grey level.
    #[inline(always)]
    fn uniform(&mut self, level: u8) {
        let first = first_of(f32::from(level) - 128.0, &self.factors[0]);
        for component in [0, 0, 0, 0, 1, 2] {
            self.flat(component, if component == 0 { first } else { 0 });
        }
    }

    #[inline(always)]
    fn unit(&mut self, pixels: &Unit, split: &impl Fn(&Row) -> Colours) {
        let mut brightness = [[0.0; UNIT]; UNIT];
        let mut coloured = 0;
        for (row, brightness) in pixels.iter().zip(&mut brightness) {
            let [r, g, b] = split(row);
            for x in 0..UNIT {
                let [red, green, blue] = [r[x], g[x], b[x]].map(f32::from);
                brightness[x] = red * 0.299 + green * 0.587 + blue * 0.114 - 128.0;
                coloured |= (r[x] ^ g[x]) | (g[x] ^ b[x]);
            }
        }
        for (top, left) in [(0, 0), (0, BLOCK), (BLOCK, 0), (BLOCK, BLOCK)] {
            let mut block = [[0.0; BLOCK]; BLOCK];
            for y in 0..BLOCK {
                block[y].copy_from_slice(&brightness[top + y][left..left + BLOCK]);
            }
            self.block(0, block);
        }
        if coloured == 0 {
            self.flat(1, 0);
            self.flat(2, 0);
        } else {
            let (blue, red) = differences(pixels, split);
            self.block(1, blue);
            self.block(2, red);
        }
    }

    #[inline(always)]
    fn block(&mut self, component: usize, block: Block) {
        let table = TABLES[component];
        let level = block[0][0];
        if !block.as_flattened().iter().fold(false, |differs, &value| differs | (value != level)) {
            self.flat(component, first_of(level, &self.factors[table]));
            return;
        }
        let mut levels = [[0i16; BLOCK]; BLOCK];
        let transformed = transform(&block);
        for y in 0..BLOCK {
            for x in 0..BLOCK {
                // Baseline JPEG has no code for more.
                let level = (transformed[y][x] * self.factors[table][y][x]).clamp(-1023.0, 1023.0);
                levels[y][x] = rounded(level);
            }
        }
        // The transform leaves rows and columns exchanged.
        let levels = levels.as_flattened();
        let mut scan = [0i16; 64];
        for (value, &at) in scan.iter_mut().zip(&ZIGZAG) {
            *value = levels[usize::from(at % 8 * 8 + at / 8)];
        }
        self.first(component, i32::from(scan[0]));
        let others = &self.others[table];
        let mut rest = occupied(&scan) & !1;
        let mut done = 0;
        while rest != 0 {
            let at = rest.trailing_zeros();
            let mut run = at - done - 1;
            while run > 15 {
                self.bits.symbol(others, 0xf0);
                run -= 16;
            }
            self.bits.value(others, run, i32::from(scan[at as usize]));
            done = at;
            rest &= rest - 1;
        }
        if done < 63 {
            self.bits.symbol(others, 0);
        }
    }

    /// A block that has nothing but its first coefficient.
    #[inline(always)]
    fn flat(&mut self, component: usize, first: i32) {
        self.first(component, first);
        self.bits.symbol(&self.others[TABLES[component]], 0);
    }

    #[inline(always)]
    fn first(&mut self, component: usize, first: i32) {
        self.bits.value(&self.first[TABLES[component]], 0, first - self.last[component]);
        self.last[component] = first;
    }
}

/// `[UNIT, UNIT, 3]`.
type Unit = [Row; UNIT];

impl Image<'_> {
    /// Asks memory for a unit that is needed soon: processors foresee reading on in a line, not in sixteen lines in turns.
    #[inline(always)]
    fn prefetch(&self, left: usize, top: usize) {
        #[cfg(target_arch = "x86_64")]
        for y in top..top + UNIT {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let pixel = self.rgb.as_ptr().wrapping_add((y * self.width + left) * 3);
            // SAFETY: a hint, which may name any address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(pixel.cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (left, top);
    }

    /// Beyond the image its last pixels are repeated.
    #[inline(always)]
    fn unit(&self, left: usize, top: usize) -> Unit {
        let mut unit = [[0; UNIT * 3]; UNIT];
        let line = self.width * 3;
        for (y, row) in unit.iter_mut().enumerate() {
            let pixels = &self.rgb[(top + y).min(self.height - 1) * line..][..line][left * 3..];
            match pixels.first_chunk() {
                Some(whole) => *row = *whole,
                None => {
                    row[..pixels.len()].copy_from_slice(pixels);
                    for at in pixels.len()..row.len() {
                        row[at] = row[at - 3];
                    }
                }
            }
        }
        unit
    }
}

/// The level, where all of them are one.
#[inline(always)]
fn uniform(unit: &Unit) -> Option<u8> {
    /// Bytes of a word. In single bytes this took a third of all the time: the compiler gathered them from all rows.
    const WORD: usize = size_of::<u64>();
    let level = unit[0][0];
    let all = u64::from_ne_bytes([level; WORD]);
    let mut differs = [0; UNIT * 3 / WORD];
    for row in unit {
        for (differs, word) in differs.iter_mut().zip(row.as_chunks::<WORD>().0) {
            *differs |= u64::from_ne_bytes(*word) ^ all;
        }
    }
    (differs == [0; UNIT * 3 / WORD]).then_some(level)
}

/// The means of the colour differences over squares of four pixels (ITU-R BT.601, as JFIF has it).
#[inline(always)]
fn differences(unit: &Unit, split: &impl Fn(&Row) -> Colours) -> (Block, Block) {
    let (mut blue, mut red) = ([[0.0; BLOCK]; BLOCK], [[0.0; BLOCK]; BLOCK]);
    for (y, [above, below]) in unit.as_chunks::<2>().0.iter().enumerate() {
        let (above, below) = (split(above), split(below));
        let mut sums = [[0u16; UNIT]; 3];
        for colour in 0..3 {
            for x in 0..UNIT {
                sums[colour][x] = u16::from(above[colour][x]) + u16::from(below[colour][x]);
            }
        }
        for x in 0..BLOCK {
            let [r, g, b] = sums.map(|sums| f32::from(sums[2 * x] + sums[2 * x + 1]) * 0.25);
            blue[y][x] = 0.5 * b - 0.168_735_89 * r - 0.331_264_1 * g;
            red[y][x] = 0.5 * r - 0.418_687_6 * g - 0.081_312_41 * b;
        }
    }
    (blue, red)
}

/// The first coefficient of a block of one level.
fn first_of(level: f32, factors: &Block) -> i32 {
    (level * 64.0 * factors[0][0]).round_ties_even() as i32
}

/// To the nearest, ties to even, for at most 16 bits. So large a number leaves no room for fractions, and the sum's lowest bits
/// are the result; the compiler makes a cast of 64 values into 64 single ones.
#[inline(always)]
fn rounded(level: f32) -> i16 {
    const NO_FRACTIONS: f32 = (3 << 22) as f32;
    (level + NO_FRACTIONS).to_bits() as i16
}

/// A bit for each value that is not 0.
#[inline(always)]
fn occupied(scan: &[i16; 64]) -> u64 {
    let mut flags = [0u8; 64];
    for (flag, &value) in flags.iter_mut().zip(scan) {
        *flag = u8::from(value != 0);
    }
    let mut mask = 0;
    for (number, eight) in flags.as_chunks::<8>().0.iter().enumerate() {
        // Each of the eight bits ends in the highest byte, the first lowest.
        mask |= (u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (number * 8);
    }
    mask
}

/// The discrete cosine transform of Arai, Agui and Nakajima, without its last multiplications; rows and columns are
/// exchanged.
#[inline(always)]
fn transform(block: &Block) -> Block {
    columns(&transposed(&columns(block)))
}

#[inline(always)]
fn transposed(block: &Block) -> Block {
    let mut to = [[0.0; BLOCK]; BLOCK];
    for y in 0..BLOCK {
        for x in 0..BLOCK {
            to[x][y] = block[y][x];
        }
    }
    to
}

/// Every column at once.
#[inline(always)]
fn columns(block: &Block) -> Block {
    let mut out = [[0.0; BLOCK]; BLOCK];
    for x in 0..BLOCK {
        let d = |y: usize| block[y][x];
        let (a0, a7) = (d(0) + d(7), d(0) - d(7));
        let (a1, a6) = (d(1) + d(6), d(1) - d(6));
        let (a2, a5) = (d(2) + d(5), d(2) - d(5));
        let (a3, a4) = (d(3) + d(4), d(3) - d(4));
        let (b0, b3, b1, b2) = (a0 + a3, a0 - a3, a1 + a2, a1 - a2);
        let z1 = (b2 + b3) * std::f32::consts::FRAC_1_SQRT_2;
        let (c0, c1, c2) = (a4 + a5, a5 + a6, a6 + a7);
        let z5 = (c0 - c2) * 0.382_683_43;
        let z2 = 0.541_196_1 * c0 + z5;
        let z4 = 1.306_563 * c2 + z5;
        let z3 = c1 * std::f32::consts::FRAC_1_SQRT_2;
        let (z11, z13) = (a7 + z3, a7 - z3);
        let results = [b0 + b1, z11 + z4, b3 + z1, z13 - z2, b0 - b1, z13 + z2, b3 - z1, z11 - z4];
        for y in 0..BLOCK {
            out[y][x] = results[y];
        }
    }
    out
}

/// Quantization and the scale of [`transform`] in one, with rows and columns as it leaves them.
fn factors(quantization: &[u8; 64]) -> Block {
    let scale = |at: usize| match at {
        0 => 1.0,
        _ => (at as f64 * std::f64::consts::PI / 16.0).cos() * std::f64::consts::SQRT_2,
    };
    let mut factors = [[0.0; BLOCK]; BLOCK];
    for (at, &q) in quantization.iter().enumerate() {
        let (row, column) = (at / BLOCK, at % BLOCK);
        factors[column][row] = (1.0 / (f64::from(q) * scale(row) * scale(column) * 8.0)) as f32;
    }
    factors
}

/// Everything before the scan, in a vector with room for about `expected` bytes.
fn header(width: u16, height: u16, quantization: &[[u8; 64]; 2], expected: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024 + expected);
    let mut segment = |marker: u8, content: &[u8]| {
        bytes.extend([0xff, marker]);
        bytes.extend((content.len() as u16 + 2).to_be_bytes());
        bytes.extend(content);
    };
    let ([wh, wl], [hh, hl]) = (width.to_be_bytes(), height.to_be_bytes());
    // Start of image comes first, and has no content.
    segment(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    for (number, table) in (0..).zip(quantization) {
        let scan = ZIGZAG.map(|at| table[usize::from(at)]);
        segment(0xdb, &[&[number], scan.as_slice()].concat());
    }
    segment(0xc0, &[8, hh, hl, wh, wl, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]);
    for (class, tables) in [(0, &FIRST), (0x10, &OTHERS)] {
        for (number, codes) in (0..).zip(tables) {
            segment(0xc4, &[&[class | number], codes.lengths.as_slice(), codes.values].concat());
        }
    }
    segment(0xda, &[3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]);
    bytes.splice(0..0, [0xff, 0xd8]);
    bytes
}

#[cfg(test)]
mod tests;
