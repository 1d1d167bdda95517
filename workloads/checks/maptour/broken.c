/*
 * The frame buffer, and a swap disk that cannot be read.
 */
#include "tour.h"

#ifndef RT_NATIVE

void stop_device(void)
{
	int fd = open("/dev/fb0", O_RDWR);
	require(fd != -1, "/dev/fb0");
	u32 *screen = map(LENT, MAP_SHARED, fd);

	for (u32 i = 0; i < LENT * PAGE_WORDS; i += PAGE_WORDS / 4)
		screen[i] = i;
	expect(mlock(screen, LENT * PAGE_BYTES), 0, "mlock of a device");
	require(screen[PAGE_WORDS] == PAGE_WORDS, "a device that is locked");
	expect(munlock(screen, LENT * PAGE_BYTES), 0, "munlock of a device");
	cannot_lend(screen, LENT, "a device");
	require(writable(screen) && *(char *)screen == 'x', "read to a device");
	expect(mprotect(screen, LENT * PAGE_BYTES, PROT_READ), 0, "mprotect of a device");
	require(readable(screen) && !writable(screen), "a device that may be read");
	unmap(screen, LENT);
	close(fd);
}


static u32 lost;

static void touch_lost(void)
{
	fault_at = at(kept, lost);
	touch();
}

static void lost_child(void)
{
	char *part = at(kept, lost);

	expect(mlock2(part, PAGE_BYTES, MLOCK_ONFAULT), 0, "mlock2 of what is lost");
	require(fork() == -1 && errno == ENOMEM, "fork with locked memory that is lost");
}

void stop_broken(void)
{
	u32 count = 0;

	kept = map(32, PRIVATE, -1);
	stamp(kept, 0, 32, 1);
	advise(kept, 32, MADV_PAGEOUT, 0, "PAGEOUT");
	for (u32 page = 0; page < 32; page++) {
		if (!readable(at(kept, page))) {
			count++;
			lost = page;
			require(errno == EFAULT && !readable(at(kept, page)), "a page that is lost");
		} else {
			check(kept, page, 1, 1, "a page that is not lost");
		}
	}
	require(count > 0 && count < 32, "some pages are lost");
	dies(touch_lost, SIGBUS, "a store to a page that is lost");
	in_child(lost_child);
	expect(mlock(kept, 32 * PAGE_BYTES), ENOMEM, "mlock of what is lost");
	theirs = kept;
	advise(kept, 32, MADV_WILLNEED, 0, "WILLNEED of what is lost");
	char *fresh = map(32, PRIVATE, -1);
	stamp(fresh, 0, 32, 2);
	kept = fresh;
	advise(kept, 32, MADV_PAGEOUT, 0, "PAGEOUT");
	expect(mlock(kept, 32 * PAGE_BYTES), ENOMEM, "mlock of what cannot be read");
	expect(munlock(kept, 32 * PAGE_BYTES), 0, "munlock");
	unmap(kept, 32);
	/* A child cannot be made while locked pages come from such a disk. */
	kept = map(32, PRIVATE, -1);
	stamp(kept, 0, 32, 3);
	advise(kept, 32, MADV_PAGEOUT, 0, "PAGEOUT");
	expect(mlock2(kept, 32 * PAGE_BYTES, MLOCK_ONFAULT), 0, "mlock2");
	require(fork() == -1 && errno == ENOMEM, "fork with locked memory that cannot be read");
	unmap(kept, 32);
	race(false);
}

#endif
