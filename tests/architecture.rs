//! Dependencies point down only: main -> cli -> service -> server -> app -> ingest, answer -> retrieve -> source, render, embed, derive,
//! store, blobs, ledger -> config -> types, error. Rooms of one level don't import each other.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is wrong")]

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms by level, top first.
const LEVELS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["service"],
    &["server"],
    &["app"],
    &["ingest", "answer"],
    &["retrieve"],
    &["source", "render", "embed", "derive", "store", "blobs", "ledger"],
    &["telemetry", "faults", "durable", "buckets"],
    &["config"],
    &["types", "error"],
];

/// Pairs of one level that may know each other: the identities and results in types carry the error type.
const NEIGHBOURS: &[(&str, &str)] = &[("types", "error")];

fn level(room: &str) -> Option<usize> {
    LEVELS.iter().position(|rooms| rooms.contains(&room))
}

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The rooms that a file names by `crate::room`, also in groups: `use crate::{render, telemetry};`.
fn imports(text: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let group = group.split('}').next().unwrap_or_default();
            rooms.extend(group.split(',').map(|part| part.trim().split("::").next().unwrap_or_default().to_owned()));
        } else {
            rooms.push(rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect());
        }
    }
    rooms
}

#[test]
fn dependencies_point_down() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let mut wrong = Vec::new();
    let mut checked = 0;
    for file in &files {
        let relative = file.strip_prefix(&src).unwrap();
        let first = relative.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        let room = first.trim_end_matches(".rs").to_owned();
        if room == "lib" {
            continue;
        }
        let own = level(&room).unwrap_or_else(|| panic!("{room} has no level: give it one in LEVELS"));
        for import in imports(&fs::read_to_string(file).unwrap()) {
            let Some(other) = level(&import) else { continue };
            checked += 1;
            let allowed = import == room || other > own || NEIGHBOURS.contains(&(room.as_str(), import.as_str()));
            if !allowed {
                wrong.push(format!("{} uses {import}", relative.display()));
            }
        }
    }
    assert!(checked > 100, "only {checked} imports were seen: is this test still reading the code?");
    assert!(wrong.is_empty(), "these imports point up or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn every_room_says_what_it_is_for() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let silent: Vec<_> = files.iter().filter(|file| !fs::read_to_string(file).unwrap().starts_with("//!")).collect();
    assert!(silent.is_empty(), "these files don't begin with what they are for: {silent:?}");
}
