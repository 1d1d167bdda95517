/*
 * What a program may tell the kernel about its memory.
 */
#include "unix.h"
#include "call.h"

int msync(void *address, size_t size, int flags)
{
	return call3(SYS_msync, (long)address, (long)size, flags);
}

int mlock(const void *address, size_t size)
{
	return call3(SYS_mlock, (long)address, (long)size, 0);
}

int munlock(const void *address, size_t size)
{
	return call3(SYS_munlock, (long)address, (long)size, 0);
}

int mlockall(int flags)
{
	return call3(SYS_mlockall, flags, 0, 0);
}

int munlockall(void)
{
	return call3(SYS_munlockall, 0, 0, 0);
}

int mincore(void *address, size_t size, u8 *resident)
{
	return call3(SYS_mincore, (long)address, (long)size, (long)resident);
}

int madvise(void *address, size_t size, int advice)
{
	return call3(SYS_madvise, (long)address, (long)size, advice);
}
