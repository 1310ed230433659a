//! What a worker does to itself before it touches a document: it takes its pipes away from native code, bounds its
//! memory, and makes sure that it cannot outlive the pool. Unix only, as the rest of Quire.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a worker that ran out of memory leaves on its standard error; the pool reads it there.
pub(super) const OUT_OF_MEMORY: &str = "render worker: out of memory";

/// A page takes a few megabytes; with the default of 64 KiB both sides would wake up a hundred times for it.
const PIPE_BYTES: libc::c_int = 1 << 20;

/// The pipes to the pool, out of reach of libraries that print.
pub(super) struct Pipes {
    pub input: File,
    pub output: File,
}

/// Moves standard input and output to private descriptors. What native code prints from then on goes to standard error
/// instead of into the frames, and what it reads is empty.
pub(super) fn take_pipes() -> io::Result<Pipes> {
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    let output = io::stdout().as_fd().try_clone_to_owned()?;
    let null = File::open("/dev/null")?;
    replace(&null, libc::STDIN_FILENO)?;
    replace(&io::stderr(), libc::STDOUT_FILENO)?;
    #[cfg(target_os = "linux")]
    // SAFETY: a descriptor that we own and two integers. A refusal costs speed only: the pipe keeps its size.
    unsafe {
        libc::fcntl(output.as_raw_fd(), libc::F_SETPIPE_SZ, PIPE_BYTES);
    }
    Ok(Pipes { input: input.into(), output: output.into() })
}

fn replace(with: &impl AsFd, descriptor: libc::c_int) -> io::Result<()> {
    // SAFETY: both descriptors are open for the duration of the call.
    match unsafe { libc::dup2(with.as_fd().as_raw_fd(), descriptor) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Ends this process as soon as the pool's end of `input` is gone, even in the middle of a page that hangs: no worker
/// outlives a pool that was killed. (The kernel's own parent-death signal is no use here: it fires when the *thread*
/// that started us ends, and runtimes end threads whenever they like.)
pub(super) fn die_with_parent(input: &File) -> io::Result<()> {
    let input: OwnedFd = input.try_clone()?.into();
    std::thread::Builder::new().name("parent watch".into()).stack_size(64 << 10).spawn(move || {
        // no events asked for: only the other end's closing is reported
        let mut watched = libc::pollfd { fd: input.as_raw_fd(), events: 0, revents: 0 };
        loop {
            // SAFETY: one valid pollfd, which lives across the call.
            let ready = unsafe { libc::poll(&mut watched, 1, -1) };
            if ready > 0 && watched.revents & (libc::POLLHUP | libc::POLLERR) != 0 {
                // SAFETY: no destructor matters any more, and none can run while another thread may hang.
                unsafe { libc::_exit(0) };
            }
        }
    })?;
    Ok(())
}

/// Bounds the address space of this process, forbids core files, and has an abort for lack of memory say so.
pub(super) fn limit_memory(bytes: u64) -> io::Result<()> {
    rlimit::Resource::CORE.set(0, 0)?;
    match rlimit::Resource::AS.set(bytes, bytes) {
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
