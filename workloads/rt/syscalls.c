/*
 * System calls that every program may need: memory, time, shared memory.
 */
#include "call.h"

enum { LARGEST_ERRNO = 4095 };

int errno;

/* Only the last 4095 values are errors: an address above 0x80000000 would be negative too. */
long checked(long result)
{
	if ((unsigned long)result < (unsigned long)-LARGEST_ERRNO)
		return result;
	errno = (int)-result;
	return -1;
}

long call3(long number, long a, long b, long c)
{
	return checked(kernel_call(number, a, b, c, 0, 0, 0));
}

long call5(long number, long a, long b, long c, long d, long e)
{
	return checked(kernel_call(number, a, b, c, d, e, 0));
}

ssize_t read(int fd, void *buffer, size_t size)
{
	return call3(SYS_read, fd, (long)buffer, (long)size);
}

ssize_t write(int fd, const void *buffer, size_t size)
{
	return call3(SYS_write, fd, (long)buffer, (long)size);
}

_Noreturn void _exit(int code)
{
	for (;;)
		kernel_call(SYS_exit_group, code, 0, 0, 0, 0, 0);
}

int getpid(void)
{
	return call3(SYS_getpid, 0, 0, 0);
}

/* The kernel answers brk with the break now in force, whether or not it moved. */
void *sbrk(intptr_t increment)
{
	static long current;

	if (current == 0)
		current = kernel_call(SYS_brk, 0, 0, 0, 0, 0, 0);
	long old = current;
	if (increment != 0) {
		long wanted = old + increment;
		if (kernel_call(SYS_brk, wanted, 0, 0, 0, 0, 0) != wanted) {
			errno = ENOMEM;
			return (void *)-1;
		}
		current = wanted;
	}
	return (void *)old;
}

void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
	long unit = (long)(offset / PAGE_BYTES);

	return (void *)checked(kernel_call(SYS_mmap2, (long)address, (long)size, protection, flags,
					   fd, unit));
}

int munmap(void *address, size_t size)
{
	return call3(SYS_munmap, (long)address, (long)size, 0);
}

int mprotect(void *address, size_t size, int protection)
{
	return call3(SYS_mprotect, (long)address, (long)size, protection);
}

int shmget(int key, size_t size, int flags)
{
	return call3(SYS_shmget, key, (long)size, flags);
}

void *shmat(int id, const void *address, int flags)
{
	return (void *)call3(SYS_shmat, id, (long)address, flags);
}

int shmdt(const void *address)
{
	return call3(SYS_shmdt, (long)address, 0, 0);
}

int shmctl(int id, int command, void *buffer)
{
	return call3(SYS_shmctl, id, command, (long)buffer);
}

int swapon(const char *path, int flags)
{
	return call3(SYS_swapon, (long)path, flags, 0);
}

int swapoff(const char *path)
{
	return call3(SYS_swapoff, (long)path, 0, 0);
}

int clock_gettime(int clock, struct timespec *time)
{
	return call3(SYS_clock_gettime64, clock, (long)time, 0);
}
