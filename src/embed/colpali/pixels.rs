//! Page image to pixel values, bit for bit as FastEmbed's image processor gives them.

use super::manifest::PageSpec;
use crate::embed::resize::{Pixels, resize, to_planes};
use crate::error::Result;
use crate::types::PageImage;

/// One page as the graph takes it: `[3, height, width]`, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::embed) struct PixelValues(pub Vec<f32>);

impl AsRef<[f32]> for PixelValues {
    fn as_ref(&self) -> &[f32] {
        &self.0
    }
}

impl PixelValues {
    /// Resizes straight to the model's size: the shape of the page is not kept, nothing is cropped.
    ///
    /// # Errors
    /// Permanent, if the image has no pixels.
    pub(super) fn new(image: &PageImage, spec: &PageSpec) -> Result<Self> {
        let image =
            Pixels { width: image.width as usize, height: image.height as usize, channels: 3, data: &image.rgb };
        let resized = resize(image, spec.width, spec.height, spec.resize.into())?;
        Ok(Self(to_planes(&resized, spec.rescale, spec.mean, spec.std)))
    }
}
