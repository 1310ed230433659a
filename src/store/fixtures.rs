//! Small made-up pages for tests: the same numbers give the same page, always.

use std::collections::BTreeMap;

use crate::store::{Condition, Filter, QueryNode, QueryVector, Scoring, StoreQuery};
use crate::types::{
    ContentHash, Datatype, DocumentId, Generation, Grid, HnswSpec, Multivector, NamedVector, PagePayload, PagePoint,
    PointId, RecipeId, Schema, SearchParams, SparseVector, Tenant, Tiers, TokenLayout, VectorKind, VectorName,
    VectorSpec, length_prefixed,
};

/// Dimension of `patches`. Below 32 the engine multiplies half-precision numbers in half precision.
pub const DIM: usize = 32;
/// Whose pages they are, unless said otherwise.
pub const TENANT: &str = "acme";
/// Dimension of the dense vector.
pub const FDE_DIM: usize = 16;

/// A stream of made-up numbers (splitmix64).
pub struct Noise(u64);

impl Noise {
    /// Mixed once, or neighbouring seeds would give one stream at two places.
    pub fn new(seed: u64) -> Self {
        Self(Self(seed).next())
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// In -1.0..1.0.
    pub fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.float()).collect()
    }

    /// `count` entries among `0..terms`.
    pub fn sparse(&mut self, count: usize, terms: u64) -> SparseVector {
        SparseVector::from_maxima((0..count).map(|_| (self.below(terms) as u32, self.float().abs() + 0.01)).collect())
    }
}

/// `patches` (multivector, float16, on disk), `fde` (dense with a graph), `anchors` and `text` (sparse).
pub fn schema() -> Schema {
    let spec = |name, kind, datatype| VectorSpec {
        name,
        kind,
        datatype,
        on_disk: false,
        hnsw: None,
        quantization: None,
        memory: Tiers::default(),
    };
    let patches = spec(VectorName::Patches, VectorKind::Multi { dim: DIM }, Datatype::Float16);
    let fde = spec(VectorName::Fde, VectorKind::Dense { dim: FDE_DIM }, Datatype::Float32);
    Schema {
        vectors: vec![
            VectorSpec { on_disk: true, ..patches },
            VectorSpec { hnsw: Some(HnswSpec { m: 8, ef_construct: 32 }), ..fde },
            spec(VectorName::Anchors, VectorKind::SparseIdf, Datatype::Float32),
            spec(VectorName::Text, VectorKind::SparseIdf, Datatype::Float32),
        ],
    }
}

/// What makes up a page; everything else follows from it.
#[derive(Debug, Clone)]
pub struct Page {
    pub tenant: &'static str,
    pub document: u64,
    pub page: u32,
    /// Which version of the document.
    pub version: u64,
    /// Rows of `patches`.
    pub patches: usize,
    pub text: bool,
    pub tags: Vec<(&'static str, &'static str)>,
}

impl Page {
    pub fn new(document: u64, page: u32) -> Self {
        Self { tenant: TENANT, document, page, version: 1, patches: 5, text: true, tags: vec![] }
    }

    pub fn tenant(self, tenant: &'static str) -> Self {
        Self { tenant, ..self }
    }

    pub fn without_text(self) -> Self {
        Self { text: false, ..self }
    }

    pub fn patches(self, patches: usize) -> Self {
        Self { patches, ..self }
    }

    pub fn tag(mut self, key: &'static str, value: &'static str) -> Self {
        self.tags.push((key, value));
        self
    }

    pub fn source(&self) -> String {
        format!("/documents/{}.pdf", self.document)
    }

    pub fn document_id(&self) -> DocumentId {
        DocumentId::new(&Tenant(self.tenant.into()), "documents", &self.source())
    }

    pub fn generation(&self) -> Generation {
        // Any 32 digits do; these give the order of points that the suite was written with.
        let version = ContentHash::of(&self.version.to_le_bytes());
        let hash = blake3::hash(&length_prefixed([version.0.as_bytes(), b"recipe".as_slice()]));
        Generation(hash.to_hex()[..32].to_owned())
    }

    pub fn id(&self) -> PointId {
        PointId::new(self.document_id(), &self.generation(), self.page)
    }

    pub fn point(&self) -> PagePoint {
        let mut noise = Noise::new((self.version * 1_000_000 + self.document) * 1000 + u64::from(self.page));
        let patches = Multivector::new(DIM, noise.floats(self.patches * DIM)).unwrap();
        let mut vectors = BTreeMap::from([
            (VectorName::Patches, NamedVector::Multi(patches)),
            (VectorName::Fde, NamedVector::Dense(noise.floats(FDE_DIM))),
            (VectorName::Anchors, NamedVector::Sparse(noise.sparse(12, 40))),
        ]);
        let text = if self.text { noise.sparse(6, 30) } else { SparseVector::default() };
        vectors.insert(VectorName::Text, NamedVector::Sparse(text));
        PagePoint { id: self.id(), vectors, payload: self.payload() }
    }

    pub fn payload(&self) -> PagePayload {
        PagePayload {
            tenant: Tenant(self.tenant.into()),
            document_id: self.document_id(),
            generation: self.generation(),
            source: self.source(),
            title: format!("Document {}", self.document),
            author: self.document.is_multiple_of(2).then(|| "Ada".to_owned()),
            created: (!self.document.is_multiple_of(3))
                .then(|| format!("2024-05-{:02}T08:00:00Z", self.document % 28 + 1)),
            section_title: Some("Introduction".into()),
            breadcrumbs: vec!["Part one".into(), "Introduction".into()],
            page: self.page,
            page_count: 100,
            page_label: None,
            anchor: format!("#page={}", self.page),
            tags: self.tags.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect(),
            text_unreadable: false,
            text: format!("page {} of document {}", self.page, self.document),
            language: Some("en".into()),
            content_hash: ContentHash::of(&self.version.to_le_bytes()),
            recipe: RecipeId("recipe".into()),
            model: "model@1".into(),
            layout: (&TokenLayout::full(Grid { rows: 1, cols: self.patches as u32 })).into(),
            page_size: [595.25, 842.0],
            image_size: [1654, 2339],
            image: format!("images/{}/{}.jpg", self.document, self.page),
            boxes: None,
            ingested_at: "2025-01-02T03:04:05Z".into(),
        }
    }
}

/// Pages `1..=pages` of documents `1..=documents`.
pub fn pages(documents: u64, pages: u32) -> Vec<Page> {
    (1..=documents).flat_map(|document| (1..=pages).map(move |page| Page::new(document, page))).collect()
}

pub fn points(pages: &[Page]) -> Vec<PagePoint> {
    pages.iter().map(Page::point).collect()
}

/// A question of `rows` made-up token vectors.
pub fn question(seed: u64, rows: usize) -> Multivector {
    Multivector::new(DIM, Noise::new(seed ^ 0x5eed_0000).floats(rows * DIM)).unwrap()
}

/// A stage that scans: no graph, no quantization.
pub fn nearest(using: VectorName, vector: QueryVector, limit: usize) -> QueryNode {
    QueryNode {
        scoring: Some(Scoring::Nearest { using, vector }),
        prefetch: vec![],
        conditions: vec![],
        params: SearchParams { exact: true, ..SearchParams::default() },
        score_threshold: None,
        limit,
    }
}

pub fn by_patches(question: &Multivector, limit: usize) -> QueryNode {
    nearest(VectorName::Patches, QueryVector::Multi(question.clone()), limit)
}

/// Of the pages of [`TENANT`].
pub fn query(root: QueryNode) -> StoreQuery {
    StoreQuery { filter: all(), root }
}

/// Every page of [`TENANT`].
pub fn all() -> Filter {
    Filter::of(&Tenant(TENANT.into()))
}

/// The pages of [`TENANT`] for which the condition holds.
pub fn only(condition: Condition) -> Filter {
    all().with([condition])
}
