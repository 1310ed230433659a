//! How many pixels a page gets: decided from its size alone, before anything is allocated.

/// The longest side that every format pages are stored in can hold (WebP's limit).
pub(super) const MAX_SIDE_PX: u32 = 16_383;

/// Pixel size of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fitted {
    pub width: u32,
    pub height: u32,
    pub scaled_down: bool,
}

/// Fits `width` x `height` pixels (any finite positive numbers) into `max_pixels` and [`MAX_SIDE_PX`], keeping the
/// aspect as far as a side of at least one pixel allows.
pub(super) fn fit(width: f64, height: f64, max_pixels: u64) -> Fitted {
    let limit = max_pixels.max(1) as f64;
    let side = f64::from(MAX_SIDE_PX);
    let scale = (limit / (width * height)).sqrt().min(side / width).min(side / height);
    if scale >= 1.0 {
        let round = |value: f64| (value.round() as u32).clamp(1, MAX_SIDE_PX);
        let (width, height) = (round(width), round(height));
        if u64::from(width) * u64::from(height) <= max_pixels.max(1) {
            return Fitted { width, height, scaled_down: false };
        }
    }
    // rounded down, so that the limit holds; a side that would vanish gets its one pixel from the other side's length
    let floor = |value: f64| (value * scale.min(1.0)).floor().clamp(1.0, side) as u32;
    let (width, height) = (floor(width), floor(height));
    let cut = |long: u32, short: u32| (u64::from(long).min(max_pixels.max(1) / u64::from(short)).max(1)) as u32;
    if width >= height {
        Fitted { width: cut(width, height), height, scaled_down: true }
    } else {
        Fitted { width, height: cut(height, width), scaled_down: true }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_pages_keep_their_size() {
        let fitted = fit(1239.58, 1754.17, 25_000_000);
        assert_eq!(fitted, Fitted { width: 1240, height: 1754, scaled_down: false });
        assert_eq!(fit(0.2, 0.2, 100), Fitted { width: 1, height: 1, scaled_down: false });
    }

    #[test]
    fn posters_shrink_and_keep_their_aspect() {
        let fitted = fit(20_000.0, 10_000.0, 25_000_000);
        assert_eq!(fitted, Fitted { width: 7071, height: 3535, scaled_down: true });
    }

    proptest! {
        #[test]
        fn the_limits_hold(width in 1e-3f64..1e9, height in 1e-3f64..1e9, max_pixels in 1u64..100_000_000) {
            let fitted = fit(width, height, max_pixels);
            prop_assert!(fitted.width >= 1 && fitted.height >= 1);
            prop_assert!(fitted.width <= MAX_SIDE_PX && fitted.height <= MAX_SIDE_PX);
            prop_assert!(u64::from(fitted.width) * u64::from(fitted.height) <= max_pixels);
        }
    }
}
