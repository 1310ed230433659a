//! What a document could try that has taken over its worker. Each attempt is harmless if it succeeds; tests want every one
//! refused inside a worker, and most of them to succeed outside, or the refusals would prove nothing.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::Command;

use crate::render::protocol::ProbeTargets;

/// A line for each attempt: its name, `: `, and "succeeded" or why it failed.
pub(super) fn report(targets: &ProbeTargets) -> String {
    let mut report = String::new();
    for (name, outcome) in attempts(targets) {
        let outcome = outcome.map_or_else(|error| error.to_string(), |()| "succeeded".into());
        // writing to a string cannot fail
        let _ = writeln!(report, "{name}: {outcome}");
    }
    report
}

fn attempts(targets: &ProbeTargets) -> Vec<(&'static str, io::Result<()>)> {
    let parent = format!("/proc/{}", targets.parent);
    let mut attempts = vec![
        ("read /etc/passwd", read("/etc/passwd")),
        ("read the ledger", read(&targets.ledger)),
        ("write to the ledger", File::options().append(true).open(&targets.ledger).map(drop)),
        ("list the data folder", fs::read_dir(&targets.data_dir).map(drop)),
        ("create a file in the data folder", create(targets.data_dir.join("probe"))),
        ("create a file in the folder for temporary files", create(std::env::temp_dir().join(unique()))),
        ("create a file in the working directory", create(unique())),
        ("read its own environment", own_environment()),
        ("use a descriptor of the pool", status(descriptor_flags(targets.descriptor))),
        ("connect to the loopback interface", TcpStream::connect(("127.0.0.1", targets.tcp_port)).map(drop)),
        ("connect to a Unix socket", UnixStream::connect(&targets.unix_socket).map(drop)),
        ("start a program", Command::new("/bin/true").status().map(drop)),
        ("start a thread", std::thread::Builder::new().spawn(|| ()).map(drop)),
        ("read the environment of its parent", read(format!("{parent}/environ"))),
        ("open the memory of its parent", File::open(format!("{parent}/mem")).map(drop)),
    ];
    attempts.extend(system_calls(targets));
    attempts
}

fn read(path: impl AsRef<std::path::Path>) -> io::Result<()> {
    File::open(path)?.read(&mut [0; 8]).map(drop)
}

fn create(path: impl AsRef<std::path::Path>) -> io::Result<()> {
    File::create_new(&path)?.write_all(b"probe")?;
    fs::remove_file(path)
}

fn unique() -> String {
    format!("quire-probe-{}", std::process::id())
}

/// Succeeds if a variable is there.
fn own_environment() -> io::Result<()> {
    match std::env::vars_os().next() {
        Some(_) => Ok(()),
        None => read("/proc/self/environ").and(Err(io::Error::other("it is empty"))),
    }
}

fn descriptor_flags(descriptor: i32) -> libc::c_long {
    // SAFETY: integers only.
    unsafe { libc::fcntl(descriptor, libc::F_GETFD) }.into()
}

/// The outcome of a system call, which is negative if it failed.
fn status(result: libc::c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(not(target_os = "linux"))]
fn system_calls(_targets: &ProbeTargets) -> Vec<(&'static str, io::Result<()>)> {
    Vec::new()
}

/// What has no name in the standard library. Every descriptor that comes of it is left to the end of the process.
#[cfg(target_os = "linux")]
fn system_calls(targets: &ProbeTargets) -> Vec<(&'static str, io::Result<()>)> {
    use std::ptr::null_mut;

    let call = |number, arguments: [usize; 5]| {
        let [a, b, c, d, e] = arguments;
        // SAFETY: the arguments below are integers, null, or point to what outlives the call.
        status(unsafe { libc::syscall(number, a, b, c, d, e) })
    };
    let parent = targets.parent as usize;
    let inet = libc::AF_INET as usize;
    let datagrams = libc::SOCK_DGRAM as usize;
    vec![
        ("open a socket of the Internet", call(libc::SYS_socket, [inet, datagrams, 0, 0, 0])),
        ("open a Unix socket", call(libc::SYS_socket, [libc::AF_UNIX as usize, datagrams, 0, 0, 0])),
        ("open a socket of the kernel", call(libc::SYS_socket, [libc::AF_NETLINK as usize, datagrams, 0, 0, 0])),
        ("fork", fork(|| 0)),
        ("become another program", fork(become_true)),
        ("look into its parent with ptrace", ptrace(targets.parent)),
        ("read the memory of its parent", read_memory(targets)),
        ("signal its parent", call(libc::SYS_kill, [parent, 0, 0, 0, 0])),
        ("signal a thread of its parent", call(libc::SYS_tgkill, [parent, parent, 0, 0, 0])),
        ("open a handle of its parent", call(libc::SYS_pidfd_open, [parent, 0, 0, 0, 0])),
        ("make memory executable", executable_memory()),
        ("make a file in memory", call(libc::SYS_memfd_create, [c"probe".as_ptr() as usize, 0, 0, 0, 0])),
        ("set up io_uring", call(libc::SYS_io_uring_setup, [1, [0u8; 256].as_mut_ptr() as usize, 0, 0, 0])),
        ("load a program into the kernel", call(libc::SYS_bpf, [0, null_mut::<u8>() as usize, 0, 0, 0])),
        ("count events", call(libc::SYS_perf_event_open, [null_mut::<u8>() as usize, 0, 0, 0, 0])),
        ("handle page faults", call(libc::SYS_userfaultfd, [0, 0, 0, 0, 0])),
        ("read the keys of its session", call(libc::SYS_keyctl, [0, (-3isize) as usize, 0, 0, 0])),
        ("enter a namespace of its own", call(libc::SYS_unshare, [libc::CLONE_NEWUSER as usize, 0, 0, 0, 0])),
        ("mount a file system", call(libc::SYS_mount, [0; 5])),
        ("change its limits", call(libc::SYS_prlimit64, [0, libc::RLIMIT_CORE as usize, 0, 0, 0])),
        ("be dumpable again", call(libc::SYS_prctl, [libc::PR_SET_DUMPABLE as usize, 1, 0, 0, 0])),
    ]
}

/// Memory that can be written and executed.
#[cfg(target_os = "linux")]
fn executable_memory() -> io::Result<()> {
    let protection = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
    // SAFETY: a fresh mapping that nobody uses.
    let memory =
        unsafe { libc::mmap(std::ptr::null_mut(), 4096, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
    if memory == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Forks and has the child do something whose result is its exit code. If there is no child to be had, and it is refused
/// without ending this process, it is refused here too.
#[cfg(target_os = "linux")]
fn fork(child: fn() -> libc::c_int) -> io::Result<()> {
    // SAFETY: the child makes system calls only and ends without destructors.
    unsafe {
        match libc::fork() {
            -1 => {
                let error = io::Error::last_os_error();
                match child() {
                    0 => Err(error),
                    _ => Err(io::Error::last_os_error()),
                }
            }
            0 => libc::_exit(child()),
            id => {
                let mut end = 0;
                status(libc::waitpid(id, &raw mut end, 0).into())?;
                if end == 0 { Ok(()) } else { Err(io::Error::other("the child failed")) }
            }
        }
    }
}

/// Does not return if it succeeds.
#[cfg(target_os = "linux")]
fn become_true() -> libc::c_int {
    let arguments = [c"/bin/true".as_ptr(), std::ptr::null()];
    let variables = [std::ptr::null()];
    // SAFETY: strings and lists that end with zero and outlive the call.
    unsafe { libc::execve(arguments[0], arguments.as_ptr(), variables.as_ptr()) }
}

/// Attaches to a process and lets it go again at once.
#[cfg(target_os = "linux")]
fn ptrace(id: libc::pid_t) -> io::Result<()> {
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: integers and null. A process that is attached to has to be stopped before it can be let go.
    unsafe {
        status(libc::ptrace(libc::PTRACE_SEIZE, id, nothing, nothing))?;
        libc::ptrace(libc::PTRACE_INTERRUPT, id, nothing, nothing);
        libc::waitpid(id, std::ptr::null_mut(), libc::__WALL);
        status(libc::ptrace(libc::PTRACE_DETACH, id, nothing, nothing))
    }
}

#[cfg(target_os = "linux")]
fn read_memory(targets: &ProbeTargets) -> io::Result<()> {
    let mut bytes = [0u8; 8];
    let ours = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    let theirs = libc::iovec { iov_base: targets.parent_address as *mut libc::c_void, iov_len: bytes.len() };
    // SAFETY: `ours` is a buffer of the length it names; the address of `theirs` means something in the other process only.
    let read = unsafe { libc::process_vm_readv(targets.parent, &ours, 1, &theirs, 1, 0) };
    status(read as libc::c_long)
}
