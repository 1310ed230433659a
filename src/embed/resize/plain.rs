//! The two passes in plain code.

use super::pixels::Pixels;
use super::weights::{AxisWeights, PRECISION_BITS};

/// One half, so that the shift rounds.
const HALF: i32 = 1 << (PRECISION_BITS - 1);

/// `[height, width, channels]` -> `[height, outputs, channels]`.
pub(super) fn horizontal(image: Pixels<'_>, weights: &AxisWeights) -> Vec<u8> {
    let channels = image.channels;
    let mut out = vec![0; image.height * weights.outputs() * channels];
    let rows = image.data.chunks_exact(image.width * channels);
    for (row, out) in rows.zip(out.chunks_exact_mut(weights.outputs() * channels)) {
        horizontal_row(row, channels, weights, out);
    }
    out
}

/// One line; also what vector code calls for the lines that it can't read past.
pub(super) fn horizontal_row(row: &[u8], channels: usize, weights: &AxisWeights, out: &mut [u8]) {
    for (output, pixel) in out.chunks_exact_mut(channels).enumerate() {
        let (start, weights) = weights.of(output);
        for (channel, out) in pixel.iter_mut().enumerate() {
            let inputs = row[start * channels + channel..].iter().step_by(channels);
            *out = finish(inputs.zip(weights).fold(HALF, |sum, (&byte, &weight)| sum + i32::from(byte) * weight));
        }
    }
}

/// `[inputs, row]` -> `[outputs, row]`, with `row` bytes a line whatever the channels. Inlined, so that it is compiled once more
/// where it may use wider registers.
#[inline(always)]
pub(super) fn vertical(data: &[u8], row: usize, weights: &AxisWeights) -> Vec<u8> {
    /// Columns summed at once: few enough to stay in registers, so that each line is read once and nothing is spilled.
    const COLUMNS: usize = 32;
    let mut out = vec![0; weights.outputs() * row];
    for (output, line) in out.chunks_exact_mut(row).enumerate() {
        let (start, weights) = weights.of(output);
        let lines = &data[start * row..];
        let whole = row / COLUMNS * COLUMNS;
        for at in (0..whole).step_by(COLUMNS) {
            let mut sums = [HALF; COLUMNS];
            for (tap, &weight) in weights.iter().enumerate() {
                let bytes = &lines[tap * row + at..][..COLUMNS];
                for (sum, &byte) in sums.iter_mut().zip(bytes) {
                    *sum += i32::from(byte) * weight;
                }
            }
            for (out, sum) in line[at..at + COLUMNS].iter_mut().zip(sums) {
                *out = finish(sum);
            }
        }
        for (at, out) in line.iter_mut().enumerate().skip(whole) {
            let sum = weights
                .iter()
                .enumerate()
                .fold(HALF, |sum, (tap, &weight)| sum + i32::from(lines[tap * row + at]) * weight);
            *out = finish(sum);
        }
    }
    out
}

#[inline(always)]
fn finish(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}
