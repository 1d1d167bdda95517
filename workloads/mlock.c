/*
 * mlock [MiB=1] [pressure MiB=4]: memory that must stay where it is while a child fills the rest.
 *
 * MiB is 1..256, the pressure 0..1024. Word i of the region is nth(stream(1, 0), i) (rt/random.h,
 * modulo 2^32); the child's writes to its own copy of it are nth(stream(1, 1), i).
 *
 *   locked    after mlock, mincore says of every page that it is resident; it does so still when a
 *             child has written to all pages of its copy and to as many MiB of its own, twice
 *   unlocked  munlock; the contents are those of before
 *   part      a lock on the second quarter alone, taken twice, is undone by one munlock
 *   future    under mlockall(MCL_FUTURE) a new mapping is resident untouched, until munlockall
 *   limit     with RLIMIT_MEMLOCK at 16 pages, 8 pages can be locked and 32 cannot
 *
 * Output:
 *   mlock: 256 pages
 *   locked: done                          and so for each phase
 *   checksum XXXXXXXX                     rt/random.h's, over the words of the region
 */
#include "rt/program.h"
#include "rt/random.h"
#include "rt/unix.h"

enum { LIMIT_PAGES = 16, NOBODY = 65534 };

static u32 *words;
static u32 pages;
static u8 *residence;

static void *map(u32 size)
{
	void *start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (start == MAP_FAILED)
		fail("mlock: mmap of %u bytes: error %d", size, errno);
	return start;
}

static void require_resident(void *start, u32 count, const char *what)
{
	if (mincore(start, count * PAGE_BYTES, residence) == -1)
		fail("mlock: mincore: error %d", errno);
	for (u32 page = 0; page < count; page++) {
		if ((residence[page] & 1) == 0)
			fail("mlock: %s: page %u is not resident", what, page);
	}
}

static void verify(const char *what)
{
	for (u32 i = 0; i < pages * PAGE_WORDS; i++) {
		if (words[i] != nth(stream(1, 0), i))
			fail("mlock: %s: word %u reads %08x", what, i, words[i]);
	}
}

static void press(u32 mib)
{
	u32 *own = map(mib * MIB);

	for (u32 pass = 0; pass < 2; pass++) {
		for (u32 i = 0; i < pages * PAGE_WORDS; i++)
			words[i] = nth(stream(1, 1), i);
		for (u32 i = 0; i < mib * (MIB / 4); i += PAGE_WORDS / 4)
			own[i] = i + pass;
		for (u32 i = 0; i < mib * (MIB / 4); i += PAGE_WORDS / 4) {
			if (own[i] != i + pass)
				fail("mlock: a word of the child reads %08x", own[i]);
		}
		for (u32 i = 0; i < pages * PAGE_WORDS; i++) {
			if (words[i] != nth(stream(1, 1), i))
				fail("mlock: word %u of the child's copy reads %08x", i, words[i]);
		}
	}
}

static void in_child(void (*function)(u32), u32 value)
{
	int status;

	fflush(stdout);
	pid_t pid = fork();
	if (pid == -1)
		fail("mlock: fork: error %d", errno);
	if (pid == 0) {
		function(value);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		fail("mlock: the child failed");
}

static void try_locked(u32 pressure)
{
	if (mlock(words, pages * PAGE_BYTES) == -1)
		fail("mlock: mlock of %u pages: error %d", pages, errno);
	require_resident(words, pages, "locked");
	verify("locked");
	if (pressure > 0)
		in_child(press, pressure);
	require_resident(words, pages, "locked under pressure");
	verify("locked");
	printf("locked: done\n");
}

static void try_unlocked(u32 pressure)
{
	if (munlock(words, pages * PAGE_BYTES) == -1)
		fail("mlock: munlock: error %d", errno);
	if (pressure > 0)
		in_child(press, pressure);
	verify("unlocked");
	printf("unlocked: done\n");
}

static void try_part(void)
{
	u32 count = pages / 4;
	u32 *part = words + count * PAGE_WORDS;

	if (mlock(part, count * PAGE_BYTES) == -1 || mlock(part, count * PAGE_BYTES) == -1)
		fail("mlock: mlock of a part: error %d", errno);
	require_resident(part, count, "part");
	if (munlock(part, count * PAGE_BYTES) == -1)
		fail("mlock: munlock of a part: error %d", errno);
	verify("part");
	printf("part: done\n");
}

static void try_future(void)
{
	if (mlockall(MCL_FUTURE) == -1)
		fail("mlock: mlockall: error %d", errno);
	u32 *more = map(LIMIT_PAGES * PAGE_BYTES);
	require_resident(more, LIMIT_PAGES, "future");
	for (u32 i = 0; i < LIMIT_PAGES * PAGE_WORDS; i++) {
		if (more[i] != 0)
			fail("mlock: future: word %u is not zero", i);
	}
	if (munlockall() == -1)
		fail("mlock: munlockall: error %d", errno);
	if (munmap(more, LIMIT_PAGES * PAGE_BYTES) == -1)
		fail("mlock: munmap: error %d", errno);
	printf("future: done\n");
}

/* Linux sets no limit to its superuser, so a kernel with users makes this one of them. */
static void exceed_limit(u32 unused)
{
	struct rlimit limit = {LIMIT_PAGES * PAGE_BYTES, LIMIT_PAGES * PAGE_BYTES};

	(void)unused;
	if (setrlimit(RLIMIT_MEMLOCK, &limit) == -1)
		fail("mlock: setrlimit: error %d", errno);
	if (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) == -1 && errno != ENOSYS)
		fail("mlock: setresuid: error %d", errno);
	u32 *more = map(2 * LIMIT_PAGES * PAGE_BYTES);
	if (mlock(more, LIMIT_PAGES / 2 * PAGE_BYTES) == -1)
		fail("mlock: limit: a lock below it: error %d", errno);
	if (munlock(more, LIMIT_PAGES / 2 * PAGE_BYTES) == -1)
		fail("mlock: munlock: error %d", errno);
	if (mlock(more, 2 * LIMIT_PAGES * PAGE_BYTES) != -1)
		fail("mlock: limit: a lock above it is granted");
	if (errno != ENOMEM && errno != EAGAIN && errno != EPERM)
		fail("mlock: limit: error %d", errno);
	more[0] = more[2 * LIMIT_PAGES * PAGE_WORDS - 1] = 1;
}

int main(int argc, char **argv)
{
	u32 mib = 1;
	u32 pressure = 4;
	u32 checksum = CHECKSUM_START;

	if (argc > 3 || !argument(argc, argv, 1, 1, 256, &mib) ||
	    !argument(argc, argv, 2, 0, 1024, &pressure))
		return usage("mlock [MiB=1] [pressure MiB=4]");
	pages = mib * (MIB / PAGE_BYTES);
	printf("mlock: %u pages\n", pages);
	words = map(pages * PAGE_BYTES);
	residence = malloc(pages > LIMIT_PAGES ? pages : LIMIT_PAGES);
	if (residence == NULL)
		fail("mlock: out of memory");
	for (u32 i = 0; i < pages * PAGE_WORDS; i++)
		words[i] = nth(stream(1, 0), i);
	try_locked(pressure);
	try_unlocked(pressure);
	try_part();
	try_future();
	in_child(exceed_limit, 0);
	printf("limit: refused\n");
	for (u32 i = 0; i < pages * PAGE_WORDS; i++)
		checksum = checksum_word(checksum, words[i]);
	printf("checksum %08x\n", checksum);
	return 0;
}
