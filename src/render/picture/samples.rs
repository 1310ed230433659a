//! Samples as the `tiff` decoder hands them out, and how they become pixels.

use std::io::{Read, Seek};

use image::{DynamicImage, GrayImage, RgbImage, RgbaImage};
use tiff::decoder::{Decoder, DecodingResult};
use tiff::{ColorType, TiffError};

use super::{at_memory_limit, check_size, paper, unreadable};
use crate::error::{Error, Result};
use crate::types::RenderLimits;

pub(super) fn unsupported(color: ColorType) -> Error {
    Error::permanent(format!("cannot be decoded: TIFF frames of kind {color:?} are not supported"))
}

/// Kinds of samples that the decoder knows and that make no picture by themselves.
fn kind_that_is_not_read(data: &DecodingResult) -> Option<&'static str> {
    match data {
        DecodingResult::U8(_) | DecodingResult::U16(_) | DecodingResult::U32(_) | DecodingResult::F32(_) => None,
        DecodingResult::I8(_) => Some("8 bits with a sign"),
        DecodingResult::I16(_) => Some("16 bits with a sign"),
        DecodingResult::I32(_) => Some("32 bits with a sign"),
        DecodingResult::I64(_) => Some("64 bits with a sign"),
        DecodingResult::U64(_) => Some("64 bits without sign"),
        DecodingResult::F16(_) => Some("16-bit fractions"),
        DecodingResult::F64(_) => Some("64-bit fractions"),
    }
}

/// What the decoder hands out: samples of one size, in one plane or several.
pub(super) struct Samples {
    data: DecodingResult,
    pub color: ColorType,
    width: u32,
    height: u32,
    /// Samples a pixel, and the distance between two samples of a pixel: 1, or a whole plane.
    channels: usize,
    channel_stride: usize,
    /// Bytes a row, for samples smaller than a byte.
    row_bytes: usize,
}

impl Samples {
    pub(super) fn read<R: Read + Seek>(decoder: &mut Decoder<R>, limits: &RenderLimits) -> Result<Self> {
        let (width, height) = decoder.dimensions().map_err(unreadable)?;
        let color = decoder.colortype().map_err(unreadable)?;
        let layout = decoder.image_buffer_layout().map_err(unreadable)?;
        let channels = usize::from(color.num_samples());
        check_size(width, height, layout.complete_len as u64, color.num_samples().min(255) as u8, limits)?;
        let mut data = DecodingResult::U8(Vec::new());
        decoder.read_image_to_buffer(&mut data).map_err(|error| match error {
            TiffError::LimitsExceeded => at_memory_limit(unreadable(error), limits),
            error => unreadable(error),
        })?;
        if let Some(kind) = kind_that_is_not_read(&data) {
            return Err(Error::permanent(format!(
                "cannot be decoded: its samples are {kind}; 8, 16 and 32 bits without sign and 32-bit fractions are read"
            )));
        }
        let pixels = width as usize * height as usize;
        let planar = layout.planes > 1;
        let samples = Self {
            data,
            color,
            width,
            height,
            channels: if planar { 1 } else { channels },
            channel_stride: if planar { pixels } else { 1 },
            row_bytes: layout.row_stride.map_or(0, std::num::NonZeroUsize::get),
        };
        let (found, expected) = match color.bit_depth() {
            0..8 => (samples.len(), samples.row_bytes * height as usize),
            _ => (samples.len(), pixels * channels),
        };
        match found < expected {
            true => Err(Error::permanent(format!("cannot be decoded: it has {found} samples, not {expected}"))),
            false => Ok(samples),
        }
    }

    /// Rows of samples of up to eight bits, each row beginning with a byte.
    pub(super) fn of_rows(rows: Vec<u8>, color: ColorType, (width, height): (u32, u32), row_bytes: usize) -> Self {
        let channels = usize::from(color.num_samples());
        Self { data: DecodingResult::U8(rows), color, width, height, channels, channel_stride: 1, row_bytes }
    }

    fn len(&self) -> usize {
        match &self.data {
            DecodingResult::U8(data) => data.len(),
            DecodingResult::U16(data) => data.len(),
            DecodingResult::U32(data) => data.len(),
            DecodingResult::F32(data) => data.len(),
            _ => 0,
        }
    }

    /// Sample `channel` of a pixel, as 0 to 255.
    fn sample(&self, x: u32, y: u32, channel: usize) -> u8 {
        let pixel = y as usize * self.width as usize + x as usize;
        let index = pixel * self.channels + channel * self.channel_stride;
        match &self.data {
            DecodingResult::U8(data) => data[index],
            DecodingResult::U16(data) => (data[index] >> 8) as u8,
            DecodingResult::U32(data) => (data[index] >> 24) as u8,
            DecodingResult::F32(data) => (data[index].clamp(0.0, 1.0) * 255.0).round() as u8,
            _ => 0,
        }
    }

    /// The value of a pixel of `bits` bits (1, 2, 4 or 8), packed into bytes.
    pub(super) fn packed(&self, x: u32, y: u32, bits: u8) -> u8 {
        let DecodingResult::U8(data) = &self.data else { return 0 };
        let first_bit = x as usize * usize::from(bits);
        let byte = data[y as usize * self.row_bytes + first_bit / 8];
        let shift = 8 - usize::from(bits) - first_bit % 8;
        (byte >> shift) & (0xff >> (8 - bits))
    }

    pub(super) fn map(&self, pixel: impl Fn(u32, u32) -> [u8; 3]) -> RgbImage {
        RgbImage::from_fn(self.width, self.height, |x, y| image::Rgb(pixel(x, y)))
    }

    /// Grey or RGB, 8 bits a sample.
    pub(super) fn to_image(&self) -> Result<DynamicImage> {
        match self.color {
            ColorType::Gray(bits @ (1 | 2 | 4)) => {
                let scale = 255 / (0xff >> (8 - bits));
                Ok(self.grey(|x, y| self.packed(x, y, bits) * scale))
            }
            ColorType::Gray(8..) if self.len() > 0 => Ok(self.grey(|x, y| self.sample(x, y, 0))),
            _ if self.color.bit_depth() < 8 || self.len() == 0 => Err(unsupported(self.color)),
            ColorType::GrayA(_) | ColorType::Multiband { num_samples: 2, .. } => Ok(self.on_paper([0, 0, 0, 1])),
            ColorType::RGBA(_) => Ok(self.on_paper([0, 1, 2, 3])),
            _ => self.to_rgb().map(DynamicImage::from),
        }
    }

    fn grey(&self, pixel: impl Fn(u32, u32) -> u8) -> DynamicImage {
        GrayImage::from_fn(self.width, self.height, |x, y| image::Luma([pixel(x, y)])).into()
    }

    /// `channels`: which samples are red, green, blue and opacity.
    fn on_paper(&self, channels: [usize; 4]) -> DynamicImage {
        let pixel = |x, y| image::Rgba(channels.map(|channel| self.sample(x, y, channel)));
        paper::flatten(RgbaImage::from_fn(self.width, self.height, pixel).into())
    }

    fn to_rgb(&self) -> Result<RgbImage> {
        Ok(match self.color {
            ColorType::RGB(_) => self.map(|x, y| [0, 1, 2].map(|channel| self.sample(x, y, channel))),
            ColorType::CMYK(_) | ColorType::CMYKA(_) => self.map(|x, y| {
                let light = 255 - u32::from(self.sample(x, y, 3));
                [0, 1, 2].map(|channel| ((255 - u32::from(self.sample(x, y, channel))) * light / 255) as u8)
            }),
            ColorType::YCbCr(_) => self.map(|x, y| {
                let [luma, blue, red] = [0, 1, 2].map(|channel| f32::from(self.sample(x, y, channel)));
                let (blue, red) = (blue - 128.0, red - 128.0);
                // BT.601, as JPEG and TIFF's default coefficients have it
                [luma + 1.402 * red, luma - 0.344_136 * blue - 0.714_136 * red, luma + 1.772 * blue]
                    .map(|value| value.round().clamp(0.0, 255.0) as u8)
            }),
            _ => return Err(unsupported(self.color)),
        })
    }
}
