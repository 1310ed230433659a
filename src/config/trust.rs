//! What a file may not say that nobody chose. A `quire.yaml` that merely lies in the current folder may be anybody's: it
//! came with an archive, a repository, a shared folder. It may say how Quire works; it may not name code that is run, send
//! anything anywhere, read the environment, or bring a model.

use super::report::Mistakes;
use super::tree::{Node, Value};

/// Keys that count, with all below them, only from a file that the user chose, from a variable or from a flag; and what
/// they do. Whoever adds a section, or a key to one, that names code or a place that anything is sent to adds it here.
const TRUSTED_ONLY: &[(&str, &str)] = &[
    ("native", "names code that is run"),
    ("ledger", "says where the names of documents are sent"),
    ("blobs", "says where pages are sent"),
    ("answer.vlm", "says where pages, questions and keys are sent"),
    ("server", "says who may ask, and from where"),
    ("pipelines", "names what is read, and may delete"),
    ("urls", "lets anything be fetched, and says from where"),
    ("store.url", "says where pages, questions and keys are sent"),
];

/// Reports what `root` says and may not. `remedy` tells where it may stand.
pub(super) fn check(root: &Node, remedy: &str, mistakes: &mut Mistakes) {
    for (path, deed) in TRUSTED_ONLY {
        if let Some(key) = root.key(path) {
            mistakes.add(&key.origin, *path, format!("this {deed}; {remedy}"));
        }
    }
    if let Some(Node { origin, value: Value::Scalar(model) }) = root.get("model")
        && model.text.contains(std::path::MAIN_SEPARATOR)
    {
        mistakes.add(origin, "model", format!("'{}' is a path, not a name: it brings a model; {remedy}", model.text));
    }
}

#[cfg(test)]
pub(super) fn trusted_only() -> impl Iterator<Item = &'static str> {
    TRUSTED_ONLY.iter().map(|(path, _)| *path)
}
