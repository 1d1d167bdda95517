/*
 * What picolibc leaves to the system, over the Linux riscv32 system calls: descriptors, memory,
 * time, the end. Everything else of C is picolibc's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio-bufio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "stubs.h"

enum {
	SYS_unlinkat = 35,
	SYS_openat = 56,
	SYS_close = 57,
	SYS_llseek = 62,
	SYS_read = 63,
	SYS_write = 64,
	SYS_exit_group = 94,
	SYS_kill = 129,
	SYS_getpid = 172,
	SYS_brk = 214,
	SYS_clock_gettime64 = 403,
};

enum { LARGEST_ERRNO = 4095, AT_FDCWD_LINUX = -100 };

static long kernel_call(long number, long a, long b, long c, long d, long e)
{
	register long a0 __asm__("a0") = a;
	register long a1 __asm__("a1") = b;
	register long a2 __asm__("a2") = c;
	register long a3 __asm__("a3") = d;
	register long a4 __asm__("a4") = e;
	register long a7 __asm__("a7") = number;

	__asm__ volatile("ecall"
			 : "+r"(a0)
			 : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a7)
			 : "memory");
	return a0;
}

static long checked(long result)
{
	if ((unsigned long)result < (unsigned long)-LARGEST_ERRNO)
		return result;
	errno = (int)-result;
	return -1;
}

/* picolibc's flags of open have BSD's values. */
static long linux_flags(int flags)
{
	long result = flags & O_ACCMODE;

	if ((flags & O_CREAT) != 0)
		result |= 0100;
	if ((flags & O_EXCL) != 0)
		result |= 0200;
	if ((flags & O_TRUNC) != 0)
		result |= 01000;
	if ((flags & O_APPEND) != 0)
		result |= 02000;
	return result;
}

int open(const char *path, int flags, ...)
{
	return checked(kernel_call(SYS_openat, AT_FDCWD_LINUX, (long)path, linux_flags(flags), 0666,
				   0));
}

int close(int fd)
{
	return checked(kernel_call(SYS_close, fd, 0, 0, 0, 0));
}

ssize_t read(int fd, void *buffer, size_t size)
{
	return checked(kernel_call(SYS_read, fd, (long)buffer, (long)size, 0, 0));
}

ssize_t write(int fd, const void *buffer, size_t size)
{
	return checked(kernel_call(SYS_write, fd, (long)buffer, (long)size, 0, 0));
}

off_t lseek(int fd, off_t offset, int whence)
{
	long long result;
	long high = offset < 0 ? -1 : 0;

	if (checked(kernel_call(SYS_llseek, fd, high, offset, (long)&result, whence)) == -1)
		return -1;
	return (off_t)result;
}

int unlink(const char *path)
{
	return checked(kernel_call(SYS_unlinkat, AT_FDCWD_LINUX, (long)path, 0, 0, 0));
}

pid_t getpid(void)
{
	return kernel_call(SYS_getpid, 0, 0, 0, 0, 0);
}

int kill(pid_t pid, int signal_number)
{
	return checked(kernel_call(SYS_kill, pid, signal_number, 0, 0, 0));
}

void *sbrk(ptrdiff_t increment)
{
	static long current;

	if (current == 0)
		current = kernel_call(SYS_brk, 0, 0, 0, 0, 0);
	long old = current;
	long wanted = old + increment;
	if (increment != 0 && kernel_call(SYS_brk, wanted, 0, 0, 0, 0) != wanted) {
		errno = ENOMEM;
		return (void *)-1;
	}
	current = wanted;
	return (void *)old;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
	struct {
		long long seconds;
		long long nanoseconds;
	} now;

	(void)zone;
	if (checked(kernel_call(SYS_clock_gettime64, 0, (long)&now, 0, 0, 0)) == -1)
		return -1;
	time->tv_sec = now.seconds;
	time->tv_usec = (suseconds_t)(now.nanoseconds / 1000);
	return 0;
}

_Noreturn void _exit(int code)
{
	for (;;)
		kernel_call(SYS_exit_group, code, 0, 0, 0, 0);
}

static char input_buffer[BUFSIZ];
static char output_buffer[BUFSIZ];
static char error_buffer[128];

static struct __file_bufio input =
	FDEV_SETUP_BUFIO(0, input_buffer, BUFSIZ, read, write, lseek, close, __SRD, 0);
static struct __file_bufio output =
	FDEV_SETUP_BUFIO(1, output_buffer, BUFSIZ, read, write, lseek, close, __SWR, __BLBF);
static struct __file_bufio errors =
	FDEV_SETUP_BUFIO(2, error_buffer, sizeof(error_buffer), read, write, lseek, close, __SWR,
			 __BLBF);

FILE *const stdin = &input.xfile.cfile.file;
FILE *const stdout = &output.xfile.cfile.file;
FILE *const stderr = &errors.xfile.cfile.file;

/* errno and the like: the only thread has its variables here. rt/link.ld checks the size. */
static char thread_storage[64] __attribute__((aligned(16)));

static void flush_output(void)
{
	fflush(stdout);
	fflush(stderr);
}

/* The linker lets the start code call this instead of main (--wrap=main). */
int __wrap_main(int argc, char **argv)
{
	__asm__ volatile("mv tp, %0" : : "r"(thread_storage));
	atexit(flush_output);
	return __real_main(argc, argv);
}
