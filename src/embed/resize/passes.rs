//! The two passes, with vector code if the processor has it. All code gives the same bytes.

use super::pixels::Pixels;
use super::plain;
use super::weights::AxisWeights;

/// `[height, width, channels]` -> `[height, outputs, channels]`.
pub(super) fn horizontal(image: Pixels<'_>, weights: &AxisWeights) -> Vec<u8> {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        return super::avx2::horizontal(image, weights);
    }
    plain::horizontal(image, weights)
}

/// `[inputs, row]` -> `[outputs, row]`, with `row` bytes a line whatever the channels.
pub(super) fn vertical(data: &[u8], row: usize, weights: &AxisWeights) -> Vec<u8> {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        return super::avx2::vertical(data, row, weights);
    }
    plain::vertical(data, row, weights)
}
