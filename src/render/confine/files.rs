//! Landlock: which files a worker may open (fonts, to read), and no network, no signals to others.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, Scope,
};
use walkdir::WalkDir;

use super::{Part, PartReport};

/// The newest version of Landlock whose rights are asked for; an older kernel gives those that it knows.
const NEWEST: ABI = ABI::V6;
/// From this version on Landlock knows the network.
const KNOWS_NETWORK: ABI = ABI::V4;
/// From this version on Landlock knows signals and abstract sockets.
const KNOWS_SIGNALS: ABI = ABI::V6;

/// Restricts this thread, and every thread that it starts, to reading what lies in `readable`.
pub(super) fn restrict(readable: &[&str]) -> [PartReport; 3] {
    let status = apply(with_targets_of_links(readable).into_iter().map(|path| {
        let access = AccessFs::ReadFile | AccessFs::ReadDir;
        (path, access)
    }));
    let report = |part, since: ABI, name: &str| {
        let missing = match &status {
            Ok(LandlockStatus::Available { effective_abi, .. }) if *effective_abi >= since => None,
            Ok(LandlockStatus::Available { .. }) => Some(format!("this kernel's Landlock is too old: {name} has it")),
            Ok(LandlockStatus::NotEnabled) => {
                Some("this kernel has Landlock switched off: name it in the boot parameter lsm=".into())
            }
            Ok(LandlockStatus::NotImplemented) => Some(format!("this kernel has no Landlock: {name} has it")),
            Err(error) => Some(error.to_string()),
        };
        PartReport { part, missing }
    };
    [
        report(Part::Files, ABI::V1, "Linux 5.13"),
        report(Part::Network, KNOWS_NETWORK, "Linux 6.7"),
        report(Part::Signals, KNOWS_SIGNALS, "Linux 6.12"),
    ]
}

/// Restricts this thread, and every program that it starts, to reading and running what lies in `runnable` or in `linked`, links there
/// followed, and to do as it likes in `own`, but for running what it wrote there. A kernel without Landlock does not.
pub(super) fn restrict_programs(runnable: &[PathBuf], linked: &Path, own: &[PathBuf]) {
    let running = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::Execute;
    let writing = AccessFs::from_all(NEWEST) & !AccessFs::Execute;
    let sink = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
    let runnable = runnable.iter().cloned().chain(with_targets_of_links(&[linked])).map(|path| (path, running));
    let own = own.iter().map(|path| (path.clone(), writing));
    let sinks = [(PathBuf::from("/dev/null"), sink)];
    // As with a worker that draws: what a kernel lacks `quire doctor` says.
    let _ = apply(runnable.chain(own).chain(sinks));
}

/// Allows what is listed, and nothing else.
fn apply(allowed: impl Iterator<Item = (PathBuf, BitFlags<AccessFs>)>) -> Result<LandlockStatus, RulesetError> {
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    for (path, access) in allowed {
        // What is not there cannot be read either.
        let Ok(open) = PathFd::new(&path) else { continue };
        let access = if path.is_dir() { access } else { access & AccessFs::from_file(NEWEST) };
        rules = rules.add_rule(PathBeneath::new(open, access))?;
    }
    Ok(rules.restrict_self()?.landlock)
}

/// The folders, and whatever links in them lead to: distributions keep fonts elsewhere and link to them, and Landlock looks
/// at where a file really lies.
fn with_targets_of_links<P: AsRef<Path>>(folders: &[P]) -> HashSet<PathBuf> {
    let mut known: HashSet<PathBuf> = HashSet::new();
    let mut pending: Vec<PathBuf> = folders.iter().filter_map(|folder| folder.as_ref().canonicalize().ok()).collect();
    while let Some(path) = pending.pop() {
        if !known.insert(path.clone()) {
            continue;
        }
        let links = WalkDir::new(&path).min_depth(1).into_iter().flatten().filter(|entry| entry.path_is_symlink());
        pending.extend(links.filter_map(|link| link.path().canonicalize().ok()));
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_among_fonts_are_followed_to_where_the_fonts_lie() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().canonicalize().unwrap().join(name);
        for folder in ["fonts", "elsewhere", "farther"] {
            std::fs::create_dir(at(folder)).unwrap();
        }
        std::fs::write(at("one.ttf"), "").unwrap();
        let link = |from: PathBuf, to: PathBuf| std::os::unix::fs::symlink(to, from).unwrap();
        link(at("fonts/family"), at("elsewhere"));
        link(at("fonts/one.ttf"), at("one.ttf"));
        link(at("elsewhere/more"), at("farther"));
        link(at("farther/back"), at("fonts"));
        link(at("fonts/gone"), at("nowhere"));
        let folder = at("fonts");
        let found = with_targets_of_links(&[folder.to_str().unwrap(), "/no/such/folder"]);
        assert_eq!(found, ["fonts", "elsewhere", "farther", "one.ttf"].map(at).into());
    }
}
