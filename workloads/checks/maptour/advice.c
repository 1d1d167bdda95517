/*
 * madvise, mincore and msync.
 */
#include "tour.h"

void *kept;

static void kept_child(void)
{
	check(kept, 0, 2, 1, "what a child inherits");
	check(kept, 2, 2, 0, "what is wiped");
	advise(kept, 4, MADV_FREE, 0, "FREE of what the parent has, too");
	stamp(kept, 0, 4, 9);
	stamp(kept, 0, 4, 2);
	check(kept, 0, 4, 2, "FREE and written");
}

void stop_advice(void)
{
	static const int all[] = {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
				  MADV_DONTNEED, MADV_FREE, MADV_DONTFORK, MADV_DOFORK,
				  MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_COLD, MADV_PAGEOUT};
	char *room = gap(12);

	for (u32 i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		put(at(room, 2), 2);
		put(at(room, 5), 2);
		stamp(room, 2, 2, 1);
		stamp(room, 5, 2, 1);
		advise(room, 4, all[i], ENOMEM, "advice that begins in a hole");
		advise(at(room, 2), 10, all[i], ENOMEM, "advice that ends in a hole");
		advise(at(room, 8), 2, all[i], ENOMEM, "advice about a hole");
		unmap(room, 12);
	}
	kept = put(room, 12);
	stamp(kept, 0, 12, 1);
	advise(at(kept, 2), 2, MADV_WIPEONFORK, 0, "WIPEONFORK");
	advise(kept, 2, MADV_KEEPONFORK, 0, "KEEPONFORK of what was kept");
	in_child(kept_child);
	check(kept, 0, 12, 1, "what a child freed");
	/* Sequential reading of what is not in memory. */
	advise(kept, 12, MADV_SEQUENTIAL, 0, "SEQUENTIAL");
	advise(kept, 12, MADV_PAGEOUT, 0, "PAGEOUT");
	check(kept, 0, 12, 1, "SEQUENTIAL");
	advise(kept, 12, MADV_COLD, 0, "COLD");
	check(kept, 0, 12, 1, "COLD");
	expect(mlock(at(kept, 4), PAGE_BYTES), 0, "mlock");
	advise(kept, 12, MADV_FREE, EINVAL, "FREE of locked memory");
	advise(kept, 12, MADV_COLD, EINVAL, "COLD of locked memory");
	advise(kept, 12, MADV_PAGEOUT, EINVAL, "PAGEOUT of locked memory");
	expect(munlock(kept, 12 * PAGE_BYTES), 0, "munlock");
	check(kept, 4, 8, 1, "what was not freed");
	unmap(kept, 12);
	int fd = open_file(12);
	kept = map(12, MAP_SHARED, fd);
	stamp(kept, 0, 12, 2);
	advise(kept, 12, MADV_SEQUENTIAL, 0, "SEQUENTIAL");
	advise(kept, 12, MADV_PAGEOUT, 0, "PAGEOUT of a file");
	check(kept, 0, 12, 2, "SEQUENTIAL reading of a file");
	char *view = map(12, MAP_SHARED, fd);
	advise(view, 12, MADV_SEQUENTIAL, 0, "SEQUENTIAL");
	check(view, 0, 12, 2, "SEQUENTIAL reading of a file");
	expect(mlock(at(view, 4), PAGE_BYTES), 0, "mlock");
	advise(kept, 12, MADV_DONTNEED, 0, "DONTNEED of a file");
	check(kept, 0, 12, 2, "SEQUENTIAL reading round a locked page");
	unmap(view, 12);
	unmap(kept, 12);
	close(fd);
	/* Of shared memory without a file. */
	kept = map(8, ANON_SHARED, -1);
	stamp(kept, 0, 4, 1);
	advise(kept, 8, MADV_COLD, 0, "COLD");
	advise(kept, 8, MADV_DONTNEED, 0, "DONTNEED");
	advise(kept, 8, MADV_PAGEOUT, 0, "PAGEOUT");
	advise(kept, 8, MADV_DONTNEED, 0, "DONTNEED");
	check(kept, 0, 4, 1, "DONTNEED of shared memory");
	check(kept, 4, 4, 0, "DONTNEED of shared memory");
	unmap(kept, 8);
}

static void locker(void)
{
	expect(mlock(kept, 4 * PAGE_BYTES), 0, "mlock");
	turn();
	await();
	check(kept, 0, 2, 1, "locked memory");
	check(kept, 2, 2, 0, "locked memory that another gave up");
}

void stop_remove(void)
{
	int fd = open_file(8);
	u8 residence[8];
	char *view;

	kept = map_at(gap(16), 12, RW, ANON_SHARED | MAP_FIXED, -1, 0);
	stamp(kept, 0, 12, 1);
	start_other(locker);
	await();
	advise(at(kept, 2), 6, MADV_REMOVE, 0, "REMOVE of what another has locked");
	turn();
	end_other();
	check(kept, 2, 6, 0, "REMOVE");
	advise(at(kept, 4), 6, MADV_REMOVE, 0, "REMOVE of what is not there");
	unmap(at(kept, 2), 2);
	advise(kept, 6, MADV_REMOVE, ENOMEM, "REMOVE with a hole");
	advise(at(kept, 2), 2, MADV_REMOVE, ENOMEM, "REMOVE of a hole");
	advise(at(kept, 10), 6, MADV_REMOVE, ENOMEM, "REMOVE that ends in a hole");
	check(kept, 4, 8, 0, "REMOVE");
	unmap(kept, 12);
	view = map(8, MAP_PRIVATE, fd);
	advise(view, 8, MADV_REMOVE, EACCES, "REMOVE of a private mapping");
	unmap(view, 8);
	view = map_at(NULL, 8, RW, MAP_SHARED, fd, 0);
	stamp(view, 0, 8, 3);
	expect(mlock(at(view, 6), PAGE_BYTES), 0, "mlock");
	advise(at(view, 4), 4, MADV_REMOVE, EINVAL, "REMOVE of a locked file");
	expect(munlock(view, 8 * PAGE_BYTES), 0, "munlock");
	/* Beyond the end of the file. */
	expect(ftruncate(fd, 4 * PAGE_BYTES), 0, "ftruncate");
	advise(view, 8, MADV_WILLNEED, 0, "WILLNEED beyond the end");
	expect(mincore(view, 8 * PAGE_BYTES, residence), 0, "mincore");
	require((residence[7] & 1) == 0, "mincore beyond the end");
	expect(mlock(view, 8 * PAGE_BYTES), ENOMEM, "mlock beyond the end");
	expect(munlock(view, 8 * PAGE_BYTES), 0, "munlock beyond the end");
	check(view, 0, 4, 3, "a file that was cut");
	unmap(at(view, 2), 1);
	expect(mincore(view, 8 * PAGE_BYTES, residence), ENOMEM, "mincore of a hole");
	expect(msync(at(view, 2), PAGE_BYTES, MS_SYNC), ENOMEM, "msync of a hole");
	expect(msync(view, 4 * PAGE_BYTES, MS_SYNC), ENOMEM, "msync with a hole");
	unmap(view, 8);
	close(fd);
	view = map(2, PRIVATE, -1);
	expect(mincore(view, 2 * PAGE_BYTES, residence), 0, "mincore");
	require(((residence[0] | residence[1]) & 1) == 0, "mincore of untouched memory");
	unmap(view, 2);
}
