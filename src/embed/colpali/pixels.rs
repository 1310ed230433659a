//! Page image to pixel values, bit for bit as FastEmbed's image processor gives them.

use super::manifest::PageSpec;
use crate::embed::resize::{Pixels as Image, resize};
use crate::error::Result;
use crate::types::PageImage;

/// One page as the graph takes it: `[3, height, width]`, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::embed) struct Pixels(pub Vec<f32>);

/// From a page's colours to pixel values: what every sample of 0 to 255 becomes, for each channel.
#[derive(Debug, Clone)]
pub(super) struct Normalizer([[f32; 256]; 3]);

impl Normalizer {
    /// The order of FastEmbed's numpy code: the product in f64, rounded to f32, the rest in f32.
    pub fn new(spec: &PageSpec) -> Self {
        Self(std::array::from_fn(|channel| {
            let (mean, std) = (spec.mean[channel], spec.std[channel]);
            std::array::from_fn(|value| ((value as f64 * spec.rescale) as f32 - mean) / std)
        }))
    }
}

impl Pixels {
    /// Resizes straight to the model's size: the shape of the page is not kept, nothing is cropped.
    ///
    /// # Errors
    /// Permanent, where the image has no pixels.
    pub(super) fn new(image: &PageImage, spec: &PageSpec, normalizer: &Normalizer) -> Result<Self> {
        let image = Image { width: image.width as usize, height: image.height as usize, channels: 3, data: &image.rgb };
        let resized = resize(image, spec.width, spec.height, spec.resize.into())?;
        let mut values = Vec::with_capacity(resized.len());
        for (channel, table) in normalizer.0.iter().enumerate() {
            values.extend(resized.iter().skip(channel).step_by(3).map(|&value| table[usize::from(value)]));
        }
        Ok(Self(values))
    }
}
