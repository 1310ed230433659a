//! What a worker may take: memory, and of files and processes nothing.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use rlimit::Resource;

/// What a worker that ran out of memory leaves on its standard error; the pool reads it there.
pub(in crate::render) const OUT_OF_MEMORY: &str = "render worker: out of memory";

/// Descriptors that a worker may have open: its pipes, two documents, a few fonts.
const MAX_OPEN_FILES: u64 = 64;

/// No file may grow, no core is left, and few files may be open.
pub(super) fn no_files() -> io::Result<()> {
    Resource::CORE.set(0, 0)?;
    Resource::FSIZE.set(0, 0)?;
    let open = Resource::NOFILE.get_hard()?.min(MAX_OPEN_FILES);
    Resource::NOFILE.set(open, open)
}

/// What a program that converts a document may take, with all that it starts: memory each, the size of each file, seconds of a
/// processor each; and no core is left.
pub(in crate::render) fn limit_programs(memory_bytes: u64, file_bytes: u64, cpu_seconds: u64) -> io::Result<()> {
    let lowered = |resource: Resource, value: u64| {
        let value = resource.get_hard()?.min(value);
        resource.set(value, value)
    };
    Resource::CORE.set(0, 0)?;
    lowered(Resource::FSIZE, file_bytes)?;
    lowered(Resource::CPU, cpu_seconds)?;
    match lowered(Resource::AS, memory_bytes) {
        // macOS knows the limit and refuses to set it
        Err(error) if cfg!(target_os = "linux") => Err(error),
        _ => Ok(()),
    }
}

/// No further process or thread. (The kernel does not hold the administrator to it.)
pub(super) fn no_processes() -> io::Result<()> {
    Resource::NPROC.set(0, 0)
}

/// Bounds the address space of this process, and has an abort for lack of memory say so.
pub(in crate::render) fn limit_memory(bytes: u64) -> io::Result<()> {
    match Resource::AS.set(bytes, bytes) {
        // macOS knows the limit and refuses to set it; the timeout and the recycling still hold there
        Err(error) if cfg!(target_os = "linux") => return Err(error),
        _ => {}
    }
    PROBE_BYTES.store(usize::try_from(bytes / 8).unwrap_or(usize::MAX), Ordering::Relaxed);
    for signal in [libc::SIGABRT, libc::SIGTRAP, libc::SIGILL] {
        // SAFETY: a zeroed sigaction is a valid one, and the handler makes async-signal-safe calls only. SA_RESETHAND
        // restores the default action first, so that returning from the handler still ends the process by this signal.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_fatal_signal as extern "C" fn(libc::c_int) as usize;
            action.sa_flags = libc::SA_RESETHAND;
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
    }
    Ok(())
}

/// How much a dying process tries to map, to find out whether memory was what it lacked.
static PROBE_BYTES: AtomicUsize = AtomicUsize::new(0);

/// PDFium aborts without a word when an allocation fails. An eighth of the limit that cannot be mapped says the word
/// for it.
extern "C" fn on_fatal_signal(signal: libc::c_int) {
    // SAFETY: mmap and write are plain system calls, safe in a signal handler; nothing is read through the mapping.
    unsafe {
        let probe = libc::mmap(
            std::ptr::null_mut(),
            PROBE_BYTES.load(Ordering::Relaxed),
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANON,
            -1,
            0,
        );
        if probe == libc::MAP_FAILED {
            libc::write(libc::STDERR_FILENO, OUT_OF_MEMORY.as_ptr().cast(), OUT_OF_MEMORY.len());
        }
        libc::raise(signal);
    }
}
