//! seccomp for programs that convert documents: everything that a large program does, but for the ways out. No socket but Unix ones,
//! and none of those is connected to anything; no other process is looked into; no new session, so that the group that the pool kills
//! holds all; no namespace, no module, no corner of the kernel with a name of its own.
//!
//! That `/tmp` looks as if it could not be written to (`access` says so) makes LibreOffice put its own socket where it is told:
//! `OSL_SOCKET_PATH`.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Is, SeccompCondition as When, SeccompFilter,
    SeccompRule, TargetArch, apply_filter_all_threads,
};

/// Denied whatever their arguments.
const DENIED: &[libc::c_long] = &[
    libc::SYS_connect,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_setsid,
    libc::SYS_setpgid,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
    libc::SYS_open_by_handle_at,
];

/// The bits of a socket's type that are no flags.
const SOCKET_TYPE: u64 = 0xf;

/// Restricts every thread of this process, and the programs that it starts.
///
/// # Errors
/// Why this kernel, or this processor, does not take the filter.
pub(super) fn restrict() -> Result<(), String> {
    let program = program().map_err(|error| error.to_string())?;
    apply_filter_all_threads(&program).map_err(|error| format!("this kernel takes no filter of system calls: {error}"))
}

fn program() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = DENIED.iter().map(|&call| (call, Vec::new())).collect();
    let rule = |argument, is, value: u64| SeccompRule::new(vec![When::new(argument, Width::Dword, is, value)?]);
    let mut sockets = vec![rule(0, Is::Ne, libc::AF_UNIX as u64)?];
    // What is sent to an address needs no connection.
    for kind in [libc::SOCK_DGRAM, libc::SOCK_SEQPACKET, libc::SOCK_RAW] {
        sockets.push(rule(1, Is::MaskedEq(SOCKET_TYPE), kind as u64)?);
    }
    rules.insert(libc::SYS_socket, sockets);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_access, vec![rule(1, Is::Eq, libc::W_OK as u64)?]);
    for call in [libc::SYS_faccessat, libc::SYS_faccessat2] {
        rules.insert(call, vec![rule(2, Is::Eq, libc::W_OK as u64)?]);
    }
    let denied = SeccompAction::Errno(libc::EPERM as u32);
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, SeccompAction::Allow, denied, architecture)?.try_into()
}
