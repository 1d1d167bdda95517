/*
 * Locking and protecting.
 */
#include "tour.h"

char *locked;

static void locked_child(void)
{
	check(locked, 0, 8, 1, "a copy of locked memory");
	stamp(locked, 0, 8, 2);
	check(locked, 0, 8, 2, "a copy of locked memory");
}

static void reader_child(void)
{
	expect(mprotect(locked, 8 * PAGE_BYTES, PROT_READ), 0, "mprotect");
	expect(mlock(locked, 8 * PAGE_BYTES), 0, "mlock of what is the parent's, too");
	expect(mprotect(locked, 8 * PAGE_BYTES, RW), 0, "mprotect");
	stamp(locked, 0, 8, 3);
	check(locked, 0, 8, 3, "a copy of locked memory");
	expect(munlock(locked, 8 * PAGE_BYTES), 0, "munlock");
	advise(locked, 8, MADV_PAGEOUT, 0, "PAGEOUT");
	check(locked, 0, 8, 3, "a copy that was locked");
}

void limit(int resource, u32 kib)
{
	struct rlimit most = {(rlim_t)kib * 1024, (rlim_t)kib * 1024};

	expect(setrlimit(resource, &most), 0, "setrlimit");
}

static void limited_child(void)
{
	expect(setresuid(NOBODY, NOBODY, NOBODY), 0, "setresuid");
	limit(RLIMIT_MEMLOCK, 16);
	expect(mlockall(MCL_CURRENT), ENOMEM, "mlockall beyond the limit");
	expect(mlock(locked, 8 * PAGE_BYTES), ENOMEM, "mlock beyond the limit");
	expect(mlock(locked, 4 * PAGE_BYTES), 0, "mlock up to the limit");
	require(mremap(locked, 4 * PAGE_BYTES, 6 * PAGE_BYTES, MREMAP_MAYMOVE) == MAP_FAILED &&
			errno == EAGAIN, "mremap beyond the limit");
	expect(munlock(locked, 8 * PAGE_BYTES), 0, "munlock");
	char *none = map_at(NULL, 8, PROT_NONE, PRIVATE, -1, 0);
	expect(mlockall(MCL_FUTURE), 0, "mlockall");
	require(mmap(NULL, 8 * PAGE_BYTES, RW, PRIVATE, -1, 0) == MAP_FAILED && errno == EAGAIN,
		"mmap beyond the limit");
	if (GUEST)
		expect(mprotect(none, 8 * PAGE_BYTES, RW), ENOMEM, "mprotect beyond the limit");
}

void stop_lock(void)
{
	char *hole = gap(8);
	int fd = open_file(8);

	put(hole, 2);
	put(at(hole, 4), 2);
	expect(mlock(hole, 6 * PAGE_BYTES), ENOMEM, "mlock with a hole");
	expect(munlock(hole, 6 * PAGE_BYTES), ENOMEM, "munlock with a hole");
	expect(mlock(at(hole, 2), PAGE_BYTES), ENOMEM, "mlock of a hole");
	expect(munlock(at(hole, 2), PAGE_BYTES), ENOMEM, "munlock of a hole");
	unmap(hole, 8);
	put(hole, 8);
	expect(mlock2(hole, 8 * PAGE_BYTES, MLOCK_ONFAULT), 0, "mlock2 of untouched memory");
	expect(mprotect(at(hole, 4), 2 * PAGE_BYTES, PROT_NONE), 0, "mprotect");
	expect(mlock2(hole, 8 * PAGE_BYTES, MLOCK_ONFAULT), 0, "mlock2 without access");
	stamp(hole, 0, 2, 1);
	unmap(hole, 8);
	expect(mlock2(hole, PAGE_BYTES, 16), EINVAL, "mlock2 with an unknown flag");
	/* A child of one whose locked pages are not all in memory. */
	locked = put(hole, 8);
	stamp(locked, 0, 8, 1);
	in_child(reader_child);
	check(locked, 0, 8, 1, "what a child locked");
	advise(locked, 8, MADV_PAGEOUT, 0, "PAGEOUT");
	expect(mlock2(locked, 8 * PAGE_BYTES, MLOCK_ONFAULT), 0, "mlock2 of what is in swap");
	in_child(locked_child);
	check(locked, 0, 8, 1, "locked memory");
	expect(munlock(locked, 8 * PAGE_BYTES), 0, "munlock");
	in_child(limited_child);
	unmap(locked, 8);
	/* A copy of a page of a file that is locked for reading. */
	locked = map_at(NULL, 8, RW, MAP_SHARED, fd, 0);
	stamp(locked, 0, 8, 4);
	char *own = map_at(NULL, 8, PROT_READ, MAP_PRIVATE, fd, 0);
	expect(mlock(own, 8 * PAGE_BYTES), 0, "mlock of a file");
	expect(mprotect(own, 8 * PAGE_BYTES, RW), 0, "mprotect");
	check(own, 0, 8, 4, "a locked file");
	stamp(own, 2, 4, 5);
	check(locked, 0, 8, 4, "a file of which a copy is locked");
	unmap(own, 8);
	unmap(locked, 8);
	close(fd);
	/* With a part that allows no access. */
	own = map_at(NULL, 8, PROT_NONE, PRIVATE, -1, 0);
	expect(mlockall(MCL_CURRENT | MCL_FUTURE), 0, "mlockall");
	expect(mprotect(at(own, 2), 2 * PAGE_BYTES, RW), 0, "mprotect under mlockall");
	stamp(own, 2, 2, 1);
	expect(mprotect(own, 8 * PAGE_BYTES, RW), 0, "mprotect under mlockall");
	check(own, 2, 2, 1, "memory under mlockall");
	expect(munlockall(), 0, "munlockall");
	expect(mlockall(8), EINVAL, "mlockall with an unknown flag");
	expect(mlockall(MCL_ONFAULT), EINVAL, "mlockall of nothing");
	unmap(own, 8);
}

static int (*code)(void);

static void run_code(void)
{
	code();
}

static void store_code(void)
{
	*(volatile u32 *)(void *)(uintptr_t)code = 0;
}

/* Code that was written is run, then written again. */
void stop_code(void)
{
#ifdef RT_NATIVE
	static const u8 seven[] = {0xb8, 7, 0, 0, 0, 0xc3}, nine[] = {0xb8, 9, 0, 0, 0, 0xc3};
#else
	static const u32 seven[] = {0x00700513, 0x00008067}, nine[] = {0x00900513, 0x00008067};
#endif
	char *page = map(3, PRIVATE, -1);

	memcpy(at(page, 1), seven, sizeof(seven));
	code = (int (*)(void))(uintptr_t)at(page, 1);
	dies(run_code, SIGSEGV, "code in memory that may not be executed");
	expect(mprotect(at(page, 1), PAGE_BYTES, PROT_READ | PROT_EXEC), 0, "mprotect");
	__builtin___clear_cache(at(page, 1), at(page, 2));
	require(code() == 7, "code");
	dies(store_code, SIGSEGV, "a store to code");
	expect(mprotect(at(page, 1), PAGE_BYTES, RW), 0, "mprotect");
	memcpy(at(page, 1), nine, sizeof(nine));
	expect(mprotect(page, 3 * PAGE_BYTES, PROT_READ | PROT_EXEC), 0, "mprotect");
	__builtin___clear_cache(at(page, 1), at(page, 2));
	require(code() == 9, "code that was written again");
	unmap(page, 3);
}
