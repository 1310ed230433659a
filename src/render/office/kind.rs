//! Which office file a file is: told by its bytes, its name only decides between kinds that share them. Reads names inside
//! archives, and nothing that they hold.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::archive::Archive;

/// The part of LibreOffice that reads a kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Writer,
    Calc,
    Impress,
}

impl Program {
    /// What people call it; its package is called so too, in lower case.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Writer => "Writer",
            Self::Calc => "Calc",
            Self::Impress => "Impress",
        }
    }
}

/// How the bytes of a kind are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// Office Open XML: a ZIP archive with a folder of the program's name.
    Ooxml,
    /// OpenDocument: a ZIP archive that begins with its media type.
    OpenDocument,
    /// A file system in a file, of the programs before 2007; and what holds newer files that have a password.
    Compound,
    Rtf,
}

/// A kind of office file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OfficeKind {
    /// How its names end, in lower case.
    pub ending: &'static str,
    pub program: Program,
    layout: Layout,
}

macro_rules! kinds {
    ($($ending:literal $program:ident $layout:ident,)*) => {
        &[$(OfficeKind { ending: $ending, program: Program::$program, layout: Layout::$layout }),*]
    };
}

/// Of those that share program and layout, the first is meant where the name does not say.
const KINDS: &[OfficeKind] = kinds! {
    "docx" Writer Ooxml,
    "docm" Writer Ooxml,
    "xlsx" Calc Ooxml,
    "xlsm" Calc Ooxml,
    "pptx" Impress Ooxml,
    "pptm" Impress Ooxml,
    "ppsx" Impress Ooxml,
    "odt" Writer OpenDocument,
    "ods" Calc OpenDocument,
    "odp" Impress OpenDocument,
    "doc" Writer Compound,
    "xls" Calc Compound,
    "ppt" Impress Compound,
    "pps" Impress Compound,
    "rtf" Writer Rtf,
};

const COMPOUND: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
/// Of a compound file's directory, this much is looked at: thirty-two names.
const DIRECTORY_BYTES: usize = 4 << 10;
/// What a compound file calls the file that it keeps behind a password.
const PROTECTED: &str = "EncryptedPackage";

impl OfficeKind {
    /// "an office file (DOCX)"
    pub(super) fn title(&self) -> String {
        format!("an office file ({})", self.ending.to_uppercase())
    }

    /// The kind that a file's name promises.
    pub(super) fn from_name(name: &str) -> Option<&'static Self> {
        let ending = name.rsplit_once('.')?.1;
        KINDS.iter().find(|kind| kind.ending.eq_ignore_ascii_case(ending))
    }

    /// The kind of the file that begins with `head`; None: it is no office file. Reads from the disk.
    pub(super) fn of(file: &File, head: &[u8], name: &str) -> Option<&'static Self> {
        let named = Self::from_name(name);
        let (program, layout) = if head.starts_with(b"{\\rtf") {
            (Some(Program::Writer), Layout::Rtf)
        } else if head.starts_with(COMPOUND) {
            match in_compound(file, head) {
                // which of them it is, nobody knows without the password
                Some(Found::Protected) => return Some(named.unwrap_or(&KINDS[0])),
                Some(Found::Program(program)) => (Some(program), Layout::Compound),
                None => (None, Layout::Compound),
            }
        } else if head.starts_with(b"PK\x03\x04") {
            match media_type(head) {
                Some(media_type) => (Some(of_media_type(media_type)?), Layout::OpenDocument),
                None => (in_archive(file), Layout::Ooxml),
            }
        } else {
            return None;
        };
        let fits =
            |kind: &&'static Self| kind.layout == layout && program.is_none_or(|program| program == kind.program);
        // Bytes that say no more than how they are laid out are what their name says.
        named.filter(fits).or_else(|| KINDS.iter().filter(|_| program.is_some()).find(fits))
    }
}

/// What a file promises by its name to be, if that is an office file.
pub(in crate::render) fn promised(name: &str) -> Option<String> {
    OfficeKind::from_name(name).map(OfficeKind::title)
}

/// Whether this is a compound file that holds another behind a password. Reads from the disk.
pub(super) fn is_protected(file: &File, head: &[u8]) -> bool {
    head.starts_with(COMPOUND) && in_compound(file, head) == Some(Found::Protected)
}

/// The media type that an OpenDocument file begins with.
fn media_type(head: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"mimetype";
    (head.get(30..38)? == NAME).then(|| &head[38..])
}

fn of_media_type(media_type: &[u8]) -> Option<Program> {
    let kind = media_type.strip_prefix(b"application/vnd.oasis.opendocument.")?;
    let programs: [(&[u8], Program); 3] =
        [(b"text", Program::Writer), (b"spreadsheet", Program::Calc), (b"presentation", Program::Impress)];
    programs.into_iter().find(|(name, _)| kind.starts_with(name)).map(|(_, program)| program)
}

/// The program whose folder is in an archive.
fn in_archive(file: &File) -> Option<Program> {
    let archive = Archive::open(file)?;
    let folders = [("word/", Program::Writer), ("xl/", Program::Calc), ("ppt/", Program::Impress)];
    archive
        .names()
        .find_map(|name| folders.iter().find(|(folder, _)| name.starts_with(folder)))
        .map(|(_, found)| *found)
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Program(Program),
    Protected,
}

/// What the names at the beginning of a compound file's directory say (MS-CFB 2.2: the sector of the directory stands at 48, the
/// exponent of the sectors' size at 30).
fn in_compound(file: &File, head: &[u8]) -> Option<Found> {
    let exponent = u32::from(u16::from_le_bytes(head.get(30..32)?.try_into().ok()?));
    let sector = u64::from(u32::from_le_bytes(head.get(48..52)?.try_into().ok()?));
    if ![9, 12].contains(&exponent) {
        return None;
    }
    let mut directory = vec![0; DIRECTORY_BYTES];
    let read = file.read_at(&mut directory, (sector + 1) << exponent).ok()?;
    directory.truncate(read);
    let holds = |name: &str| {
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        directory.chunks(128).any(|entry| entry.starts_with(&wide))
    };
    if holds(PROTECTED) {
        return Some(Found::Protected);
    }
    let programs = [
        ("WordDocument", Program::Writer),
        ("Workbook", Program::Calc),
        ("Book", Program::Calc),
        ("PowerPoint Document", Program::Impress),
    ];
    programs.into_iter().find(|(name, _)| holds(name)).map(|(_, program)| Found::Program(program))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use super::*;

    fn of(bytes: &[u8], name: &str) -> Option<&'static str> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        OfficeKind::of(&file, &bytes[..bytes.len().min(1024)], name).map(|kind| kind.ending)
    }

    #[test]
    fn kinds_are_told_by_their_bytes() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/office");
        for name in ["slipway.docx", "dues.xlsx", "season.pptx", "fuel.odt", "visitors.ods", "lifeboat.odp"] {
            let bytes = std::fs::read(folder.join(name)).unwrap();
            let ending = name.rsplit_once('.').unwrap().1;
            assert_eq!(of(&bytes, name), Some(ending));
            assert_eq!(of(&bytes, "without an ending"), Some(ending));
            assert_eq!(of(&bytes, "wrong.rtf"), Some(ending));
        }
        let word = std::fs::read(folder.join("slipway.docx")).unwrap();
        assert_eq!(of(&word, "macros.DOCM"), Some("docm"));
        assert_eq!(of(b"{\\rtf1 hello}", "letter.doc"), Some("rtf"));
        assert_eq!(of(b"PK\x03\x04 half an archive", "cut.pptx"), Some("pptx"), "what is damaged LibreOffice tells");
        assert_eq!(of(b"PK\x03\x04 half an archive", "photos.zip"), None);
        assert_eq!(of(b"plain words", "letter.docx"), None);
    }

    /// A compound file with these names in its directory.
    fn compound(names: &[&str]) -> Vec<u8> {
        let mut bytes = vec![0; 512];
        bytes[..8].copy_from_slice(COMPOUND);
        bytes[30] = 9;
        for name in names {
            let mut entry: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
            entry.resize(128, 0);
            bytes.extend(entry);
        }
        bytes
    }

    #[test]
    fn old_files_are_told_by_the_names_in_them() {
        assert_eq!(of(&compound(&["Root Entry", "WordDocument"]), "x"), Some("doc"));
        assert_eq!(of(&compound(&["Root Entry", "Book"]), "x.doc"), Some("xls"));
        assert_eq!(of(&compound(&["Root Entry", "PowerPoint Document"]), "x.pps"), Some("pps"));
        assert_eq!(of(&compound(&["Root Entry", "Installer"]), "setup.msi"), None);
        let locked = compound(&["Root Entry", "EncryptionInfo", "EncryptedPackage"]);
        assert_eq!(of(&locked, "salaries.xlsx"), Some("xlsx"));
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&locked).unwrap();
        assert!(is_protected(&file, &locked));
        assert!(!is_protected(&file, b"PK\x03\x04"));
    }
}
