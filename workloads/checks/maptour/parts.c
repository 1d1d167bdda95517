/*
 * Calls about the middle of a mapping, which has to be split for them.
 */
#include "tour.h"

/* A call that may be refused, after which everything is as it was, or changed. */
static bool done(int result, const char *what)
{
	if (result == -1 && !(refusals && errno == ENOMEM))
		wrong(what);
	return result == 0;
}

static void parts_child(void)
{
	check(kept, 0, 10, 1, "a child's copy");
	stamp(kept, 0, 10, 2);
	check(kept, 10, 4, 0, "what a child gets as zeros");
}

/* Each call, of the middle of a mapping: what is refused changes no contents. */
void stop_parts(void)
{
	static const int flags[] = {MREMAP_MAYMOVE, MREMAP_MAYMOVE | MREMAP_FIXED,
				    MREMAP_MAYMOVE | MREMAP_DONTUNMAP};
	char *room = gap(48);
	int status;

	for (u32 round = 0; round < 24; round++) {
		u32 grown = round % 3 == 2 ? 2 : 2 + round % 2 * 2;
		kept = mmap(room, 14 * PAGE_BYTES, RW, PRIVATE | MAP_FIXED, -1, 0);
		if (!done(kept == MAP_FAILED ? -1 : 0, "mmap"))
			continue;
		stamp(kept, 0, 14, 1);
		done(mprotect(at(kept, 2), 4 * PAGE_BYTES, PROT_READ), "mprotect of a part");
		check(kept, 0, 14, 1, "mprotect of a part");
		done(mlock(at(kept, 3), 4 * PAGE_BYTES), "mlock of a part");
		check(kept, 0, 14, 1, "mlock of a part");
		done(munlock(at(kept, 4), 2 * PAGE_BYTES), "munlock of a part");
		done(munlock(kept, 14 * PAGE_BYTES), "munlock");
		bool writes = done(mprotect(kept, 14 * PAGE_BYTES, RW), "mprotect");
		bool wiped = done(madvise(at(kept, 10), 4 * PAGE_BYTES, MADV_WIPEONFORK), "WIPEONFORK");
		fflush(stdout);
		pid_t pid = writes && wiped ? fork() : 0;
		if (writes && wiped && pid == 0) {
			parts_child();
			_exit(0);
		}
		if (pid > 0 && waitpid(pid, &status, 0) == pid && status != 0 && !refusals)
			wrong("a child failed");
		check(kept, 0, 14, 1, "what a child wrote");
		char *to = mremap(at(kept, 7), 2 * PAGE_BYTES, grown * PAGE_BYTES, flags[round % 3],
				  at(room, 24));
		if (done(to == MAP_FAILED ? -1 : 0, "mremap of a part")) {
			check_copy(to, 7, 2, 1, "mremap of a part");
			check_copy(at(to, 2), 9, grown - 2, 0, "mremap of a part");
			check(kept, 9, 5, 1, "behind what was moved");
			if (!done(munmap(to, grown * PAGE_BYTES), "munmap"))
				check_copy(to, 7, 2, 1, "munmap that was refused");
		} else {
			check(kept, 6, 8, 1, "mremap that was refused");
		}
		check(kept, 0, 7, 1, "in front of what was moved");
		if (!done(munmap(at(kept, 1), PAGE_BYTES), "munmap of a part"))
			check(kept, 1, 1, 1, "munmap that was refused");
		check(kept, 2, 4, 1, "behind what was unmapped");
		unmap(room, 48);
	}
}
