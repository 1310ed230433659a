//! Failures on request, so that tests try the recovery from real crashes, hangs and memory blow-ups, and the confinement with
//! real attempts to get out. Production never asks.

use super::probe;
use crate::render::protocol::{Fault, FaultKind, Request};

/// Bytes that [`FaultKind::Allocate`] takes at a time.
const BLOCK_BYTES: usize = 64 << 20;

/// What a probe finds as long as nothing stops it, if one of `faults` asks.
pub(super) fn before_lock_in(faults: &[Fault]) -> Option<String> {
    faults.iter().find_map(|fault| match &fault.kind {
        FaultKind::ProbeBeforeLockIn(targets) => Some(probe::report(targets)),
        _ => None,
    })
}

/// Fails as `faults` ask for this request; `fresh` is true for the first request that this worker gets. What a probe found,
/// now or `early`, is the answer to the request.
pub(super) fn act(faults: &[Fault], request: &Request, fresh: bool, early: Option<&String>) -> Option<String> {
    let page = match request {
        Request::Confinement => return None,
        Request::Open { .. } | Request::Attachment { .. } => 0,
        Request::Page { number, .. } => *number,
    };
    for fault in faults.iter().filter(|fault| fault.page == page) {
        match &fault.kind {
            FaultKind::Crash => crash(),
            FaultKind::CrashUnlessFresh if !fresh => crash(),
            FaultKind::CrashUnlessFresh => {}
            FaultKind::Killed => be_killed(),
            FaultKind::Hang => loop {
                std::thread::park();
            },
            FaultKind::Allocate => allocate(),
            FaultKind::Print => print(),
            FaultKind::Probe(targets) => return Some(probe::report(targets)),
            FaultKind::ProbeBeforeLockIn(_) => return early.cloned(),
        }
    }
    None
}

fn crash() -> ! {
    // SAFETY: the default action of SIGSEGV ends the process, which is what was asked for.
    unsafe {
        libc::signal(libc::SIGSEGV, libc::SIG_DFL);
        libc::raise(libc::SIGSEGV);
        libc::abort()
    }
}

/// Dies as if somebody else had killed it.
fn be_killed() -> ! {
    // SAFETY: ends the process, which is what was asked for.
    unsafe {
        libc::raise(libc::SIGKILL);
        libc::abort()
    }
}

/// Takes memory until there is none and then aborts, as PDFium does.
fn allocate() -> ! {
    // SAFETY: the blocks are never read, and the process ends here. An allocation that is not looked at may be left out
    // by the compiler, hence the black box.
    unsafe {
        while !std::hint::black_box(libc::malloc(BLOCK_BYTES)).is_null() {}
        libc::abort()
    }
}

/// Native code that writes to standard output.
fn print() {
    let noise = b"a library that talks\n";
    // SAFETY: the buffer outlives the call.
    unsafe {
        libc::write(libc::STDOUT_FILENO, noise.as_ptr().cast(), noise.len());
    }
}
