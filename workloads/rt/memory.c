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

int mlock2(const void *address, size_t size, int flags)
{
	return call3(SYS_mlock2, (long)address, (long)size, flags);
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

void *mremap(void *address, size_t size, size_t new_size, int flags, ...)
{
	va_list arguments;

	va_start(arguments, flags);
	void *to = va_arg(arguments, void *);
	va_end(arguments);
	return (void *)call5(SYS_mremap, (long)address, (long)size, (long)new_size, flags, (long)to);
}
