//! Pure data that every room may use: ids and hashes, documents, pages, vectors, points, plans. No I/O, no dependencies on
//! other rooms, nothing that can block.

mod access;
mod boxes;
mod codebook;
mod derive;
mod device;
mod document;
mod ids;
mod layout;
mod note;
mod page;
mod plan;
mod point;
mod priority;
mod question;
mod render;
mod schema;
mod vectors;

pub use access::{ALLOWED, Groups, Permission, allowed, allowed_tag, check_group};
pub use boxes::PackedBoxes;
pub use codebook::{Codebook, Norms, PrincipalComponents, RoundedEntries};
pub use derive::{DeriveSettings, FdeSettings, TextSettings};
pub use device::Device;
pub use document::{Attachment, DocumentInfo, KEPT, OutlineEntry, Section, SourceRef, UPLOADED, is_kept, is_on_web};
pub use ids::{ContentHash, DocumentId, Generation, PointId, RecipeId, Tenant, length_prefixed};
pub use layout::{Grid, Lines, PackedLayout, PayloadLayout, Scale, TokenLayout};
pub use note::Note;
pub use page::{PageImage, Rect, RenderedPage, TextLayer, Word};
pub use plan::{Fusion, Lacking, MAX_PREFETCH_DEPTH, Plan, Rerank, SearchParams, Stage};
pub use point::{PagePayload, PagePoint, StoredPage};
pub use priority::Priority;
pub use question::QuestionEmbedding;
pub use render::{OwnLimits, RenderLimits, RenderSettings};
pub use schema::{
    BinaryEncoding, BinaryQueryEncoding, Datatype, HnswSpec, MAX_DENSE_DIM, MAX_MULTIVECTOR_FLOATS, MemoryTier,
    ProductRatio, Quantization, Schema, Tiers, TurboBits, VectorKind, VectorSpec,
};
pub use vectors::{Multivector, NamedVector, PageEmbedding, SparseVector, VectorName};
