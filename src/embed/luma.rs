//! RGB to luma, exactly as Pillow's `convert("L")`: ITU-R 601-2 in 16 fraction bits, rounded.

/// `[pixels, 3]` -> `[pixels]`.
pub(super) fn luma(rgb: &[u8]) -> Vec<u8> {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn avx2(rgb: &[u8]) -> Vec<u8> {
            plain(rgb)
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            return unsafe { avx2(rgb) };
        }
    }
    plain(rgb)
}

#[inline(always)]
fn plain(rgb: &[u8]) -> Vec<u8> {
    let mut luma = vec![0; rgb.len() / 3];
    for (luma, pixel) in luma.iter_mut().zip(rgb.chunks_exact(3)) {
        let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
        *luma = ((r * 19_595 + g * 38_470 + b * 7_471 + 0x8000) >> 16) as u8;
    }
    luma
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_pillow() {
        // Image.new("RGB", (1, 1), colour).convert("L")
        let rgb = [255, 255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 255, 1, 2, 3, 200, 100, 50, 17, 250, 99, 0, 0, 0];
        assert_eq!(luma(&rgb), [255, 76, 150, 29, 2, 124, 163, 0]);
    }
}
