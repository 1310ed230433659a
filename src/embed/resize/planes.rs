//! Pixels to the planes of numbers that vision models take, with the very rounding of numpy as FastEmbed uses it.

/// `[pixels, 3]` -> `[3, pixels]`: each level times `scale` in f64, rounded to f32, then less the channel's mean and over
/// its deviation in f32.
pub fn to_planes(rgb: &[u8], scale: f64, mean: [f32; 3], deviation: [f32; 3]) -> Vec<f32> {
    let pixels = rgb.len() / 3;
    let mut planes = vec![0.0; pixels * 3];
    for (channel, plane) in planes.chunks_exact_mut(pixels.max(1)).enumerate() {
        // A channel has 256 levels: each is computed once.
        let levels: [f32; 256] =
            std::array::from_fn(|level| ((level as f64 * scale) as f32 - mean[channel]) / deviation[channel]);
        for (value, pixel) in plane.iter_mut().zip(rgb.chunks_exact(3)) {
            *value = levels[usize::from(pixel[channel])];
        }
    }
    planes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_fastembed() {
        // numpy: ((u8 * (1 / 255)).astype(float32) - float32(mean)) / float32(std), as bits
        let rgb = [0, 1, 2, 127, 128, 254, 255, 77, 33];
        let planes = to_planes(&rgb, 1.0 / 255.0, [0.5, 0.481_454_66, 0.5], [0.5, 0.261_302_6, 0.5]);
        let bits: Vec<u32> = planes.iter().map(|value| value.to_bits()).collect();
        assert_eq!(
            bits,
            [
                0xbf80_0000,
                0xbb80_8080,
                0x3f80_0000,
                0xbfe9_ebd9,
                0x3da0_b859,
                0xbf2f_d9f7,
                0xbf7b_fbfc,
                0x3f7d_fdfe,
                0xbf3d_bdbe
            ]
        );
        assert!(to_planes(&[], 1.0, [0.0; 3], [1.0; 3]).is_empty());
    }
}
