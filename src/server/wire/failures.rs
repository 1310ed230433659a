//! The problems that a route may answer with, for the OpenAPI document.

use std::collections::BTreeMap;

use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, response::Response};

use crate::server::problem::PROBLEM_JSON;

/// Every problem: which of them a request meets, its circumstances decide.
pub struct Failures;

const ALL: [(&str, &str); 12] = [
    ("400", "The request says something that makes no sense"),
    ("401", "No key that holds"),
    ("403", "The key is not for that, a signed link holds no more, or the request came under a foreign name"),
    ("404", "There is none, or it is somebody else's"),
    ("405", "Nothing here answers to this method"),
    ("408", "The request took longer than server.limits.request_s allows"),
    ("413", "Larger than allowed"),
    ("415", "Another kind of body is expected"),
    ("422", "The body is understood, and can't be done"),
    ("429", "Too much at once; Retry-After says when to come again"),
    ("500", "A fault of the service"),
    ("503", "Something that the service needs is away, or it is ending"),
];

impl utoipa::IntoResponses for Failures {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = |description: &str| {
            let schema = Ref::from_schema_name("Problem");
            let content = ContentBuilder::new().schema(Some(schema)).build();
            RefOr::T(ResponseBuilder::new().description(description).content(PROBLEM_JSON, content).build())
        };
        ALL.iter().map(|(status, description)| ((*status).to_owned(), problem(description))).collect()
    }
}
