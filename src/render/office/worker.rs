//! The other end: a process that locks itself in, looks at the document, and runs LibreOffice over it. It never decides what a
//! failure means, and never lives longer than whoever started it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use super::facts::Facts;
use super::order::{Layout, Order, Reply};
use crate::error::{Error, Result};
use crate::render::confine::{self, limits, pipes};
use crate::render::protocol::{read_frame, write_frame};

/// What is kept of the program's words.
const LAST_WORDS_BYTES: usize = 4 << 10;
/// LibreOffice ends so when it wants to be started again, as it does once with a new profile.
const START_AGAIN: i32 = 81;
const MOST_STARTS: usize = 3;

/// What LibreOffice needs of a system: itself, libraries, fonts, and what libraries look at. Nothing of `/etc` beyond that, for keys
/// lie there; nothing of `/home`, `/var` and `/tmp`.
const SYSTEM: &[&str] = &[
    "/usr",
    "/lib",
    "/lib64",
    "/bin",
    "/nix/store",
    "/gnu/store",
    "/etc/fonts",
    "/etc/libreoffice",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    "/etc/passwd",
    "/etc/nsswitch.conf",
    "/etc/localtime",
    "/etc/papersize",
    "/etc/locale.alias",
    "/var/cache/fontconfig",
    "/sys/devices/system/cpu",
    "/proc",
    "/dev/zero",
    "/dev/random",
    "/dev/urandom",
];

/// The whole life of the process: the command `office-worker`. Standard input is a Unix socket from the converter, standard output a
/// pipe to it.
///
/// # Errors
/// A bug, or a limit that can't be set; the document's faults are replies.
pub fn run() -> Result<()> {
    let broken = |error: io::Error| Error::bug("an office worker lost its pipes").with_source(error);
    let mut pool = pipes::take_connection().map_err(broken)?;
    let Some(order) = read_frame::<Order>(&mut pool.input).map_err(broken)? else { return Ok(()) };
    let layout = Layout(order.folder.clone());
    limits::limit_programs(order.memory_bytes, order.file_bytes, order.seconds)
        .map_err(|error| Error::configuration("an office worker cannot limit itself").with_source(error))?;
    let mut runnable: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
    runnable.push(layout.input());
    confine::lock_in_programs(pool.input.socket(), &runnable, &installation(&order.program), &layout.own())
        .map_err(|error| Error::bug("an office worker cannot lock itself in").with_source(error))?;
    let reply = answer(&order, &layout);
    write_frame(&mut pool.output, &reply, &[]).map_err(broken)
}

/// The folder that an installation of LibreOffice lies in: the one around `program/`, or where the program itself lies.
fn installation(program: &Path) -> PathBuf {
    let folder = program.parent().unwrap_or(program);
    match folder.ends_with("program") {
        true => folder.parent().unwrap_or(folder).to_owned(),
        false => folder.to_owned(),
    }
}

fn answer(order: &Order, layout: &Layout) -> Reply {
    let input = layout.input().join(&order.name);
    let facts = File::open(&input).and_then(|file| Facts::read(&file)).unwrap_or_default();
    if facts.protected {
        return Reply::Protected;
    }
    let mut started = start(order, layout, &input);
    for _ in 1..MOST_STARTS {
        if !matches!(&started, Ok((status, _)) if status.code() == Some(START_AGAIN)) {
            break;
        }
        started = start(order, layout, &input);
    }
    match started {
        Ok((status, said)) => {
            Reply::Ended { status: status.into_raw(), said, created: facts.created, modified: facts.modified }
        }
        Err(error) => Reply::NotStarted(error.to_string()),
    }
}

/// Runs the program once: how it ended, and its last words.
fn start(order: &Order, layout: &Layout, input: &Path) -> io::Result<(ExitStatus, String)> {
    let profile = format!("-env:UserInstallation={}", file_url(&layout.profile()));
    let (mut words, for_program) = io::pipe()?;
    let mut child = Command::new(&order.program)
        .arg(profile)
        // the current folder
        .arg("-env:OSL_SOCKET_PATH=.")
        .args(["--headless", "--norestore", "--nolockcheck", "--nodefault", "--convert-to", "pdf", "--outdir"])
        .arg(layout.output())
        .arg(input)
        .env_clear()
        .env("HOME", layout.home())
        .env("TMPDIR", layout.scratch())
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .env("SAL_USE_VCLPLUGIN", "svp")
        .current_dir(layout.scratch())
        .stdin(Stdio::null())
        .stdout(for_program.try_clone()?)
        .stderr(for_program)
        .spawn()?;
    let said = last_words(&mut words)?;
    Ok((child.wait()?, said))
}

fn file_url(path: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let encoded = path.as_os_str().as_bytes().iter().map(|&byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    format!("file://{}", encoded.collect::<String>())
}

/// What is said until everybody has closed their end; the last of it.
fn last_words(words: &mut impl Read) -> io::Result<String> {
    let mut kept = VecDeque::new();
    let mut buffer = [0; 1024];
    loop {
        match words.read(&mut buffer)? {
            0 => break,
            read => kept.extend(&buffer[..read]),
        }
        let excess = kept.len().saturating_sub(LAST_WORDS_BYTES);
        kept.drain(..excess);
    }
    Ok(String::from_utf8_lossy(kept.make_contiguous()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_may_lie_in_any_folder() {
        assert_eq!(file_url(Path::new("/my data/quire")), "file:///my%20data/quire");
        assert_eq!(file_url(Path::new("/d\u{e9}j\u{e0}")), "file:///d%C3%A9j%C3%A0");
    }

    #[test]
    fn an_installation_is_no_more_than_its_folder() {
        assert_eq!(installation(Path::new("/opt/libreoffice/program/soffice.bin")), Path::new("/opt/libreoffice"));
        assert_eq!(installation(Path::new("/home/me/bin/soffice")), Path::new("/home/me/bin"));
    }

    #[test]
    fn the_last_words_are_kept() {
        let long = [vec![b'x'; LAST_WORDS_BYTES], b"the end".to_vec()].concat();
        let said = last_words(&mut long.as_slice()).unwrap();
        assert!(said.len() == LAST_WORDS_BYTES && said.ends_with("the end"));
    }
}
