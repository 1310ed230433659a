//! The passes with AVX2. A weight of 23 bits and a sign does not fit the 16-bit multiply-add, so each weight is split
//! into `high * 2^12 + low` with both halves in 16 bits; the halves are summed apart and joined at the end, modulo
//! 2^32, which is exact since the whole sum fits 32 bits.

use std::arch::x86_64::*;

use super::pixels::Pixels;
use super::plain;
use super::weights::{AxisWeights, PRECISION_BITS};

const LOW_BITS: u32 = 12;
const HALF: i32 = 1 << (PRECISION_BITS - 1);

/// See `passes::horizontal`. Callers have checked that the processor has AVX2.
pub(super) fn horizontal(image: Pixels<'_>, weights: &AxisWeights) -> Vec<u8> {
    // SAFETY: AVX2 is there, as the caller has checked.
    unsafe {
        match image.channels {
            3 => horizontal_rgb(image, weights),
            _ => horizontal_luma(image, weights),
        }
    }
}

/// See `passes::vertical`. Callers have checked that the processor has AVX2.
pub(super) fn vertical(data: &[u8], row: usize, weights: &AxisWeights) -> Vec<u8> {
    // SAFETY: AVX2 is there, as the caller has checked.
    unsafe { vertical_avx2(data, row, weights) }
}

/// The plain loop, compiled for wider registers.
#[target_feature(enable = "avx2")]
fn vertical_avx2(data: &[u8], row: usize, weights: &AxisWeights) -> Vec<u8> {
    plain::vertical(data, row, weights)
}

/// Split weights in the order in which the pixels are shuffled.
struct Split {
    /// `[outputs]`: first input position, moved left if the padded window would leave the line.
    starts: Vec<usize>,
    /// `[outputs, groups, 2 halves, 16]`.
    weights: Vec<i16>,
    /// Groups of taps per output.
    groups: usize,
}

impl Split {
    /// Pads every window to whole groups of `group` taps; `order(tap)` says which of the 16 lanes a tap of a group
    /// fills. None if the line is narrower than a padded window.
    fn new(axis: &AxisWeights, group: usize, lanes: impl Fn(usize) -> &'static [usize]) -> Option<Self> {
        let groups = axis.taps.div_ceil(group);
        let window = groups * group;
        if window > axis.input_len {
            return None;
        }
        let mut split = Self { starts: Vec::new(), weights: vec![0; axis.outputs() * groups * 32], groups };
        for (output, into) in split.weights.chunks_exact_mut(groups * 32).enumerate() {
            let (start, weights) = axis.of(output);
            let moved = start.min(axis.input_len - window);
            split.starts.push(moved);
            for (tap, &weight) in weights.iter().enumerate() {
                let tap = tap + start - moved;
                let halves = &mut into[tap / group * 32..][..32];
                for &lane in lanes(tap % group) {
                    halves[lane] = (weight >> LOW_BITS) as i16;
                    halves[16 + lane] = (weight & ((1 << LOW_BITS) - 1)) as i16;
                }
            }
        }
        Some(split)
    }
}

/// Lines summed at once, so that each weight is loaded once for all of them.
const LINES: usize = 4;

/// If the lines from `first` equal those just before them, as blank paper does, their output is copied instead of computed.
/// Says whether it was.
fn repeated(data: &[u8], line: usize, first: usize, out: &mut [u8], out_line: usize) -> bool {
    let Some(before) = first.checked_sub(LINES) else { return false };
    let same = data[before * line..first * line] == data[first * line..(first + LINES) * line];
    if same {
        out.copy_within(before * out_line..first * out_line, first * out_line);
    }
    same
}

#[target_feature(enable = "avx2")]
unsafe fn horizontal_rgb(image: Pixels<'_>, axis: &AxisWeights) -> Vec<u8> {
    /// Four pixels in 16 lanes: (r0 r1)(g0 g1)(b0 b1)(0 0) (r2 r3)(g2 g3)(b2 b3)(0 0).
    const LANES: [&[usize]; 4] = [&[0, 2, 4], &[1, 3, 5], &[8, 10, 12], &[9, 11, 13]];
    let (line, out_line) = (image.width * 3, axis.outputs() * 3);
    let mut out = vec![0u8; image.height * out_line];
    // A group is read as 16 bytes of which 12 count; a window that ends a line therefore reads 4 bytes of the next one,
    // which only the last line lacks.
    let readable = image.height.saturating_sub(1);
    let Some(split) = Split::new(axis, 4, |tap| LANES[tap]) else {
        return plain::horizontal(image, axis);
    };
    let z = -1i8;
    let shuffle = _mm256_setr_epi8(
        0, z, 3, z, 1, z, 4, z, 2, z, 5, z, z, z, z, z, //
        6, z, 9, z, 7, z, 10, z, 8, z, 11, z, z, z, z, z,
    );
    let half = _mm_set1_epi32(HALF);
    let window = split.groups * 12 + 4;
    let whole = readable / LINES * LINES;
    // Plain loops over the lines: closures that the standard library calls would not be compiled for AVX2.
    for first in (0..whole).step_by(LINES) {
        if repeated(image.data, line, first, &mut out, out_line) {
            continue;
        }
        // A line may be read 4 bytes beyond its end, see above.
        let lines = &image.data[first * line..];
        let outs = &mut out[first * out_line..][..LINES * out_line];
        let windows = split.starts.iter().zip(split.weights.chunks_exact(split.groups * 32));
        for (output, (&start, weights)) in windows.enumerate() {
            assert!(start * 3 + (LINES - 1) * line + window <= lines.len());
            let mut high = [_mm256_setzero_si256(); LINES];
            let mut low = [_mm256_setzero_si256(); LINES];
            for (group, halves) in weights.chunks_exact(32).enumerate() {
                // SAFETY: `halves` has 32 values of 16 bits.
                let (wh, wl) = unsafe {
                    (_mm256_loadu_si256(halves.as_ptr().cast()), _mm256_loadu_si256(halves.as_ptr().add(16).cast()))
                };
                for l in 0..LINES {
                    // SAFETY: a window has 12 bytes a group and 4 more, so 16 may be read where any group starts; that
                    // the window of the last line lies in the image is asserted above.
                    let raw = unsafe { _mm_loadu_si128(lines.as_ptr().add(start * 3 + l * line + group * 12).cast()) };
                    let pixels = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(raw), shuffle);
                    high[l] = _mm256_add_epi32(high[l], _mm256_madd_epi16(pixels, wh));
                    low[l] = _mm256_add_epi32(low[l], _mm256_madd_epi16(pixels, wl));
                }
            }
            let mut sums = [_mm_setzero_si128(); LINES];
            for l in 0..LINES {
                let joined = _mm256_add_epi32(_mm256_slli_epi32::<{ LOW_BITS as i32 }>(high[l]), low[l]);
                let sum = _mm_add_epi32(_mm256_castsi256_si128(joined), _mm256_extracti128_si256::<1>(joined));
                sums[l] = _mm_srai_epi32::<{ PRECISION_BITS as i32 }>(_mm_add_epi32(sum, half));
            }
            let packed = _mm_packus_epi16(_mm_packs_epi32(sums[0], sums[1]), _mm_packs_epi32(sums[2], sums[3]));
            let mut pixels = [0u8; LINES * 4];
            // SAFETY: 16 bytes, four a line.
            unsafe { _mm_storeu_si128(pixels.as_mut_ptr().cast(), packed) };
            for l in 0..LINES {
                let at = l * out_line + output * 3;
                outs[at..at + 3].copy_from_slice(&pixels[l * 4..l * 4 + 3]);
            }
        }
    }
    for row in whole..image.height {
        plain::horizontal_row(&image.data[row * line..][..line], 3, axis, &mut out[row * out_line..][..out_line]);
    }
    out
}

/// Four lines and four outputs at once.
#[target_feature(enable = "avx2")]
unsafe fn horizontal_luma(image: Pixels<'_>, axis: &AxisWeights) -> Vec<u8> {
    /// Eight pixels, the lower half of the 16 lanes.
    const LANES: [&[usize]; 8] = [&[0], &[1], &[2], &[3], &[4], &[5], &[6], &[7]];
    const OUTPUTS: usize = 4;
    let outputs = axis.outputs();
    let split = Split::new(axis, 8, |tap| LANES[tap]);
    let Some(split) = split.filter(|_| outputs >= OUTPUTS) else {
        return plain::horizontal(image, axis);
    };
    let (width, window, stride) = (image.width, split.groups * 8, split.groups * 32);
    let mut out = vec![0u8; image.height * outputs];
    let half = _mm256_set1_epi32(HALF);
    let z = -1i8;
    // Lines 0 and 2 (1 and 3 in the upper half) come in turns.
    let apart = _mm256_setr_epi8(
        0, 2, 4, 6, 1, 3, 5, 7, z, z, z, z, z, z, z, z, //
        0, 2, 4, 6, 1, 3, 5, 7, z, z, z, z, z, z, z, z,
    );
    let whole = image.height / LINES * LINES;
    for first in (0..whole).step_by(LINES) {
        if repeated(image.data, width, first, &mut out, outputs) {
            continue;
        }
        let lines = &image.data[first * width..][..LINES * width];
        let outs = &mut out[first * outputs..][..LINES * outputs];
        for at in (0..outputs).step_by(OUTPUTS) {
            // The last four may overlap those before.
            let at = at.min(outputs - OUTPUTS);
            let mut joined = [[_mm256_setzero_si256(); 2]; OUTPUTS];
            for (o, joined) in joined.iter_mut().enumerate() {
                let start = split.starts[at + o];
                assert!(start + window <= width);
                let weights = &split.weights[(at + o) * stride..][..stride];
                let mut high = [_mm256_setzero_si256(); 2];
                let mut low = [_mm256_setzero_si256(); 2];
                for group in 0..split.groups {
                    // SAFETY: a group has 32 values of 16 bits, of which the first 8 of each half count.
                    let (wh, wl) = unsafe {
                        let halves = weights.as_ptr().add(group * 32);
                        (_mm_loadu_si128(halves.cast()), _mm_loadu_si128(halves.add(16).cast()))
                    };
                    let (wh, wl) = (_mm256_broadcastsi128_si256(wh), _mm256_broadcastsi128_si256(wl));
                    for pair in 0..2 {
                        // SAFETY: eight bytes of a window that lies within its line, as asserted above.
                        let raw = unsafe {
                            let bytes = lines.as_ptr().add(2 * pair * width + start + group * 8);
                            _mm_unpacklo_epi64(_mm_loadl_epi64(bytes.cast()), _mm_loadl_epi64(bytes.add(width).cast()))
                        };
                        let pixels = _mm256_cvtepu8_epi16(raw);
                        high[pair] = _mm256_add_epi32(high[pair], _mm256_madd_epi16(pixels, wh));
                        low[pair] = _mm256_add_epi32(low[pair], _mm256_madd_epi16(pixels, wl));
                    }
                }
                for pair in 0..2 {
                    joined[pair] = _mm256_add_epi32(_mm256_slli_epi32::<{ LOW_BITS as i32 }>(high[pair]), low[pair]);
                }
            }
            let mut sums = [_mm256_setzero_si256(); 2];
            for two in 0..2 {
                let first = _mm256_hadd_epi32(joined[2 * two][0], joined[2 * two][1]);
                let second = _mm256_hadd_epi32(joined[2 * two + 1][0], joined[2 * two + 1][1]);
                let sum = _mm256_add_epi32(_mm256_hadd_epi32(first, second), half);
                sums[two] = _mm256_srai_epi32::<{ PRECISION_BITS as i32 }>(sum);
            }
            let packed = _mm256_packs_epi32(sums[0], sums[1]);
            let bytes = _mm256_shuffle_epi8(_mm256_packus_epi16(packed, packed), apart);
            let even = _mm_cvtsi128_si64(_mm256_castsi256_si128(bytes)).to_le_bytes();
            let odd = _mm_cvtsi128_si64(_mm256_extracti128_si256::<1>(bytes)).to_le_bytes();
            for (l, four) in [&even[..4], &odd[..4], &even[4..], &odd[4..]].into_iter().enumerate() {
                outs[l * outputs + at..][..OUTPUTS].copy_from_slice(four);
            }
        }
    }
    for row in whole..image.height {
        plain::horizontal_row(&image.data[row * width..][..width], 1, axis, &mut out[row * outputs..][..outputs]);
    }
    out
}
