//! The system calls that no safe wrapper exists for. The only unsafe code of the crate.
#![expect(
    unsafe_code,
    reason = "system calls without a safe wrapper, each with its reason below"
)]

use std::io;
use std::os::fd::OwnedFd;

use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use tokio::io::unix::AsyncFd;

/// Puts every signal back to its default action and unblocks all: ignored signals and the mask are
/// inherited across `execve`, and Rust's runtime ignores `SIGPIPE`.
pub(crate) fn reset_signals() -> nix::Result<()> {
    // The kernel's `struct sigaction`, all zero: the default action. The C library's own call refuses
    // the two signals that it keeps for itself, which may be ignored all the same.
    let default = [0_u64; 4];
    for signal in (1..=64).filter(|signal| ![libc::SIGKILL, libc::SIGSTOP].contains(signal)) {
        // SAFETY: the kernel reads the zeroed structure, and the default action runs no code of ours.
        let result = unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                std::ptr::null_mut::<u64>(),
                8_usize,
            )
        };
        nix::errno::Errno::result(result)?;
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
}

/// One instruction of a filter program, as the kernel's `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Instruction {
    pub(crate) code: u16,
    pub(crate) jump_true: u8,
    pub(crate) jump_false: u8,
    pub(crate) operand: u32,
}

#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

/// Installs a seccomp filter for the calling thread (`seccomp(2)`, `SECCOMP_SET_MODE_FILTER`).
///
/// Needs `CAP_SYS_ADMIN` or `no_new_privs`, and sets neither.
pub(crate) fn install_seccomp(filter: &[Instruction]) -> io::Result<()> {
    let length =
        u16::try_from(filter.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let program = Program {
        length,
        instructions: filter.as_ptr(),
    };
    // SAFETY: the kernel copies `length` instructions from a slice that outlives the call and checks the program.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const program,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Waits for a file in the reactor.
pub(crate) fn register(file: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` names one open file until it is dropped, which is what the reactor relies on.
    unsafe { AsyncFd::register(file) }.map_err(io::Error::from)
}
