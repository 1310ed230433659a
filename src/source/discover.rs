//! From the paths that somebody named to the files that are meant.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{FileType, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::glob::Glob;
use super::prune::WalkedRoot;
use super::uri::{same_name, source_uri};
use super::web::ListName;
use crate::config::{Pipeline, Source};
use crate::error::{Blame, Error, Result, ResultExt, io_error};
use crate::types::{ContentHash, SourceRef};

/// Files that a walk takes unless told otherwise, in lower case.
pub const EXTENSIONS: [&str; 24] = [
    "pdf", "png", "jpg", "jpeg", "jpe", "jfif", "webp", "tif", "tiff", // drawn as they are
    "docx", "docm", "doc", "rtf", "odt", "xlsx", "xlsm", "xls", "ods", "pptx", "pptm", "ppsx", "ppt", "pps", "odp",
];

/// What the names of files begin with that office programs put beside an open document, under its own ending.
const LOCK_FILES: &[u8] = b"~$";

/// How folders are walked. Files that were named themselves are always taken.
///
/// Patterns are globs: `*.pdf` means names in any folder, `reports/**/*.pdf` paths below the folder that was named;
/// case does not matter.
#[derive(Debug, Clone, Default)]
pub struct Discover {
    /// Files to take; empty: those with one of [`EXTENSIONS`].
    pub include: Vec<String>,
    /// Files and folders to leave out.
    pub exclude: Vec<String>,
    /// Take files and folders behind symbolic links; else links below the folders that were named are passed over.
    pub follow_symlinks: bool,
    /// Take files and enter folders whose name begins with a dot.
    pub hidden: bool,
    /// Files with addresses on the web, one a line.
    pub url_lists: Vec<PathBuf>,
    /// Addresses on the web are all that this list names; None: somebody named some.
    pub list: Option<ListName>,
    /// Folders that are never entered: those where Quire keeps its own images.
    pub never_enter: Vec<PathBuf>,
}

impl From<&Source> for Discover {
    /// How a pipeline's source wants its folders walked.
    fn from(source: &Source) -> Self {
        Self {
            include: source.include.clone(),
            exclude: source.exclude.clone(),
            follow_symlinks: source.follow_symlinks,
            url_lists: source.url_list.iter().cloned().collect(),
            ..Self::default()
        }
    }
}

impl Discover {
    /// How a pipeline reads all of its source: an address that its list names no more is gone.
    pub fn all_of(pipeline: &Pipeline, source: &Source) -> Self {
        let name = || ListName { collection: pipeline.collection.clone(), pipeline: pipeline.name.clone() };
        Self { list: source.is_web.then(name), ..Self::from(source) }
    }
}

/// A file that is there to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Absolute, as it was found: what the document is known by.
    pub path: PathBuf,
    /// `path` with every link resolved: what is opened to submit it. Another one than `path` only where the user asked for
    /// links: a link that was named, or with [`Discover::follow_symlinks`].
    pub real: PathBuf,
    pub source: SourceRef,
    pub size_bytes: u64,
    /// What is known of its content without reading it: an object's version, or that of a document on the web that is as it was.
    /// None: a file, to be hashed, or a document to be fetched.
    pub version: Option<ContentHash>,
}

/// What a walk found.
#[derive(Debug, Default)]
pub struct Discovery {
    /// In order of path, each file once.
    pub files: Vec<SourceFile>,
    /// The folders that were named, each once.
    pub roots: Vec<WalkedRoot>,
    /// What could not be looked at; the rest went on.
    pub problems: Vec<(PathBuf, Error)>,
    /// How many files, links and folders were passed over, by kind: an ending as `.epub`, or words.
    pub passed_over: BTreeMap<String, u64>,
    /// URIs of what was listed in buckets and passed over, or could not be asked for: it is not gone.
    pub left_out: Vec<String>,
    /// URIs on the web whose server says that there is no such document any more, and how it says so.
    pub gone: Vec<(String, String)>,
    /// URIs on the web that a list named before and none does any more.
    pub taken_off: BTreeSet<String>,
}

/// A kind of what a walk passes over: links are taken on request.
pub const LINKS: &str = "symbolic links";

/// Finds the files that `paths` mean. Reads folders, opens no file.
///
/// # Errors
/// Configuration where a path does not exist (all of them are named) or a pattern is broken.
pub fn discover(paths: &[PathBuf], options: &Discover) -> Result<Discovery> {
    let mut walk = Walk::new(options)?;
    let mut missing = Vec::new();
    for path in paths {
        match path.metadata() {
            Ok(metadata) => walk.named(path, &metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(path.display().to_string()),
            Err(error) => walk.problems.push((path.clone(), io_error("look at", path, error))),
        }
    }
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(Error::configuration(format!("{missing}: no such file or folder; check the spelling")));
    }
    let mut walk = walk;
    walk.refuse_names_that_are_the_same();
    let mut files: Vec<SourceFile> = walk.found.into_values().collect();
    files.sort_unstable_by(|left, right| left.path.cmp(&right.path));
    let Walk { roots, problems, passed_over, .. } = walk;
    Ok(Discovery { files, roots, problems, passed_over, ..Discovery::default() })
}

struct Walk<'a> {
    include: Vec<Glob>,
    exclude: Vec<Glob>,
    never_enter: Vec<PathBuf>,
    options: &'a Discover,
    /// By the path with every link resolved, so that a file counts once.
    found: BTreeMap<PathBuf, SourceFile>,
    roots: Vec<WalkedRoot>,
    problems: Vec<(PathBuf, Error)>,
    passed_over: BTreeMap<String, u64>,
}

impl<'a> Walk<'a> {
    fn new(options: &'a Discover) -> Result<Self> {
        Ok(Self {
            include: Glob::parse_all(&options.include).context("include")?,
            exclude: Glob::parse_all(&options.exclude).context("exclude")?,
            never_enter: options.never_enter.iter().filter_map(|folder| folder.canonicalize().ok()).collect(),
            options,
            found: BTreeMap::new(),
            roots: Vec::new(),
            problems: Vec::new(),
            passed_over: BTreeMap::new(),
        })
    }

    /// A path that somebody named: a folder is walked, a file taken whatever it is called.
    fn named(&mut self, path: &Path, metadata: &Metadata) {
        let absolute = match absolute(path, metadata.is_dir()) {
            Ok(absolute) => absolute,
            Err(error) => return self.problems.push((path.to_owned(), io_error("look at", path, error))),
        };
        if metadata.is_dir() {
            self.root(&absolute, metadata);
        } else if metadata.is_file() {
            // A link that somebody names is a document of that name.
            self.take(absolute, metadata, true);
        } else {
            let kind = kind_of(metadata.file_type());
            let message = format!("{} is {kind}: a file or folder is expected", path.display());
            self.problems.push((path.to_owned(), Error::permanent(message)));
        }
    }

    /// A folder that was named, and what is known of it afterwards.
    fn root(&mut self, root: &Path, metadata: &Metadata) {
        let uri = source_uri(root);
        if self.roots.iter().any(|walked| walked.uri == uri) {
            return;
        }
        let problems = self.problems.len();
        let files = self.folder(root);
        let problems = self.problems.len() - problems;
        self.roots.push(WalkedRoot { uri, device: metadata.dev(), files, problems, listed: None });
    }

    /// Takes what is meant in a folder and below; how many files that are.
    fn folder(&mut self, root: &Path) -> usize {
        let mut files = 0;
        let mut entries = WalkDir::new(root).follow_links(self.options.follow_symlinks).sort_by_file_name().into_iter();
        while let Some(entry) = entries.next() {
            match entry {
                Ok(entry) if !self.is_meant(root, &entry) => {
                    self.pass_over(&entry);
                    if entry.file_type().is_dir() {
                        entries.skip_current_dir();
                    }
                }
                Ok(entry) if entry.file_type().is_file() => match entry.metadata() {
                    Ok(metadata) => {
                        files += usize::from(self.take(entry.into_path(), &metadata, self.options.follow_symlinks));
                    }
                    Err(error) => self.problem(error),
                },
                // a folder to come, a link not to follow, a pipe, a socket or a device
                Ok(entry) if entry.file_type().is_dir() => {}
                Ok(entry) => self.pass_over(&entry),
                Err(error) if error.loop_ancestor().is_some() => {
                    tracing::debug!(path = ?error.path(), "passed over a link to a folder above it");
                }
                Err(error) => self.problem(error),
            }
        }
        files
    }

    /// Counts what is not taken by what it is.
    fn pass_over(&mut self, entry: &DirEntry) {
        let kind = if entry.file_type().is_symlink() {
            LINKS.to_owned()
        } else if entry.file_name().as_bytes().starts_with(b".") {
            "hidden files and folders".to_owned()
        } else if entry.file_type().is_dir() {
            "folders that were left out".to_owned()
        } else if !entry.file_type().is_file() {
            "pipes, sockets and devices".to_owned()
        } else if is_lock_file(entry.file_name()) {
            "lock files of office programs".to_owned()
        } else if has_known_extension(entry.path()) {
            "documents that were left out".to_owned()
        } else {
            ending_of(entry.path())
        };
        *self.passed_over.entry(kind).or_default() += 1;
    }

    /// Names that differ only in how their accents are written are one: of two such files, the first is taken.
    fn refuse_names_that_are_the_same(&mut self) {
        let mut first: BTreeMap<String, PathBuf> = BTreeMap::new();
        let mut files: Vec<SourceFile> = std::mem::take(&mut self.found).into_values().collect();
        files.sort_unstable_by(|left, right| left.path.cmp(&right.path));
        for file in files {
            match first.entry(same_name(&file.source.uri)) {
                Entry::Vacant(entry) => {
                    entry.insert(file.path.clone());
                    self.found.insert(file.real.clone(), file);
                }
                Entry::Occupied(entry) => {
                    let message = format!(
                        "{} has the same name as {}, with its accents written another way: rename one of them",
                        file.path.display(),
                        entry.get().display()
                    );
                    self.problems.push((file.path, Error::permanent(message)));
                }
            }
        }
    }

    /// Whether a folder is to be entered, or a file to be taken.
    fn is_meant(&self, root: &Path, entry: &DirEntry) -> bool {
        if entry.depth() == 0 {
            return true;
        }
        let below = entry.path().strip_prefix(root).unwrap_or(entry.path());
        let hidden = entry.file_name().as_bytes().starts_with(b".");
        if hidden && !self.options.hidden
            || is_lock_file(entry.file_name())
            || self.exclude.iter().any(|glob| glob.matches(below))
        {
            return false;
        }
        if entry.file_type().is_dir() {
            return !self.is_forbidden(entry.path());
        }
        if self.include.is_empty() {
            has_known_extension(below)
        } else {
            self.include.iter().any(|glob| glob.matches(below))
        }
    }

    fn is_forbidden(&self, folder: &Path) -> bool {
        if self.never_enter.is_empty() {
            return false;
        }
        let real = folder.canonicalize();
        real.is_ok_and(|real| self.never_enter.contains(&real))
    }

    /// Of several ways to one file, the one without links counts, else the first in order. False when the file can't be
    /// taken; `links`: whether its path may hold any.
    fn take(&mut self, path: PathBuf, metadata: &Metadata, links: bool) -> bool {
        let real = match path.canonicalize() {
            Ok(real) => real,
            Err(error) => {
                let error = io_error("look at", &path, error);
                self.problems.push((path, error));
                return false;
            }
        };
        if real != path && !links {
            let message = format!("{} was swapped for a symbolic link just now: it is not read", path.display());
            self.problems.push((path, Error::transient(message).blaming(Blame::Document)));
            return false;
        }
        let better = self.found.get(&real).is_none_or(|known| path == real || known.path != real && path < known.path);
        if better {
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            let source = SourceRef { uri: source_uri(&path), name };
            let file = SourceFile { path, real: real.clone(), source, size_bytes: metadata.len(), version: None };
            self.found.insert(real, file);
        }
        true
    }

    fn problem(&mut self, error: walkdir::Error) {
        let path = error.path().unwrap_or(Path::new("")).to_owned();
        let cause = error.into_io_error().unwrap_or_else(|| io::Error::other("the folder can't be walked"));
        let error = io_error("look at", &path, cause);
        self.problems.push((path, error));
    }
}

/// The path by which a document is known: folders with every link resolved, a file by the name it was given.
fn absolute(path: &Path, is_folder: bool) -> io::Result<PathBuf> {
    match path.file_name() {
        Some(name) if !is_folder => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Ok(parent.canonicalize()?.join(name))
        }
        _ => path.canonicalize(),
    }
}

/// How a file that is passed over is counted: by its ending.
pub(super) fn ending_of(path: &Path) -> String {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    extension.map_or_else(|| "files without an ending".to_owned(), |extension| format!(".{extension}"))
}

pub(super) fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".")
}

/// Whether it only says that somebody has a document open.
fn is_lock_file(name: &OsStr) -> bool {
    name.as_bytes().starts_with(LOCK_FILES)
}

pub(super) fn has_known_extension(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension)))
}

/// What a path is that is neither file nor folder.
pub(super) fn kind_of(file_type: FileType) -> &'static str {
    if file_type.is_dir() {
        "a folder"
    } else if file_type.is_fifo() {
        "a named pipe"
    } else if file_type.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::{CString, OsStr};
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    /// A folder with these files, each holding its own name.
    fn folder(files: &[&str]) -> (TempDir, PathBuf) {
        let made = TempDir::new().unwrap();
        let root = made.path().canonicalize().unwrap();
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        (made, root)
    }

    fn found(paths: &[&Path], options: &Discover) -> Discovery {
        let paths: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
        discover(&paths, options).unwrap()
    }

    fn names(root: &Path, discovery: &Discovery) -> Vec<String> {
        let names = discovery.files.iter().map(|file| file.path.strip_prefix(root).unwrap().display().to_string());
        names.collect()
    }

    fn pipe(path: &Path) {
        let path = CString::new(path.as_os_str().as_bytes()).unwrap();
        assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    }

    #[test]
    fn a_folder_is_walked_in_order() {
        let files =
            ["b.PDF", "a/z.tiff", "a/notes.txt", "a.jpeg", ".hidden.pdf", ".git/x.png", "x.pdf/inner.pdf", "pdf"];
        let (_made, root) = folder(&files);
        let discovery = found(&[&root], &Discover::default());
        assert_eq!(names(&root, &discovery), ["a/z.tiff", "a.jpeg", "b.PDF", "x.pdf/inner.pdf"]);
        assert!(discovery.problems.is_empty());
        let first = &discovery.files[0];
        assert_eq!(first.source.uri, first.path.to_str().unwrap());
        assert_eq!((first.source.name.as_str(), first.size_bytes), ("z.tiff", 8));
        let hidden = found(&[&root], &Discover { hidden: true, ..Discover::default() });
        assert_eq!(hidden.files.len(), 6);
    }

    #[test]
    fn what_is_passed_over_is_counted_by_kind() {
        let (_made, root) = folder(&[
            "a.pdf",
            "photo.JFIF",
            "scan.jpe",
            "sheet.xlsx",
            "b.epub",
            "c.EPUB",
            "~$sheet.xlsx",
            "README",
            ".hidden/x.pdf",
            ".y.pdf",
            "left.pdf",
        ]);
        symlink("a.pdf", root.join("link.pdf")).unwrap();
        symlink("a.pdf", root.join("link.txt")).unwrap();
        let discovery = found(&[&root], &Discover { exclude: vec!["left.pdf".into()], ..Discover::default() });
        assert_eq!(names(&root, &discovery), ["a.pdf", "photo.JFIF", "scan.jpe", "sheet.xlsx"]);
        let counts = [
            (".epub", 2),
            ("lock files of office programs", 1),
            ("documents that were left out", 1),
            ("files without an ending", 1),
            ("hidden files and folders", 2),
            (LINKS, 2),
        ];
        let counts: BTreeMap<String, u64> =
            counts.into_iter().map(|(kind, number)| (kind.to_owned(), number)).collect();
        assert_eq!(discovery.passed_over, counts);
    }

    #[test]
    fn of_two_names_that_are_the_same_one_is_taken_and_the_other_named() {
        let (_made, root) = folder(&["cafe\u{301}.pdf", "caf\u{e9}.pdf"]);
        let discovery = found(&[&root], &Discover::default());
        assert_eq!((discovery.files.len(), discovery.problems.len()), (1, 1));
        assert!(discovery.problems[0].1.to_string().contains("the same name"));
    }

    #[test]
    fn patterns_choose() {
        let (_made, root) = folder(&["a.pdf", "b.txt", "drafts/c.pdf", "old/d.pdf", "old/deep/e.pdf"]);
        let take = |include: &[&str], exclude: &[&str]| {
            let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
            names(
                &root,
                &found(&[&root], &Discover { include: owned(include), exclude: owned(exclude), ..Discover::default() }),
            )
        };
        assert_eq!(take(&["*.TXT"], &[]), ["b.txt"]);
        assert_eq!(take(&[], &["drafts", "old/*.pdf"]), ["a.pdf", "old/deep/e.pdf"]);
        assert_eq!(take(&["old/**"], &["deep"]), ["old/d.pdf"]);
    }

    #[test]
    fn a_named_file_is_taken_whatever_it_is_called_and_once() {
        let (_made, root) = folder(&["scan", "a/b.pdf"]);
        let scan = root.join("scan");
        let roundabout = root.join("a/../scan");
        let discovery =
            found(&[&scan, &roundabout, &root.join("a"), &root.join("a/b.pdf"), &root], &Discover::default());
        assert_eq!(names(&root, &discovery), ["a/b.pdf", "scan"]);
    }

    #[test]
    fn every_missing_path_is_named() {
        let (_made, root) = folder(&["a.pdf"]);
        let paths = [root.join("a.pdf"), root.join("nowhere"), root.join("gone.pdf")];
        let error = discover(&paths, &Discover::default()).unwrap_err().to_string();
        assert!(error.contains("nowhere") && error.contains("gone.pdf") && !error.contains("a.pdf,"), "{error}");
    }

    #[test]
    fn links_are_followed_on_request_and_loops_do_no_harm() {
        let (_made, root) = folder(&["in/a.pdf", "out/b.pdf"]);
        let inside = root.join("in");
        symlink(&inside, inside.join("loop")).unwrap();
        symlink(root.join("out"), inside.join("link")).unwrap();
        symlink("a.pdf", inside.join("0.pdf")).unwrap();
        symlink("nowhere", inside.join("dangling.pdf")).unwrap();
        let plain = found(&[&inside], &Discover::default());
        assert_eq!(names(&inside, &plain), ["a.pdf"]);
        assert!(plain.problems.is_empty());
        let followed = found(&[&inside], &Discover { follow_symlinks: true, ..Discover::default() });
        assert_eq!(names(&inside, &followed), ["a.pdf", "link/b.pdf"]);
        assert_eq!(
            followed.files[1].real,
            root.join("out/b.pdf"),
            "known by the path as found, opened by the real one"
        );
        assert_eq!(followed.problems.len(), 1);
        assert_eq!(followed.problems[0].0, inside.join("dangling.pdf"));
        // a link that somebody names is a document of that name
        let named = found(&[&inside.join("0.pdf")], &Discover::default());
        assert_eq!(names(&inside, &named), ["0.pdf"]);
        assert_eq!(named.files[0].real, inside.join("a.pdf"));
    }

    #[test]
    fn a_file_swapped_for_a_link_during_the_walk_is_not_taken() {
        let (_made, root) = folder(&["in/a.pdf", "secret.pdf"]);
        let path = root.join("in/a.pdf");
        let seen = path.metadata().unwrap();
        fs::remove_file(&path).unwrap();
        symlink(root.join("secret.pdf"), &path).unwrap();
        let options = Discover::default();
        let mut walk = Walk::new(&options).unwrap();
        assert!(!walk.take(path.clone(), &seen, false));
        assert!(walk.found.is_empty());
        assert!(walk.problems[0].1.to_string().contains("in/a.pdf was swapped"), "{:?}", walk.problems);
        assert!(walk.take(path, &seen, true), "unless links are meant");
    }

    #[test]
    fn each_root_tells_what_was_found_in_it() {
        let (_made, root) = folder(&["in/a.pdf", "in/deep/b.pdf", "in/notes.txt", "c.pdf"]);
        fs::create_dir(root.join("empty")).unwrap();
        symlink("nowhere", root.join("in/dangling.pdf")).unwrap();
        let paths =
            [root.join("in"), root.join("in/deep"), root.join("empty"), root.join("c.pdf"), root.join("in/../in")];
        let options = Discover { follow_symlinks: true, ..Discover::default() };
        let roots = discover(&paths, &options).unwrap().roots;
        let device = root.metadata().unwrap().dev();
        let expected = [("in", 2, 1), ("in/deep", 1, 0), ("empty", 0, 0)].map(|(path, files, problems)| WalkedRoot {
            uri: source_uri(&root.join(path)),
            device,
            files,
            problems,
            listed: None,
        });
        assert_eq!(roots, expected, "in the order in which they were named, each once; a file is no root");
    }

    #[test]
    fn pipes_are_never_taken() {
        let (_made, root) = folder(&["a.pdf"]);
        let fifo = root.join("pipe.pdf");
        pipe(&fifo);
        assert_eq!(names(&root, &found(&[&root], &Discover::default())), ["a.pdf"]);
        let discovery = found(&[&fifo, Path::new("/dev/null")], &Discover::default());
        assert!(discovery.files.is_empty());
        assert!(discovery.problems[0].1.to_string().contains("a named pipe"));
        assert!(discovery.problems[1].1.to_string().contains("a device"));
    }

    #[test]
    fn own_folders_are_never_entered() {
        let (_made, root) = folder(&["a.pdf", "data/images/b.jpg"]);
        let options = Discover { never_enter: vec![root.join("./data")], ..Discover::default() };
        assert_eq!(names(&root, &found(&[&root], &options)), ["a.pdf"]);
        assert_eq!(found(&[&root.join("data/images")], &options).files.len(), 1, "unless one says so");
    }

    #[test]
    fn names_that_are_no_text_are_kept() {
        let (_made, root) = folder(&[]);
        let path = root.join(OsStr::from_bytes(b"caf\xe9.pdf"));
        fs::write(&path, "x").unwrap();
        let discovery = found(&[&root], &Discover::default());
        let file = &discovery.files[0];
        assert_eq!(file.path, path);
        assert!(file.source.uri.ends_with("/caf%E9.pdf"), "{}", file.source.uri);
        assert_eq!(crate::source::source_path(&file.source.uri), path);
        assert_eq!(file.source.name, "caf\u{fffd}.pdf");
    }
}
