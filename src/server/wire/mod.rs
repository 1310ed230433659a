//! What goes over the wire: the shapes of requests and answers, and their schemas. They are those that the commands print with
//! `--json`; what only a server has is added, and nothing left out.

mod answer;
mod documents;
mod failures;
mod hits;
mod question;

pub use answer::{AnswerBody, CitedBody, DeltaBody, FoundBody};
pub use documents::{
    CollectionBody, CollectionsBody, DeletedBody, DocumentBody, DocumentsBody, EventBody, PageBody, RunBody,
    StatusBody, StoryBody, UploadedBody,
};
pub use failures::Failures;
pub use hits::SearchBody;
pub use question::{AskRequest, SearchRequest};
