/*
 * How the C library asks the kernel: the Linux generic numbers for riscv32, and one of our own.
 * The kernel returns a negative errno; checked() makes -1 and errno of it, as C programs expect.
 */
#ifndef CALL_H
#define CALL_H

#include "rt.h"

enum {
	SYS_getcwd = 17,
	SYS_dup = 23,
	SYS_dup3 = 24,
	SYS_fcntl64 = 25,
	SYS_ioctl = 29,
	SYS_mkdirat = 34,
	SYS_unlinkat = 35,
	SYS_ftruncate64 = 46,
	SYS_faccessat = 48,
	SYS_chdir = 49,
	SYS_openat = 56,
	SYS_close = 57,
	SYS_pipe2 = 59,
	SYS_getdents64 = 61,
	SYS_llseek = 62,
	SYS_read = 63,
	SYS_write = 64,
	SYS_pread64 = 67,
	SYS_pwrite64 = 68,
	SYS_sync = 81,
	SYS_fsync = 82,
	SYS_exit_group = 94,
	SYS_waitid = 95,
	SYS_setitimer = 103,
	SYS_sched_yield = 124,
	SYS_kill = 129,
	SYS_rt_sigsuspend = 133,
	SYS_rt_sigaction = 134,
	SYS_rt_sigprocmask = 135,
	SYS_rt_sigpending = 136,
	SYS_setresuid = 147,
	SYS_setpgid = 154,
	SYS_getpgid = 155,
	SYS_setsid = 157,
	SYS_uname = 160,
	SYS_getrusage = 165,
	SYS_umask = 166,
	SYS_getpid = 172,
	SYS_getppid = 173,
	SYS_geteuid = 175,
	SYS_shmget = 194,
	SYS_shmctl = 195,
	SYS_shmat = 196,
	SYS_shmdt = 197,
	SYS_brk = 214,
	SYS_munmap = 215,
	SYS_clone = 220,
	SYS_execve = 221,
	SYS_mremap = 216,
	SYS_mmap2 = 222,
	SYS_swapon = 224,
	SYS_swapoff = 225,
	SYS_mprotect = 226,
	SYS_msync = 227,
	SYS_mlock = 228,
	SYS_munlock = 229,
	SYS_mlockall = 230,
	SYS_munlockall = 231,
	SYS_mincore = 232,
	SYS_madvise = 233,
	SYS_wait4 = 260,
	SYS_mlock2 = 284,
	SYS_prlimit64 = 261,
	SYS_renameat2 = 276,
	SYS_statx = 291,
	SYS_clock_gettime64 = 403,
	SYS_clock_nanosleep64 = 407,
	SYS_ppoll64 = 414,
	SYS_uvmctl = 1024,
};

enum { SIGSET_BYTES = 8 };

static inline long kernel_call(long number, long a, long b, long c, long d, long e, long f)
{
	register long a0 __asm__("a0") = a;
	register long a1 __asm__("a1") = b;
	register long a2 __asm__("a2") = c;
	register long a3 __asm__("a3") = d;
	register long a4 __asm__("a4") = e;
	register long a5 __asm__("a5") = f;
	register long a7 __asm__("a7") = number;

	__asm__ volatile("ecall"
			 : "+r"(a0)
			 : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7)
			 : "memory");
	return a0;
}

/* syscalls.c */
long checked(long result);
long call3(long number, long a, long b, long c);
long call5(long number, long a, long b, long c, long d, long e);

#endif
