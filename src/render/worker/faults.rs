//! Failures on request, so that tests try the recovery from real crashes, hangs and memory blow-ups. Production never
//! asks.

use crate::render::protocol::{Fault, FaultKind, Request};

/// Bytes that [`FaultKind::Allocate`] takes at a time.
const BLOCK_BYTES: usize = 64 << 20;

/// Fails as `faults` ask for this request; `fresh` is true for the first request that this worker gets.
pub(super) fn act(faults: &[Fault], request: &Request, fresh: bool) {
    let page = match request {
        Request::Open { .. } => 0,
        Request::Page { number, .. } => *number,
    };
    for fault in faults.iter().filter(|fault| fault.page == page) {
        match fault.kind {
            FaultKind::Crash => crash(),
            FaultKind::CrashUnlessFresh if !fresh => crash(),
            FaultKind::CrashUnlessFresh => {}
            FaultKind::Hang => loop {
                std::thread::park();
            },
            FaultKind::Allocate => allocate(),
            FaultKind::Print => print(),
        }
    }
}

fn crash() -> ! {
    // SAFETY: the default action of SIGSEGV ends the process, which is what was asked for.
    unsafe {
        libc::signal(libc::SIGSEGV, libc::SIG_DFL);
        libc::raise(libc::SIGSEGV);
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
