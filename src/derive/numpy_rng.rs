//! The part of numpy's random generator that FastEmbed's MUVERA draws from: `default_rng(seed)` with `normal` and
//! `choice([-1, 1])`. Sources: numpy's `bit_generator.pyx` (SeedSequence), `pcg64.h`, `distributions.c` (ziggurat).
//!
//! Integers are numpy's bit for bit. The ziggurat's tables are computed here instead of copied, so a normal differs
//! from numpy's by 2e-14 of its value at most.

use std::sync::LazyLock;

const PCG_MULTIPLIER: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;

/// PCG XSL-RR 128/64, seeded as `numpy.random.default_rng` seeds it.
pub(super) struct NumpyRng {
    state: u128,
    increment: u128,
    /// The upper half of a 64-bit word whose lower half has been handed out.
    buffered: Option<u32>,
}

impl NumpyRng {
    pub fn new(seed: u64) -> Self {
        let [w0, w1, w2, w3] = seed_sequence(seed);
        let pair = |high: u64, low: u64| u128::from(high) << 64 | u128::from(low);
        let mut rng = Self { state: 0, increment: pair(w2, w3) << 1 | 1, buffered: None };
        rng.step();
        rng.state = rng.state.wrapping_add(pair(w0, w1));
        rng.step();
        rng
    }

    fn step(&mut self) {
        self.state = self.state.wrapping_mul(PCG_MULTIPLIER).wrapping_add(self.increment);
    }

    fn next_u64(&mut self) -> u64 {
        self.step();
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        folded.rotate_right((self.state >> 122) as u32)
    }

    fn next_u32(&mut self) -> u32 {
        if let Some(high) = self.buffered.take() {
            return high;
        }
        let word = self.next_u64();
        self.buffered = Some((word >> 32) as u32);
        word as u32
    }

    fn next_double(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// One element of `choice([-1, 1])`: Lemire's method never rejects for two values.
    pub fn sign(&mut self) -> f32 {
        if self.next_u32() >> 31 == 0 { -1.0 } else { 1.0 }
    }

    /// Evenly in `0..bound`, by multiplication of 32 bits; the bias of `bound / 2^32` does not matter where it is used.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    /// One element of `normal()`: the ziggurat of 256 layers.
    pub fn normal(&mut self) -> f64 {
        let tables = &*TABLES;
        loop {
            let word = self.next_u64();
            let layer = (word & 0xff) as usize;
            let negative = word >> 8 & 1 == 1;
            let bits = word >> 9 & 0x000f_ffff_ffff_ffff;
            let x = bits as f64 * tables.width[layer];
            let signed = if negative { -x } else { x };
            if bits < tables.inside[layer] {
                return signed;
            }
            if layer == 0 {
                return self.tail(bits >> 8 & 1 == 1);
            }
            let (upper, lower) = (tables.density[layer - 1], tables.density[layer]);
            if (upper - lower) * self.next_double() + lower < (-0.5 * x * x).exp() {
                return signed;
            }
        }
    }

    /// Beyond the last layer.
    fn tail(&mut self, negative: bool) -> f64 {
        loop {
            let x = -(-self.next_double()).ln_1p() / TAIL_START;
            let y = -(-self.next_double()).ln_1p();
            if y + y > x * x {
                return if negative { -(TAIL_START + x) } else { TAIL_START + x };
            }
        }
    }
}

/// Where the last layer of the ziggurat ends.
const TAIL_START: f64 = 3.654_152_885_361_009;
/// Area of a layer: `R f(R)` plus the tail.
const LAYER_AREA: f64 = 0.004_928_673_233_974_655;

struct Tables {
    /// x of a layer's right edge, over 2^52.
    width: [f64; 256],
    /// The normal density, up to its constant, at the right edge.
    density: [f64; 256],
    /// Bits below this lie within the layer above too.
    inside: [u64; 256],
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    const BITS: f64 = (1u64 << 52) as f64;
    let density = |x: f64| (-0.5 * x * x).exp();
    // edges[i] is x_i; edges[256] is where the lowest layer, with the tail, would end were it a rectangle.
    let mut edges = [0.0; 257];
    edges[256] = LAYER_AREA / density(TAIL_START);
    edges[255] = TAIL_START;
    for i in (1..255).rev() {
        edges[i] = (-2.0 * (LAYER_AREA / edges[i + 1] + density(edges[i + 1])).ln()).sqrt();
    }
    let mut tables = Tables { width: [0.0; 256], density: [1.0; 256], inside: [0; 256] };
    tables.width[0] = edges[256] / BITS;
    tables.inside[0] = (TAIL_START / edges[256] * BITS) as u64;
    for i in 1..256 {
        tables.width[i] = edges[i] / BITS;
        tables.density[i] = density(edges[i]);
        tables.inside[i] = (edges[i - 1] / edges[i] * BITS) as u64;
    }
    tables
});

/// `SeedSequence(seed).generate_state(4, uint64)`.
fn seed_sequence(seed: u64) -> [u64; 4] {
    let mut constant = 0x43b0_d7e5_u32;
    let mut hash = |value: u32| {
        let value = value ^ constant;
        constant = constant.wrapping_mul(0x931e_8875);
        let value = value.wrapping_mul(constant);
        value ^ value >> 16
    };
    let mix = |x: u32, y: u32| {
        let mixed = x.wrapping_mul(0xca01_f9dd).wrapping_sub(y.wrapping_mul(0x4973_f715));
        mixed ^ mixed >> 16
    };
    let mut pool = [seed as u32, (seed >> 32) as u32, 0, 0].map(&mut hash);
    for from in 0..4 {
        for to in 0..4 {
            if from != to {
                pool[to] = mix(pool[to], hash(pool[from]));
            }
        }
    }
    let mut constant = 0x8b51_f9dd_u32;
    let mut words = pool.iter().cycle().map(|&value| {
        let value = value ^ constant;
        constant = constant.wrapping_mul(0x58f3_8ded);
        let value = value.wrapping_mul(constant);
        u64::from(value ^ value >> 16)
    });
    std::array::from_fn(|_| {
        let low = words.next().unwrap_or_default();
        low | words.next().unwrap_or_default() << 32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_42_gives_numpys_words() {
        assert_eq!(
            seed_sequence(42),
            [0x9f1e_2e6d_cd54_0ab7, 0xd578_73dc_79fb_94b6, 0x7d28_2a1b_64d4_20b7, 0x3365_7971_4692_d5ff]
        );
        let mut rng = NumpyRng::new(42);
        let raw: Vec<u64> = (0..4).map(|_| rng.next_u64()).collect();
        assert_eq!(raw, [0xc621_fbcd_16d9_2688, 0x705a_5661_a791_ffc1, 0xdbcd_12c2_6eda_1624, 0xb286_b60e_1600_888d]);
    }

    #[test]
    fn seed_42_gives_numpys_signs() {
        let mut rng = NumpyRng::new(42);
        let signs: Vec<f32> = (0..8).map(|_| rng.sign()).collect();
        assert_eq!(signs, [-1.0, 1.0, 1.0, -1.0, -1.0, 1.0, -1.0, 1.0]);
    }

    #[test]
    fn seed_42_gives_numpys_normals() {
        let mut rng = NumpyRng::new(42);
        for expected in
            [0.304_717_079_754_431_35, -1.039_984_106_240_495_5, 0.750_451_195_806_457_2, 0.940_564_716_391_213_9]
        {
            let found = rng.normal();
            assert!((found - expected).abs() < 1e-13, "{found} instead of {expected}");
        }
    }

    #[test]
    fn a_long_stream_stays_with_numpys() {
        // numpy: sum(default_rng(7).normal(size=300_000)) and its largest absolute value, which lies in the tail.
        let mut rng = NumpyRng::new(7);
        let (mut sum, mut largest) = (0.0, 0.0f64);
        for _ in 0..300_000 {
            let value = rng.normal();
            sum += value;
            largest = largest.max(value.abs());
        }
        assert!((sum - 101.393_345_355_264_97).abs() < 1e-7, "{sum}");
        assert!((largest - 4.522_829_666_849_905).abs() < 1e-12, "{largest}");
    }

    #[test]
    fn seeds_beyond_32_bits_count_in_full() {
        let mut rng = NumpyRng::new((1 << 40) + 3);
        let found = rng.normal();
        assert!((found - -0.17721801709757748).abs() < 1e-13, "{found}");
    }
}
