//! A worker's standard input and output, taken away from native code, and its tie to the pool's life. Unix only, as the rest
//! of Quire.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::mpsc;

use crate::render::descriptors::DescriptorReader;

/// A page that goes through the pipe takes megabytes; with the default of 64 KiB both sides would wake up a hundred times for
/// it.
#[cfg(target_os = "linux")]
const PIPE_BYTES: libc::c_int = 1 << 20;

/// The connection to the pool, out of reach of libraries that print.
pub(in crate::render) struct Connection {
    /// Orders, and the documents with them.
    pub input: DescriptorReader,
    pub output: File,
}

/// Moves standard input and output to private descriptors. What native code prints from then on goes to standard error
/// instead of into the frames, and what it reads is empty.
pub(in crate::render) fn take_connection() -> io::Result<Connection> {
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
    Ok(Connection { input: DescriptorReader::new(input), output: output.into() })
}

fn replace(with: &impl AsFd, descriptor: libc::c_int) -> io::Result<()> {
    // SAFETY: both descriptors are open for the duration of the call.
    match unsafe { libc::dup2(with.as_fd().as_raw_fd(), descriptor) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// What ends with the pool.
#[derive(Clone, Copy)]
pub(super) enum Life {
    /// This process.
    Process,
    /// This process and every program that it started.
    Group,
}

/// Ends this process as soon as the pool's end of `socket` is gone, even in the middle of a page that hangs: no worker
/// outlives a pool that was killed. (The kernel's own parent-death signal is no use here: it fires when the *thread*
/// that started us ends, and runtimes end threads whenever they like.)
pub(super) fn die_with_pool(socket: BorrowedFd<'_>, whose: Life) -> io::Result<()> {
    let socket = socket.try_clone_to_owned()?;
    let (started, watching) = mpsc::channel();
    std::thread::Builder::new().name("pool watch".into()).stack_size(64 << 10).spawn(move || {
        let _ = started.send(());
        // no events asked for: only the other end's closing is reported
        let mut watched = libc::pollfd { fd: socket.as_raw_fd(), events: 0, revents: 0 };
        loop {
            // SAFETY: one valid pollfd, which lives across the call.
            let ready = unsafe { libc::poll(&mut watched, 1, -1) };
            if ready > 0 && watched.revents & (libc::POLLHUP | libc::POLLERR) != 0 {
                // SAFETY: no destructor matters any more, and none can run while another thread may hang. The group is this
                // process's own: the pool starts every worker as the leader of one.
                unsafe {
                    if matches!(whose, Life::Group) {
                        libc::kill(0, libc::SIGKILL);
                    }
                    libc::_exit(0)
                };
            }
        }
    })?;
    // What a thread needs for its start is about to be forbidden.
    watching.recv().map_err(io::Error::other)
}
