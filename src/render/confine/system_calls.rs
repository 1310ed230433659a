//! seccomp: the system calls that drawing needs, and no others. What is not listed fails with `EPERM`, as it may on any
//! system: new programs, processes and threads, sockets, looking into other processes, files that are created or written,
//! code that is written at run time, and every corner of the kernel that has a name of its own (io_uring, bpf, perf,
//! userfaultfd, keys, mounts, namespaces).
//!
//! To see what a new version of a library asks for, run a worker under `strace -f -e signal=none`.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Is, SeccompCondition as When, SeccompFilter,
    SeccompRule, TargetArch, apply_filter_all_threads,
};

/// Allowed whatever their arguments.
const ALLOWED: &[libc::c_long] = &[
    // the pool's socket, pipes and shared memory, documents and fonts that are open
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_recvmsg,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_close,
    libc::SYS_ppoll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    // folders of fonts; sizes by name
    libc::SYS_getdents64,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    // memory; mmap and mprotect have conditions
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // locks, time, chance, the size of the memory (which sorting asks for)
    libc::SYS_sysinfo,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    // signals of its own, and its end
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Restricts every thread of this process.
///
/// # Errors
/// Why this kernel, or this processor, does not take the filter.
pub(super) fn restrict() -> Result<(), String> {
    let program = program().map_err(|error| error.to_string())?;
    apply_filter_all_threads(&program).map_err(|error| format!("this kernel takes no filter of system calls: {error}"))
}

fn program() -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().map(|&call| (call, Vec::new())).collect();
    let no_bits = |argument, bits: libc::c_int| When::new(argument, Width::Dword, Is::MaskedEq(bits as u64), 0);
    let equals = |argument, value: u64| When::new(argument, Width::Dword, Is::Eq, value);

    // to read only (what may be read, Landlock says); O_TMPFILE without the bit that it shares with O_DIRECTORY
    let writing = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | (libc::O_TMPFILE & !libc::O_DIRECTORY);
    rules.insert(libc::SYS_openat, vec![SeccompRule::new(vec![no_bits(2, writing)?])?]);
    // no code that was not there before
    rules.insert(libc::SYS_mmap, vec![SeccompRule::new(vec![no_bits(2, libc::PROT_EXEC)?])?]);
    rules.insert(libc::SYS_mprotect, vec![SeccompRule::new(vec![no_bits(2, libc::PROT_EXEC)?])?]);
    // what the standard library asks of descriptors
    let questions = [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_DUPFD_CLOEXEC];
    let questions = questions.map(|question| SeccompRule::new(vec![equals(1, question as u64)?]));
    rules.insert(libc::SYS_fcntl, questions.into_iter().collect::<Result<_, _>>()?);
    // an abort is a signal to itself
    let itself = equals(0, u64::from(std::process::id()))?;
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![itself])?]);

    let denied = SeccompAction::Errno(libc::EPERM as u32);
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, denied, SeccompAction::Allow, architecture)?.try_into()
}
