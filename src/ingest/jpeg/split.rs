//! Pixels as they lie in memory, taken apart into their colours.

use super::UNIT;

/// `[UNIT, 3]`: pixels side by side.
pub type Row = [u8; UNIT * 3];
/// Red, green and blue of a row.
pub type Colours = [[u8; UNIT]; 3];

pub fn plain(row: &Row) -> Colours {
    std::array::from_fn(|colour| std::array::from_fn(|x| row[3 * x + colour]))
}

/// As [`plain`]: each colour is gathered from each third of the row.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "ssse3")]
pub fn ssse3(row: &Row) -> Colours {
    use std::arch::x86_64::*;
    /// `[colour, third, x]`: which byte of the third is the colour of pixel x; one with the highest bit is none.
    const PLACES: [[[u8; 16]; 3]; 3] = {
        let mut places = [[[0x80; 16]; 3]; 3];
        let mut at = 0;
        while at < 48 {
            places[at % 3][at / 16][at / 3] = (at % 16) as u8;
            at += 1;
        }
        places
    };
    // SAFETY: an array of 16 bytes, read without alignment.
    let load = |bytes: &[u8; 16]| unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
    let (thirds, _) = row.as_chunks::<16>();
    let mut colours = [[0; UNIT]; 3];
    for (colour, places) in colours.iter_mut().zip(&PLACES) {
        let [a, b, c] = std::array::from_fn(|third| _mm_shuffle_epi8(load(&thirds[third]), load(&places[third])));
        // SAFETY: as above, written.
        unsafe { _mm_storeu_si128(colour.as_mut_ptr().cast(), _mm_or_si128(_mm_or_si128(a, b), c)) };
    }
    colours
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn vector_code_equals_plain_code() {
        let row: Row = std::array::from_fn(|at| (at * 37 % 251) as u8);
        assert!(std::arch::is_x86_feature_detected!("ssse3"));
        // SAFETY: as the line above says.
        assert_eq!(unsafe { ssse3(&row) }, plain(&row));
    }
}
