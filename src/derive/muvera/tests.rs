//! Encodings against FastEmbed's own, and what must hold for any.

use super::*;

/// One case of tests/fixtures/muvera/cases.json, written by the make.py beside it with FastEmbed.
#[derive(serde::Deserialize)]
struct Case {
    n: usize,
    dim: usize,
    k_sim: usize,
    dim_proj: usize,
    r_reps: usize,
    seed: u64,
    document: Summary,
    query: Summary,
}

#[derive(serde::Deserialize)]
struct Summary {
    len: usize,
    norm: f64,
    /// Every `step`-th component.
    step: usize,
    values: Vec<f64>,
}

impl Summary {
    fn check(&self, encoding: &[f32], name: &str) {
        assert_eq!(encoding.len(), self.len, "{name}");
        let norm = encoding.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        assert!((norm - self.norm).abs() < 1e-6 * self.norm, "{name}: norm {norm} instead of {}", self.norm);
        // Components are sums with cancellation: what counts is the error beside the size of a component.
        let size = self.norm / (self.len as f64).sqrt();
        for (at, (found, expected)) in encoding.iter().step_by(self.step).zip(&self.values).enumerate() {
            let error = (f64::from(*found) - expected).abs();
            assert!(error < 1e-5 * expected.abs().max(size), "{name}: component {at} is {found}, expected {expected}");
        }
    }
}

/// The same vectors as `vectors` in make.py.
fn vectors(n: usize, dim: usize) -> Multivector {
    let mut state = (n * 1000 + dim) as u64;
    let mut data = Vec::with_capacity(n * dim);
    for _ in 0..n {
        let row: Vec<f64> = (0..dim)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
            })
            .collect();
        let norm = row.iter().map(|value| value * value).sum::<f64>().sqrt();
        data.extend(row.iter().map(|value| (value / norm) as f32));
    }
    Multivector::new(dim, data).unwrap()
}

fn settings(k_sim: usize, dim_proj: usize, r_reps: usize, seed: u64) -> FdeSettings {
    FdeSettings { k_sim, dim_proj, r_reps, seed, final_dim: None }
}

#[test]
fn encodings_equal_fastembeds() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../../tests/fixtures/muvera/cases.json")).unwrap();
    assert!(cases.len() >= 6);
    for case in cases {
        let name = format!("{} x {}, k {} proj {}", case.n, case.dim, case.k_sim, case.dim_proj);
        let muvera = Muvera::new(case.dim, &settings(case.k_sim, case.dim_proj, case.r_reps, case.seed)).unwrap();
        let vectors = vectors(case.n, case.dim);
        case.document.check(&muvera.document(&vectors).unwrap(), &format!("document {name}"));
        case.query.check(&muvera.query(&vectors).unwrap(), &format!("query {name}"));
    }
}

/// Small enough to be followed by hand; values from FastEmbed.
#[test]
fn three_vectors_of_four_dimensions() {
    let muvera = Muvera::new(4, &settings(2, 2, 2, 42)).unwrap();
    let data = vec![1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.5, -0.5, 0.5, 0.5];
    let vectors = Multivector::new(4, data).unwrap();
    let document = [-1.0, 2.0, -1.0, 1.0, -1.0, 2.0, 1.0, -1.0, -1.5, 1.5, -1.0, 1.0, -1.0, 1.0, 1.0, -1.0];
    let query = [-1.0, 2.0, -1.0, 1.0, 0.0, 0.0, 1.0, -1.0, -3.0, 3.0, 0.0, 0.0, 0.0, 0.0, 1.0, -1.0];
    for (found, expected) in [(muvera.document(&vectors), document), (muvera.query(&vectors), query)] {
        for (found, expected) in found.unwrap().iter().zip(expected) {
            assert!((found - expected * 0.5f32.sqrt()).abs() < 1e-6, "{found} instead of {expected} / sqrt 2");
        }
    }
}

#[test]
fn a_final_projection_keeps_dot_products_roughly() {
    let (page, question) = (vectors(300, 128), vectors(300, 128));
    let plain = settings(4, 16, 20, 42);
    let short = FdeSettings { final_dim: Some(2048), ..plain };
    let dot = |settings: &FdeSettings| {
        let muvera = Muvera::new(128, settings).unwrap();
        let (a, b) = (muvera.document(&page).unwrap(), muvera.query(&question).unwrap());
        assert_eq!(a.len(), settings.len());
        a.iter().zip(&b).map(|(a, b)| f64::from(a * b)).sum::<f64>()
    };
    let (exact, sketched) = (dot(&plain), dot(&short));
    assert!((exact - sketched).abs() < 0.1 * exact.abs(), "{exact} and {sketched}");
}

#[test]
fn wrong_parameters_are_named() {
    for (dim, settings, says) in [
        (128, settings(0, 16, 20, 1), "k_sim is 0"),
        (8, settings(5, 16, 20, 1), "dim_proj is 16"),
        (128, settings(5, 16, 0, 1), "r_reps"),
        (128, settings(10, 128, 20, 1), "2621440 dimensions"),
    ] {
        let error = Muvera::new(dim, &settings).err().unwrap();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn a_shared_encoder_is_made_once() {
    let first = Muvera::shared(16, &settings(2, 4, 3, 77)).unwrap();
    assert!(Arc::ptr_eq(&first, &Muvera::shared(16, &settings(2, 4, 3, 77)).unwrap()));
    assert!(!Arc::ptr_eq(&first, &Muvera::shared(16, &settings(2, 4, 3, 78)).unwrap()));
}
