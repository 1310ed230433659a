//! Boxes of a page in few bytes, for payloads: eight characters a box.

use serde::{Deserialize, Serialize};

use super::Rect;
use crate::error::{Error, Result};

/// Sides are whole steps of this many to the page: a twentieth of a millimetre on a sheet of A4.
const STEPS: f32 = 4095.0;
/// Two digits a side, four sides.
const CHARS: usize = 8;
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Rectangles, each a little larger than it was: what was covered stays covered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PackedBoxes(String);

impl PackedBoxes {
    pub fn pack(boxes: &[Rect]) -> Self {
        let mut packed = String::with_capacity(boxes.len() * CHARS);
        for Rect { left, top, right, bottom } in boxes {
            let down = |side: &f32| (side.clamp(0.0, 1.0) * STEPS).floor() as usize;
            let up = |side: &f32| (side.clamp(0.0, 1.0) * STEPS).ceil() as usize;
            for side in [down(left), down(top), up(right), up(bottom)] {
                packed.extend([side >> 6, side & 63].map(|digit| char::from(DIGITS[digit])));
            }
        }
        Self(packed)
    }

    /// # Errors
    /// Permanent, if it is not what boxes are packed to.
    pub fn unpack(&self) -> Result<Vec<Rect>> {
        let bad = || Error::permanent("the boxes of a stored page can't be read: index its document again");
        if !self.0.len().is_multiple_of(CHARS) {
            return Err(bad());
        }
        let side = |digits: &[u8]| {
            let value = |digit: &u8| DIGITS.iter().position(|known| known == digit);
            Some((value(&digits[0])? << 6 | value(&digits[1])?) as f32 / STEPS)
        };
        let unpacked = |eight: &[u8]| {
            let rect = Rect {
                left: side(&eight[..2])?,
                top: side(&eight[2..4])?,
                right: side(&eight[4..6])?,
                bottom: side(&eight[6..])?,
            };
            Some(rect)
        };
        self.0.as_bytes().chunks_exact(CHARS).map(|eight| unpacked(eight).ok_or_else(bad)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_box_is_refused() {
        for wrong in ["A", "AAAAAAA", "AAAAAAA!", "ÄAAAAAA"] {
            let error = PackedBoxes(wrong.into()).unpack().unwrap_err();
            assert!(error.message().contains("can't be read"), "{wrong}: {error}");
        }
        assert_eq!(PackedBoxes::default().unpack().unwrap(), []);
    }

    proptest! {
        #[test]
        fn boxes_come_back_as_large_as_they_were_or_a_step_larger(
            sides in prop::collection::vec((0f32..1.0, 0f32..1.0, 0f32..1.0, 0f32..1.0), 0..50)
        ) {
            let boxes: Vec<Rect> = sides.iter().map(|&(a, b, c, d)| Rect {
                left: a.min(c), top: b.min(d), right: a.max(c), bottom: b.max(d)
            }).collect();
            let read = PackedBoxes::pack(&boxes).unpack().unwrap();
            prop_assert_eq!(read.len(), boxes.len());
            for (read, made) in read.iter().zip(&boxes) {
                let step = 1.001 / STEPS;
                prop_assert!(read.left <= made.left + 1e-6 && read.left > made.left - step);
                prop_assert!(read.top <= made.top + 1e-6 && read.top > made.top - step);
                prop_assert!(read.right >= made.right - 1e-6 && read.right < made.right + step);
                prop_assert!(read.bottom >= made.bottom - 1e-6 && read.bottom < made.bottom + step);
            }
        }
    }
}
