/*
 * mremap.
 */
#include "tour.h"

static void *remap(void *old, u32 count, u32 new_count, int flags, void *to)
{
	void *start = mremap(old, count * PAGE_BYTES, new_count * PAGE_BYTES, flags, to);

	require(start != MAP_FAILED, "mremap");
	return start;
}

static void refused(void *old, u32 count, u32 new_count, int flags, void *to, int error,
		    const char *what)
{
	void *start = mremap(old, count * PAGE_BYTES, new_count * PAGE_BYTES, flags, to);

	if (start != MAP_FAILED)
		errno = 0;
	require(start == MAP_FAILED && errno == error, what);
}

void stop_mremap(void)
{
	const int move = MREMAP_MAYMOVE, fixed = MREMAP_MAYMOVE | MREMAP_FIXED;
	char *room = gap(48);
	char *own = put(room, 4);

	stamp(own, 0, 4, 1);
	/* Locked in part; locked, with no room behind; locked and moved. */
	expect(mlock(own, PAGE_BYTES), 0, "mlock");
	refused(own, 4, 8, move, NULL, EFAULT, "mremap of what is locked in part");
	expect(mlock(own, 4 * PAGE_BYTES), 0, "mlock");
	map_at(at(room, 4), 1, PROT_READ, PRIVATE | MAP_FIXED, -1, 0);
	refused(own, 4, 8, 0, NULL, ENOMEM, "mremap without room");
	check(own, 0, 4, 1, "locked memory that was not moved");
	own = remap(own, 4, 4, fixed, at(room, 8));
	check(own, 0, 4, 1, "locked memory that was moved");
	own = remap(own, 4, 6, 0, NULL);
	check(own, 0, 4, 1, "locked memory that has grown");
	check(own, 4, 2, 0, "locked memory that has grown");
	expect(munlock(own, 6 * PAGE_BYTES), 0, "munlock");
	/* Overlapping; over something else; a part; two mappings; a hole. */
	refused(own, 6, 6, fixed, at(room, 10), EINVAL, "mremap onto itself");
	refused(own, 6, 6, fixed, at(room, 4), EINVAL, "mremap onto itself");
	refused(own, 0, 4, move, NULL, EINVAL, "a second mapping of private memory");
	put(at(room, 20), 4);
	stamp(room, 20, 4, 2);
	remap(at(own, 2), 2, 2, fixed, at(room, 21));
	require(memcmp(at(room, 20), at(room, 23), 4) != 0 && !readable(at(own, 2)), "mremap of a part");
	check_copy(at(room, 21), 2, 2, 1, "mremap over something else");
	map_at(at(room, 30), 2, RW, PRIVATE | MAP_FIXED, -1, 0);
	map_at(at(room, 32), 2, PROT_READ, PRIVATE | MAP_FIXED, -1, 0);
	refused(at(room, 30), 4, 6, move, NULL, EFAULT, "mremap of two mappings");
	refused(at(room, 40), 2, 4, move, NULL, EFAULT, "mremap of a hole");
	refused(at(room, 40), 0, 4, move, NULL, EFAULT, "a second mapping of a hole");
	refused(at(room, 30), 2, 2, 8, NULL, EINVAL, "mremap with an unknown flag");
	unmap(room, 48);
	if (GUEST) {
		own = put(at((void *)0x7bf00000, 0), 4);
		stamp(own, 0, 4, 3);
		map_at(at(own, 4), 1, PROT_READ, PRIVATE | MAP_FIXED, -1, 0);
		refused(own, 4, 0x7ffff, move, NULL, ENOMEM, "mremap to more than there is");
		own = remap(own, 4, 0x1000, move, NULL);
		check(own, 0, 4, 3, "mremap below its old place");
		unmap(own, 0x1000);
		unmap(at((void *)0x7bf00000, 4), 1);
	}
}

void stop_reshare(void)
{
	const int move = MREMAP_MAYMOVE, keep = MREMAP_MAYMOVE | MREMAP_DONTUNMAP;
	int fd = open_file(16);
	char *room = gap(32);
	char *file = map_at(room, 8, RW, MAP_SHARED | MAP_FIXED, fd, 0);
	char *twin;

	stamp(file, 0, 8, 1);
	/* It has other mappings behind it, and is in parts. */
	map_at(at(room, 8), 2, RW, MAP_SHARED | MAP_FIXED, fd, 1);
	expect(mprotect(at(file, 2), 2 * PAGE_BYTES, PROT_READ), 0, "mprotect");
	expect(mprotect(at(file, 2), 2 * PAGE_BYTES, RW), 0, "mprotect");
	if (GUEST) {
		twin = remap(file, 0, 8, move, NULL);
		check(twin, 0, 8, 1, "a second mapping");
		unmap(twin, 8);
	}
	unmap(at(room, 8), 2);
	twin = remap(at(file, 4), 0, 4, move, NULL);
	require(memcmp(twin, at(file, 4), 4 * PAGE_BYTES) == 0, "a second mapping of a part");
	unmap(twin, 4);
	file = remap(file, 2, 4, move, NULL);
	check(file, 0, 4, 1, "a file that has grown");
	unmap(file, 4);
	unmap(room, 32);
	/* Shared memory without a file. */
	char *shared = map(4, ANON_SHARED, -1);
	stamp(shared, 0, 4, 2);
	twin = remap(shared, 0, 4, move, NULL);
	stamp(twin, 0, 1, 3);
	check(shared, 0, 1, 3, "a second mapping");
	char *third = remap(shared, 4, 4, keep, NULL);
	stamp(third, 1, 1, 3);
	check(twin, 0, 2, 3, "a third mapping");
	check(shared, 0, 2, 3, "what DONTUNMAP leaves");
	if (GUEST)
		refused(third, 4, 8, move, NULL, ENOMEM, "shared memory cannot grow");
	third = remap(third, 4, 2, 0, NULL);
	unmap(third, 2);
	unmap(twin, 4);
	check(shared, 2, 2, 2, "the last mapping");
	unmap(shared, 4);
	/* Private: what is left behind is zero, and joins its neighbours. */
	char *own = put(gap(12), 8);
	stamp(own, 0, 8, 4);
	twin = remap(at(own, 2), 4, 4, keep, NULL);
	check_copy(twin, 2, 4, 4, "DONTUNMAP");
	check(own, 2, 4, 0, "what DONTUNMAP leaves");
	check(own, 6, 2, 4, "behind DONTUNMAP");
	expect(mlock(twin, 4 * PAGE_BYTES), 0, "mlock");
	third = remap(twin, 4, 4, keep, NULL);
	check_copy(third, 2, 4, 4, "DONTUNMAP of locked memory");
	unmap(third, 4);
	unmap(twin, 4);
	unmap(own, 8);
	close(fd);
}
