//! The integer weights of one axis, as Pillow computes them.

/// Resampling filters by their Pillow names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    Box,
    Bilinear,
    /// Catmull-Rom: a = -0.5.
    Bicubic,
    /// Three lobes.
    Lanczos,
}

/// Fraction bits of a weight: 32 minus 8 bits of pixel minus 2 bits of room for weights whose sum exceeds 1.
pub(super) const PRECISION_BITS: u32 = 22;

impl Filter {
    /// Half the width of the filter, in output pixels.
    fn support(self) -> f64 {
        match self {
            Self::Box => 0.5,
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    fn at(self, x: f64) -> f64 {
        match self {
            Self::Box => f64::from(u8::from(x > -0.5 && x <= 0.5)),
            Self::Bilinear => (1.0 - x.abs()).max(0.0),
            Self::Bicubic => bicubic(x.abs()),
            Self::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Self::Lanczos => 0.0,
        }
    }
}

fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * std::f64::consts::PI;
    x.sin() / x
}

/// For each output position, which input positions it sums and with what weights.
pub(super) struct AxisWeights {
    pub input_len: usize,
    /// `[outputs]`: the first input position of each.
    pub starts: Vec<usize>,
    /// `[outputs, taps]`, scaled by 2^22; positions that an output does not use weigh 0.
    pub weights: Vec<i32>,
    /// Positions of the widest output.
    pub taps: usize,
}

impl AxisWeights {
    pub fn new(input_len: usize, output_len: usize, filter: Filter) -> Self {
        let scale = input_len as f64 / output_len as f64;
        let filter_scale = scale.max(1.0);
        let support = filter.support() * filter_scale;
        let inverse = 1.0 / filter_scale;
        let mut axis = Self { input_len, starts: Vec::with_capacity(output_len), weights: Vec::new(), taps: 0 };
        let mut all: Vec<Vec<f64>> = Vec::with_capacity(output_len);
        for output in 0..output_len {
            let centre = (output as f64 + 0.5) * scale;
            // `as` truncates towards zero and saturates at 0, which is the clamp that Pillow does.
            let start = (centre - support + 0.5) as usize;
            let end = ((centre + support + 0.5) as usize).min(input_len);
            let mut raw: Vec<f64> =
                (start..end).map(|position| filter.at((position as f64 - centre + 0.5) * inverse)).collect();
            let sum: f64 = raw.iter().sum();
            if sum != 0.0 {
                raw.iter_mut().for_each(|weight| *weight /= sum);
            }
            axis.taps = axis.taps.max(raw.len());
            axis.starts.push(start);
            all.push(raw);
        }
        axis.weights = vec![0; output_len * axis.taps];
        for (row, raw) in axis.weights.chunks_exact_mut(axis.taps.max(1)).zip(&all) {
            for (weight, raw) in row.iter_mut().zip(raw) {
                *weight = (raw * f64::from(1u32 << PRECISION_BITS) + 0.5f64.copysign(*raw)) as i32;
            }
        }
        axis
    }

    pub fn outputs(&self) -> usize {
        self.starts.len()
    }

    /// Weights of one output, `[taps]`, cut so that they stay inside the input.
    pub fn of(&self, output: usize) -> (usize, &[i32]) {
        let start = self.starts[output];
        let used = self.taps.min(self.input_len - start);
        (start, &self.weights[output * self.taps..][..used])
    }
}
