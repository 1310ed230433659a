//! Pure computations on one thread, with the inputs and outputs in files that the peers read too: raw little-endian
//! numbers.

use std::path::Path;

use quire::derive::{muvera::Muvera, pooling};
use quire::embed::resize::{Filter, Pixels, resize, to_planes};
use quire::types::{FdeSettings, Multivector};
use serde_json::json;

use super::{Result, serve};

/// A page of ColPali: 1,024 patches and 6 tokens.
const ROWS: usize = 1030;
const DIM: usize = 128;
/// A4 at 200 dpi, and ColPali's input.
const PAGE: (usize, usize) = (1654, 2339);
const SIDE: usize = 448;
const FACTOR: usize = 3;

/// Top bits of a 64-bit linear congruential generator.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 11
    }

    /// -0.5 to 0.5.
    fn uniform(&mut self) -> f64 {
        self.next() as f64 / (1u64 << 53) as f64 - 0.5
    }
}

/// `patches.f32`: unit vectors around 257 centres, as neighbouring patches resemble each other. `page.rgb`: a page of
/// strokes, with some noise so that no shortcut over white paper helps.
pub fn write_inputs(folder: &Path) -> Result<()> {
    let mut noise = Noise(7);
    let centres: Vec<Vec<f64>> = (0..ROWS / 4).map(|_| (0..DIM).map(|_| noise.uniform()).collect()).collect();
    let mut patches = Vec::with_capacity(ROWS * DIM);
    for number in 0..ROWS {
        let row: Vec<f64> = centres[number * 7 % centres.len()].iter().map(|at| at + 0.8 * noise.uniform()).collect();
        let norm = row.iter().map(|value| value * value).sum::<f64>().sqrt();
        patches.extend(row.iter().map(|value| (value / norm) as f32));
    }
    write_floats(&folder.join("patches.f32"), &patches)?;
    let (width, height) = PAGE;
    let mut page = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let ink = y % 24 < 12 && (x * 7 + y * 3) % 29 < 8;
            let grain = (noise.next() >> 48) as u8;
            page.extend([if ink { 40 + grain } else { 255 - grain }; 3].map(|level: u8| level ^ (grain & 3)));
        }
    }
    std::fs::write(folder.join("page.rgb"), page)?;
    Ok(())
}

fn write_floats(path: &Path, values: &[f32]) -> Result<()> {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Ok(std::fs::write(path, bytes)?)
}

fn patches(folder: &Path) -> Result<Multivector> {
    let bytes = std::fs::read(folder.join("patches.f32"))?;
    let (values, _) = bytes.as_chunks::<4>();
    Ok(Multivector::new(DIM, values.iter().map(|value| f32::from_le_bytes(*value)).collect())?)
}

/// Document encoding with FastEmbed's default parameters.
pub fn muvera(folder: &Path) -> Result<()> {
    let patches = patches(folder)?;
    let settings = FdeSettings { k_sim: 5, dim_proj: 16, r_reps: 20, seed: 42, final_dim: None };
    let muvera = Muvera::new(DIM, &settings)?;
    write_floats(&folder.join("muvera.ours"), &muvera.document(&patches)?)?;
    serve(json!({ "dimensions": settings.len() }), || Ok(muvera.document(&patches)?))
}

/// Clusters and their means.
pub fn pooling(folder: &Path) -> Result<()> {
    let patches = patches(folder)?;
    let labels: Vec<u32> = pooling::cluster_labels(&patches, FACTOR).into_iter().map(|label| label as u32).collect();
    let bytes: Vec<u8> = labels.iter().flat_map(|label| label.to_le_bytes()).collect();
    std::fs::write(folder.join("pooling.ours"), bytes)?;
    serve(json!({ "factor": FACTOR }), || Ok(pooling::hierarchical(&patches, FACTOR)?))
}

/// A page image to the input of a SigLIP model.
pub fn image(folder: &Path) -> Result<()> {
    let page = std::fs::read(folder.join("page.rgb"))?;
    let pixels = Pixels { width: PAGE.0, height: PAGE.1, channels: 3, data: &page };
    let tensor = || -> Result<Vec<f32>> {
        let resized = resize(pixels, SIDE, SIDE, Filter::Bicubic)?;
        Ok(to_planes(&resized, 1.0 / 255.0, [0.5; 3], [0.5; 3]))
    };
    write_floats(&folder.join("image.ours"), &tensor()?)?;
    serve(json!({ "side": SIDE }), tensor)
}
