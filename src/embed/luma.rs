//! RGB to luma, exactly as Pillow's `convert("L")`: ITU-R 601-2 in 16 fraction bits, rounded.

/// `[pixels, 3]` -> `[pixels]`.
pub(super) fn luma(rgb: &[u8]) -> Vec<u8> {
    let mut luma = vec![0; rgb.len() / 3];
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        let done = unsafe { avx2(rgb, &mut luma) };
        plain(&rgb[done * 3..], &mut luma[done..]);
        return luma;
    }
    plain(rgb, &mut luma);
    luma
}

fn plain(rgb: &[u8], luma: &mut [u8]) {
    for (luma, pixel) in luma.iter_mut().zip(rgb.chunks_exact(3)) {
        let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
        *luma = ((r * 19_595 + g * 38_470 + b * 7_471 + 0x8000) >> 16) as u8;
    }
}

/// Returns how many pixels it did: all but the last few.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2(rgb: &[u8], luma: &mut [u8]) -> usize {
    use std::arch::x86_64::*;
    /// Pixels at once, as four times four.
    const PIXELS: usize = 16;
    /// Each four are read as 16 bytes, of which 12 count.
    const READ: usize = PIXELS * 3 + 4;
    let z = -1i8;
    let half_rg = _mm_setr_epi8(0, z, 1, z, 3, z, 4, z, 6, z, 7, z, 9, z, 10, z);
    let half_b = _mm_setr_epi8(2, z, z, z, 5, z, z, z, 8, z, z, z, 11, z, z, z);
    let (rg, b) = (_mm256_broadcastsi128_si256(half_rg), _mm256_broadcastsi128_si256(half_b));
    // 38470 does not fit 16 bits and a sign: it is 65536 - 27066, and 65536 times green is green where it stands.
    let weights_rg = _mm256_set1_epi32(-27_066 << 16 | 19_595);
    let (weight_b, green) = (_mm256_set1_epi32(7_471), _mm256_set1_epi32(0x00ff_0000));
    let half = _mm256_set1_epi32(0x8000);
    let mut done = 0;
    while rgb.len() >= done * 3 + READ {
        let mut levels = [_mm256_setzero_si256(); 2];
        for (eight, levels) in levels.iter_mut().enumerate() {
            // SAFETY: the last of the four reads ends at READ.
            let pixels = unsafe {
                let from = rgb.as_ptr().add(done * 3 + eight * 24);
                let (low, high) = (_mm_loadu_si128(from.cast()), _mm_loadu_si128(from.add(12).cast()));
                _mm256_set_m128i(high, low)
            };
            let red_green = _mm256_shuffle_epi8(pixels, rg);
            let sum = _mm256_add_epi32(_mm256_madd_epi16(red_green, weights_rg), _mm256_and_si256(red_green, green));
            let blue = _mm256_madd_epi16(_mm256_shuffle_epi8(pixels, b), weight_b);
            *levels = _mm256_srli_epi32::<16>(_mm256_add_epi32(_mm256_add_epi32(sum, blue), half));
        }
        // Packing works within halves, so the middle fours come out exchanged.
        let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi32(levels[0], levels[1]));
        let bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
        // SAFETY: there are as many luma values as pixels, and 16 more pixels are there.
        unsafe { _mm_storeu_si128(luma.as_mut_ptr().add(done).cast(), bytes) };
        done += PIXELS;
    }
    done
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

    #[test]
    fn vector_code_equals_plain_code() {
        // Every third level of each channel, and a length that ends amid a step.
        let levels = || (0..=255u8).step_by(3);
        let mut rgb: Vec<u8> =
            levels().flat_map(|r| levels().flat_map(move |g| levels().flat_map(move |b| [r, g, b]))).collect();
        rgb.extend([255; 21]);
        let mut expected = vec![0; rgb.len() / 3];
        plain(&rgb, &mut expected);
        assert!(luma(&rgb) == expected);
        assert_eq!(luma(&rgb[..9]), expected[..3]);
        assert!(luma(&[]).is_empty());
    }
}
