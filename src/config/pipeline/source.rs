//! `source` of a pipeline: which keys go together, and what becomes of them.

use std::path::{Path, PathBuf};

use super::Source;
use super::wire::{SourceKind, SourceWire};
use crate::config::blobs::Bucket;
use crate::config::env::Environment;
use crate::config::report::Mistakes;
use crate::config::tree::Node;
use crate::config::values::resolve;
use crate::types::is_on_web;

/// What only a source of files can have, and what only one of URLs.
const OF_FILES: [&str; 4] = ["paths", "include", "exclude", "follow_symlinks"];
const OF_URLS: [&str; 2] = ["urls", "file"];

impl SourceWire {
    /// The validated form; relative paths start at `folder`.
    pub(super) fn into_source(
        self,
        folder: Option<&Path>,
        root: &Node,
        environment: &Environment,
        mistakes: &mut Mistakes,
    ) -> Source {
        self.check(root, mistakes);
        let is_web = self.kind == SourceKind::Urls;
        let path = |path: &String| match Bucket::is_address(path) {
            true => PathBuf::from(path),
            false => resolve(path, folder, environment),
        };
        Source {
            paths: match is_web {
                true => self.urls.into_iter().map(PathBuf::from).collect(),
                false => self.paths.iter().map(path).collect(),
            },
            url_list: self.file.map(|file| resolve(&file, folder, environment)),
            is_web,
            include: self.include,
            exclude: self.exclude,
            follow_symlinks: self.follow_symlinks,
            prune: self.prune,
            watch: self.watch,
        }
    }

    fn check(&self, root: &Node, mistakes: &mut Mistakes) {
        let (alien, kind) = match self.kind {
            SourceKind::Files => (OF_URLS.as_slice(), "files"),
            SourceKind::Urls => (OF_FILES.as_slice(), "urls"),
        };
        for path in alien.iter().map(|key| format!("source.{key}")).filter(|path| root.has(path)) {
            mistakes.add(root.locate(&path), &path, format!("a source of type {kind} has no such key"));
        }
        let missing = match self.kind {
            SourceKind::Files if self.paths.is_empty() => "key 'paths' is missing: a list is expected",
            SourceKind::Urls if self.urls.is_empty() && self.file.is_none() => {
                "keys 'urls' and 'file' are missing: one of them is expected"
            }
            _ => "",
        };
        if !missing.is_empty() {
            mistakes.add(root.locate("source"), "source", missing);
        }
        for (index, _) in self.paths.iter().enumerate().filter(|(_, path)| is_on_web(path)) {
            let path = format!("source.paths[{index}]");
            let expected = "this is an address on the web: `type: urls` and `urls: [...]` are expected for it";
            mistakes.add(root.locate(&path), &path, expected);
        }
    }
}
