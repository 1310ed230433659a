//! MUVERA: a multivector as one vector whose dot product with that of a question comes near MaxSim. Equal to
//! FastEmbed's `Muvera` for the same parameters and seed. Paper: Dhulipala et al., "MUVERA: Multi-Vector Retrieval via
//! Fixed Dimensional Encodings", 2024.
//!
//! A repetition sorts the vectors into `2^k_sim` clusters by the signs of their products with random hyperplanes, takes
//! one centre a cluster (documents: the mean, questions: the sum) and projects it to `dim_proj` dimensions.

use std::sync::{Arc, Mutex, PoisonError};

use super::numpy_rng::NumpyRng;
use super::simd::{Panels, ROWS, WIDTH, for_this_processor};
use crate::error::{Error, Result};
use crate::types::{FdeSettings, MAX_DENSE_DIM, Multivector};

/// The random parts of an encoding for one dimension and one set of parameters.
pub struct Muvera {
    dim: usize,
    settings: FdeSettings,
    /// Hyperplanes of all repetitions, `[r_reps * k_sim, dim]`, as drawn.
    planes: Vec<f64>,
    /// The same in f32, side by side.
    panels: Panels,
    /// Norm of each hyperplane; -1, below which no product lies, for those that pad the last panel.
    norms: Vec<f32>,
    /// `[r_reps, dim, dim_proj]`, values +1 and -1 over sqrt(dim_proj); empty if nothing is projected.
    projections: Vec<f32>,
    /// `[r_reps * 2^k_sim * dim_proj]`: where a component goes and its sign; empty without a final projection.
    sketch: Vec<(u32, f32)>,
}

/// A dot product below this share of the product of the norms may have the wrong sign in f32: 128 terms are off by
/// 128 x 2^-24 = 7.6e-6 at most; longer vectors raise it in proportion.
const DOUBTFUL_AT_128: f32 = 1.0e-5;

impl Muvera {
    /// Draws in FastEmbed's order. Takes about a millisecond with the default parameters: keep the result.
    ///
    /// # Errors
    /// Configuration, if the parameters make no encoding or one that Qdrant does not take.
    pub fn new(dim: usize, settings: &FdeSettings) -> Result<Self> {
        check_settings(dim, settings)?;
        let FdeSettings { k_sim, dim_proj, r_reps, seed, final_dim } = *settings;
        let mut rng = NumpyRng::new(seed);
        let mut planes = vec![0.0; r_reps * k_sim * dim];
        for planes in planes.chunks_exact_mut(k_sim * dim) {
            for at in 0..dim {
                for plane in 0..k_sim {
                    planes[plane * dim + at] = rng.normal();
                }
            }
        }
        let scale = 1.0 / (dim_proj as f32).sqrt();
        // FastEmbed draws these signs even where it does not use them; nothing is drawn after them.
        let projections = if dim_proj < dim {
            (0..r_reps * dim * dim_proj).map(|_| rng.sign() * scale).collect()
        } else {
            Vec::new()
        };
        let narrow: Vec<f32> = planes.iter().map(|&value| value as f32).collect();
        let mut norms: Vec<f32> =
            narrow.chunks_exact(dim).map(|plane| plane.iter().map(|value| value * value).sum::<f32>().sqrt()).collect();
        norms.resize(norms.len().div_ceil(WIDTH) * WIDTH, -1.0);
        let length = r_reps * (1 << k_sim) * dim_proj;
        let sketch = final_dim.map_or_else(Vec::new, |into| count_sketch(length, into, seed));
        let panels = Panels::new(&narrow, dim);
        Ok(Self { dim, settings: *settings, planes, panels, norms, projections, sketch })
    }

    /// One for each dimension and set of parameters is kept for the life of the process.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn shared(dim: usize, settings: &FdeSettings) -> Result<Arc<Self>> {
        static KNOWN: Mutex<Vec<Arc<Muvera>>> = Mutex::new(Vec::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.iter().find(|known| known.dim == dim && known.settings == *settings) {
            return Ok(Arc::clone(found));
        }
        let made = Arc::new(Self::new(dim, settings)?);
        // A process uses one or two; the bound only keeps a long test run small.
        known.truncate(7);
        known.insert(0, Arc::clone(&made));
        Ok(made)
    }

    /// Dimensions of an encoding.
    pub fn len(&self) -> usize {
        self.settings.len()
    }

    pub fn is_empty(&self) -> bool {
        self.settings.is_empty()
    }

    /// FastEmbed's `process_document`: means; an empty cluster takes the first vector of the nearest that is not.
    ///
    /// # Errors
    /// A bug, if the vectors are none or have another dimension.
    pub fn document(&self, vectors: &Multivector) -> Result<Vec<f32>> {
        self.encode(vectors, true)
    }

    /// FastEmbed's `process_query`: sums; an empty cluster stays zero.
    ///
    /// # Errors
    /// A bug, if the vectors are none or have another dimension.
    pub fn query(&self, vectors: &Multivector) -> Result<Vec<f32>> {
        self.encode(vectors, false)
    }

    fn encode(&self, vectors: &Multivector, document: bool) -> Result<Vec<f32>> {
        if vectors.is_empty() || vectors.dim() != self.dim {
            return Err(Error::bug(format!(
                "{} vectors of {} dimensions have no encoding: expected one or more of {}",
                vectors.len(),
                vectors.dim(),
                self.dim
            )));
        }
        let FdeSettings { k_sim, dim_proj, r_reps, .. } = self.settings;
        let (clusters, dim) = (1 << k_sim, self.dim);
        let signs = self.signs(vectors);
        let words = signs.len() / vectors.len();
        let mut encoding = vec![0.0; r_reps * clusters * dim_proj];
        let mut centres = vec![0.0; clusters * dim];
        let mut members = Members::new(vectors.len(), clusters);
        for (repetition, block) in encoding.chunks_exact_mut(clusters * dim_proj).enumerate() {
            members.sort(signs.chunks_exact(words).map(|signs| bits_from(signs, repetition * k_sim, k_sim)));
            sum_by_cluster(vectors.as_slice(), dim, &members, document, &mut centres);
            if document {
                fill_empty(vectors, &members, &mut centres);
            }
            if self.projections.is_empty() {
                block.copy_from_slice(&centres);
            } else {
                let signs = &self.projections[repetition * dim * dim_proj..][..dim * dim_proj];
                project(&centres, dim, signs, dim_proj, block);
            }
        }
        Ok(self.final_projection(encoding))
    }

    /// `[vectors, words]`: bit `p` of a vector says that it lies on the positive side of hyperplane `p`.
    fn signs(&self, vectors: &Multivector) -> Vec<u32> {
        let words = self.panels.columns().div_ceil(WIDTH);
        let mut signs = vec![0u32; vectors.len() * words];
        let slack = DOUBTFUL_AT_128 * (self.dim as f32 / 128.0).max(1.0);
        let mut margins = squared_norms(vectors.as_slice(), self.dim);
        margins.iter_mut().for_each(|margin| *margin = slack * margin.sqrt());
        self.panels.for_each_block(vectors.as_slice(), |first, column, block| {
            let norms = &self.norms[column..column + WIDTH];
            for (r, sums) in block.iter().enumerate().take(ROWS.min(vectors.len() - first)) {
                let margin = margins[first + r];
                let mut word = 0;
                let mut doubtful = false;
                for c in 0..WIDTH {
                    word |= u32::from(sums[c] > 0.0) << c;
                    doubtful |= sums[c].abs() <= margin * norms[c];
                }
                if doubtful {
                    word = self.decide_in_f64(vectors.row(first + r), column, sums, margin, word);
                }
                signs[(first + r) * words + column / WIDTH] = word;
            }
        });
        signs
    }

    /// Decides in f64 the signs that f32 leaves in doubt.
    fn decide_in_f64(&self, row: &[f32], column: usize, sums: &[f32; WIDTH], margin: f32, mut word: u32) -> u32 {
        let planes = self.panels.columns() - column;
        for (c, sum) in sums.iter().enumerate().take(planes) {
            if sum.abs() <= margin * self.norms[column + c] {
                let plane = &self.planes[(column + c) * self.dim..][..self.dim];
                let exact: f64 = row.iter().zip(plane).map(|(&value, plane)| f64::from(value) * plane).sum();
                word = word & !(1 << c) | u32::from(exact > 0.0) << c;
            }
        }
        word
    }

    fn final_projection(&self, encoding: Vec<f32>) -> Vec<f32> {
        let Some(dim) = self.settings.final_dim else { return encoding };
        let mut sketched = vec![0.0; dim];
        for (value, &(to, sign)) in encoding.iter().zip(&self.sketch) {
            sketched[to as usize] += value * sign;
        }
        sketched
    }
}

fn check_settings(dim: usize, settings: &FdeSettings) -> Result<()> {
    let FdeSettings { k_sim, dim_proj, r_reps, final_dim, .. } = *settings;
    let wrong = |what: String| Err(Error::configuration(format!("fde: {what}")));
    if !(1..=16).contains(&k_sim) {
        return wrong(format!("k_sim is {k_sim}, expected 1 to 16"));
    }
    if dim_proj == 0 || dim_proj > dim {
        return wrong(format!("dim_proj is {dim_proj}, expected 1 to the model's {dim} dimensions"));
    }
    if r_reps == 0 || final_dim == Some(0) {
        return wrong("r_reps and final_dim must be 1 or more".into());
    }
    let length = settings.len();
    if length > MAX_DENSE_DIM {
        return wrong(format!(
            "r_reps x 2^k_sim x dim_proj makes {length} dimensions, and Qdrant takes {MAX_DENSE_DIM}: \
             lower one of them, or set final_dim"
        ));
    }
    Ok(())
}

/// `count` bits from bit `at` on.
fn bits_from(words: &[u32], at: usize, count: usize) -> u32 {
    let high = words.get(at / 32 + 1).copied().unwrap_or(0);
    let pair = u64::from(words[at / 32]) | u64::from(high) << 32;
    (pair >> (at % 32)) as u32 & ((1 << count) - 1)
}

for_this_processor! {
    /// `[vectors]`, up to rounding: in lanes, so that no addition waits for the one before.
    fn squared_norms(vectors: &[f32], dim: usize) -> Vec<f32> {
        let norm = |row: &[f32]| {
            let mut sums = [0.0f32; LANES];
            let mut chunks = row.chunks_exact(LANES);
            for chunk in &mut chunks {
                for i in 0..LANES {
                    sums[i] += chunk[i] * chunk[i];
                }
            }
            sums.iter().sum::<f32>() + chunks.remainder().iter().map(|value| value * value).sum::<f32>()
        };
        vectors.chunks_exact(dim).map(norm).collect()
    }
}

/// Which vectors each cluster has.
struct Members {
    /// `[vectors]`: their clusters.
    ids: Vec<u32>,
    /// `[vectors]`: their numbers by cluster, ascending within each.
    sorted: Vec<u32>,
    /// `[clusters + 1]`: where each cluster starts in `sorted`.
    starts: Vec<u32>,
    /// Clusters that have a vector, ascending.
    occupied: Vec<u32>,
}

impl Members {
    fn new(vectors: usize, clusters: usize) -> Self {
        Self { ids: vec![0; vectors], sorted: vec![0; vectors], starts: vec![0; clusters + 1], occupied: Vec::new() }
    }

    /// Takes one cluster a vector.
    fn sort(&mut self, ids: impl Iterator<Item = u32>) {
        self.starts.fill(0);
        for (slot, id) in self.ids.iter_mut().zip(ids) {
            *slot = id;
            self.starts[id as usize + 1] += 1;
        }
        self.occupied.clear();
        for cluster in 1..self.starts.len() {
            if self.starts[cluster] > 0 {
                self.occupied.push(cluster as u32 - 1);
            }
            self.starts[cluster] += self.starts[cluster - 1];
        }
        // Each start moves to its cluster's end while the vectors are put down, and back again afterwards.
        for (number, &id) in self.ids.iter().enumerate() {
            let place = &mut self.starts[id as usize];
            self.sorted[*place as usize] = number as u32;
            *place += 1;
        }
        let clusters = self.starts.len() - 1;
        self.starts.copy_within(..clusters, 1);
        self.starts[0] = 0;
    }

    fn of(&self, cluster: usize) -> &[u32] {
        &self.sorted[self.starts[cluster] as usize..self.starts[cluster + 1] as usize]
    }
}

/// Components that are summed at once: eight registers of AVX-512, so that a cluster's sums never go to memory.
const STRIP: usize = 128;

for_this_processor! {
    /// Sums the vectors of each cluster into `centres`, `[clusters, dim]`; `mean`: their means. Empty clusters are zero.
    fn sum_by_cluster(vectors: &[f32], dim: usize, members: &Members, mean: bool, centres: &mut [f32]) -> () {
        for (cluster, centre) in centres.chunks_exact_mut(dim).enumerate() {
            let members = members.of(cluster);
            let scale = if mean { 1.0 / members.len().max(1) as f32 } else { 1.0 };
            let whole = dim / STRIP * STRIP;
            for at in (0..whole).step_by(STRIP) {
                let mut sums = [0.0f32; STRIP];
                for &member in members {
                    let strip = &vectors[member as usize * dim + at..][..STRIP];
                    for i in 0..STRIP {
                        sums[i] += strip[i];
                    }
                }
                for i in 0..STRIP {
                    centre[at + i] = sums[i] * scale;
                }
            }
            let rest = &mut centre[whole..];
            rest.fill(0.0);
            for &member in members {
                for (sum, value) in rest.iter_mut().zip(&vectors[member as usize * dim + whole..]) {
                    *sum += value;
                }
            }
            rest.iter_mut().for_each(|sum| *sum *= scale);
        }
    }
}

/// Centres and components of a projection that are summed at once: enough sums beside each other that none waits for
/// the one before.
const CENTRES: usize = 8;
const LANES: usize = 16;

for_this_processor! {
    /// `[clusters, dim] x [dim, dim_proj] -> [clusters, dim_proj]`.
    fn project(centres: &[f32], dim: usize, signs: &[f32], dim_proj: usize, block: &mut [f32]) -> () {
        let clusters = centres.len() / dim;
        for first in (0..clusters).step_by(CENTRES) {
            let rows = CENTRES.min(clusters - first);
            let centres = &centres[first * dim..][..rows * dim];
            let block = &mut block[first * dim_proj..][..rows * dim_proj];
            let whole = if rows == CENTRES { dim_proj / LANES * LANES } else { 0 };
            for lane in (0..whole).step_by(LANES) {
                let mut sums = [[0.0f32; LANES]; CENTRES];
                for (at, signs) in signs.chunks_exact(dim_proj).enumerate() {
                    let signs = &signs[lane..lane + LANES];
                    for r in 0..CENTRES {
                        let value = centres[r * dim + at];
                        for i in 0..LANES {
                            sums[r][i] += value * signs[i];
                        }
                    }
                }
                for r in 0..CENTRES {
                    block[r * dim_proj + lane..][..LANES].copy_from_slice(&sums[r]);
                }
            }
            for (centre, out) in centres.chunks_exact(dim).zip(block.chunks_exact_mut(dim_proj)) {
                let out = &mut out[whole..];
                out.fill(0.0);
                for (value, signs) in centre.iter().zip(signs.chunks_exact(dim_proj)) {
                    for (sum, sign) in out.iter_mut().zip(&signs[whole..]) {
                        *sum += value * sign;
                    }
                }
            }
        }
    }
}

/// Empty clusters take the first vector of the nearest occupied one (fewest different bits, then lowest).
fn fill_empty(vectors: &Multivector, members: &Members, centres: &mut [f32]) {
    let dim = vectors.dim();
    for (id, centre) in centres.chunks_exact_mut(dim).enumerate().filter(|(id, _)| members.of(*id).is_empty()) {
        let nearest = members.occupied.iter().min_by_key(|&&other| (id as u32 ^ other).count_ones());
        if let Some(&first) = nearest.and_then(|&nearest| members.of(nearest as usize).first()) {
            centre.copy_from_slice(vectors.row(first as usize));
        }
    }
}

/// The final projection of Google's implementation: each component is added, with a random sign, to one random
/// component of the result, which keeps dot products in expectation. Drawn from the same kind of stream, `seed + 1`.
fn count_sketch(length: usize, into: usize, seed: u64) -> Vec<(u32, f32)> {
    let mut rng = NumpyRng::new(seed.wrapping_add(1));
    (0..length).map(|_| (rng.below(into as u32), rng.sign())).collect()
}

#[cfg(test)]
mod tests;
