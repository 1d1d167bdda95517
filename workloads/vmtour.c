/*
 * vmtour [KiB=256] [workers=2] [file] [stop]: every call and flag about memory, in several
 * processes at once.
 *
 * KiB is 64..65536, workers 1..16. The program and workers - 1 children make the same tour, each
 * with KiB of private memory, a file of that size in /tmp and other mappings; between the stops
 * each writes as much memory of its own again, so that a small machine pages all the time. Word i
 * of a process's memory in generation g is nth(stream(process, g), i)   (rt/random.h, modulo 2^32).
 * A file that is named is there already and has workers times KiB at least: each process maps and
 * writes a part of it; "-" is none. With the name of a stop the tour is that one alone. Each result
 * is compared with what Linux returns and each page with what it should hold.
 *
 * Output of the first process:
 *   vmtour: 64 pages, 2 workers
 *   advice: done                          and so for each stop of the tour
 *   workers: 2 verified
 */
#include "rt/program.h"
#include "rt/random.h"
#include "rt/unix.h"

enum { MAX_WORKERS = 16, RW = PROT_READ | PROT_WRITE, PRIVATE = MAP_PRIVATE | MAP_ANONYMOUS };
enum { ANON_SHARED = MAP_SHARED | MAP_ANONYMOUS };

static u32 pages;
static u32 worker;
static u32 *region; /* private memory, in generation 0 between the stops */
static u32 *pressure;
static u32 rounds;
static u8 *residence;
static int probe_ends[2];
static char path[64];
static const char *named;
static const char *only;

/* ---- what is checked ---- */

static void require(bool holds, const char *what)
{
	if (!holds)
		fail("vmtour: worker %u: %s (error %d)", worker, what, errno);
}

/* The call returned 0, or failed with `error`. */
static void expect(int result, int error, const char *what)
{
	if (error == 0 ? result == 0 : result == -1 && errno == error)
		return;
	fail("vmtour: worker %u: %s: %d, error %d; expected %d", worker, what, result, errno, error);
}

static void *at(void *start, u32 page)
{
	return (char *)start + page * PAGE_BYTES;
}

static void fill(void *start, u32 from, u32 count, u32 generation)
{
	u32 *words = start;

	for (u32 i = from * PAGE_WORDS; i < (from + count) * PAGE_WORDS; i++)
		words[i] = nth(stream(worker, generation), i);
}

static bool holds(void *start, u32 page, u32 generation)
{
	const volatile u32 *words = start;

	for (u32 i = page * PAGE_WORDS; i < (page + 1) * PAGE_WORDS; i++)
		if (words[i] != nth(stream(worker, generation), i))
			return false;
	return true;
}

static bool zero(void *start, u32 page)
{
	const volatile u32 *words = start;

	for (u32 i = page * PAGE_WORDS; i < (page + 1) * PAGE_WORDS; i++)
		if (words[i] != 0)
			return false;
	return true;
}

static void verify(void *start, u32 from, u32 count, u32 generation, const char *what)
{
	for (u32 page = from; page < from + count; page++)
		if (!holds(start, page, generation))
			fail("vmtour: worker %u: %s: page %u has other contents", worker, what, page);
}

static void verify_zero(void *start, u32 from, u32 count, const char *what)
{
	for (u32 page = from; page < from + count; page++)
		if (!zero(start, page))
			fail("vmtour: worker %u: %s: page %u is not zero", worker, what, page);
}

/* Can the kernel read from there? */
static bool readable(void *address)
{
	char byte;

	if (write(probe_ends[1], address, 1) != 1)
		return false;
	return read(probe_ends[0], &byte, 1) == 1;
}

static bool writable(void *address)
{
	require(write(probe_ends[1], "x", 1) == 1, "write to a pipe");
	if (read(probe_ends[0], address, 1) == 1)
		return true;
	char byte;
	require(read(probe_ends[0], &byte, 1) == 1, "read from a pipe");
	return false;
}

static void *map_at(void *address, u32 count, int protection, int flags, int fd)
{
	void *start = mmap(address, count * PAGE_BYTES, protection, flags, fd, 0);

	require(start != MAP_FAILED, "mmap");
	return start;
}

static void *map(u32 count, int flags, int fd)
{
	return map_at(NULL, count, RW, flags, fd);
}

static void unmap(void *start, u32 count)
{
	expect(munmap(start, count * PAGE_BYTES), 0, "munmap");
}

/* Make memory short. */
static void press(void)
{
	rounds++;
	for (u32 i = 0; i < pages * PAGE_WORDS; i += PAGE_WORDS / 4)
		pressure[i] = i + rounds;
	for (u32 i = 0; i < pages * PAGE_WORDS; i += PAGE_WORDS / 4)
		require(pressure[i] == i + rounds, "memory of the pressure has other contents");
}

/* Runs `body` in a child, which must return. */
static void in_child(void (*body)(void))
{
	int status;

	fflush(stdout);
	pid_t pid = fork();
	require(pid != -1, "fork");
	if (pid == 0) {
		body();
		_exit(0);
	}
	require(waitpid(pid, &status, 0) == pid && status == 0, "a child failed");
}

static int open_file(u32 count)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	require(fd != -1, path);
	expect(ftruncate(fd, count * PAGE_BYTES), 0, "ftruncate");
	return fd;
}

/* ---- the tour ---- */

static void tour_advice(void)
{
	static const int hints[] = {MADV_RANDOM, MADV_SEQUENTIAL, MADV_NORMAL};
	u32 half = pages / 2;

	for (u32 i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
		expect(madvise(at(region, half / 2), half * PAGE_BYTES, hints[i]), 0, "advice");
		press();
		verify(region, 0, pages, 0, "advice");
	}
	expect(madvise(region, pages * PAGE_BYTES, MADV_WILLNEED), 0, "WILLNEED");
	verify(region, 0, pages, 0, "WILLNEED");
	expect(madvise((char *)region + 1, PAGE_BYTES, MADV_NORMAL), EINVAL, "advice off a page");
	expect(madvise(region, PAGE_BYTES, 12345), EINVAL, "unknown advice");
	void *hole = map(3, PRIVATE, -1);
	unmap(at(hole, 1), 1);
	expect(madvise(hole, 3 * PAGE_BYTES, MADV_RANDOM), ENOMEM, "advice about a hole");
	unmap(hole, 3);
}

static void pageout_child(void)
{
	expect(madvise(region, pages * PAGE_BYTES, MADV_PAGEOUT), 0, "PAGEOUT of a child");
	verify(region, 0, pages, 0, "PAGEOUT of a child");
	fill(region, 0, pages, 1);
	expect(madvise(region, pages * PAGE_BYTES, MADV_PAGEOUT), 0, "PAGEOUT of a copy");
	verify(region, 0, pages, 1, "PAGEOUT of a copy");
}

static void tour_pageout(void)
{
	expect(madvise(region, pages * PAGE_BYTES, MADV_PAGEOUT), 0, "PAGEOUT");
	verify(region, 0, pages, 0, "PAGEOUT");
	in_child(pageout_child);
	verify(region, 0, pages, 0, "PAGEOUT");
	expect(madvise(region, pages * PAGE_BYTES, MADV_PAGEOUT), 0, "PAGEOUT");
	expect(madvise(region, pages * PAGE_BYTES, MADV_WILLNEED), 0, "WILLNEED");
	verify(region, 0, pages, 0, "PAGEOUT and WILLNEED");
}

static void tour_dontneed(void)
{
	u32 quarter = pages / 4;
	int fd = open_file(pages);
	u32 *shared = map(pages, MAP_SHARED, fd);

	fill(shared, 0, pages, 2);
	press();
	expect(madvise(at(region, quarter), quarter * PAGE_BYTES, MADV_DONTNEED), 0, "DONTNEED");
	verify_zero(region, quarter, quarter, "DONTNEED");
	verify(region, 0, quarter, 0, "in front of DONTNEED");
	verify(region, 2 * quarter, pages - 2 * quarter, 0, "behind DONTNEED");
	fill(region, quarter, quarter, 0);
	expect(madvise(shared, pages * PAGE_BYTES, MADV_DONTNEED), 0, "DONTNEED of a file");
	verify(shared, 0, pages, 2, "DONTNEED of a file");
	u32 *own = map(pages, MAP_PRIVATE, fd);
	fill(own, 0, quarter, 3);
	expect(madvise(own, quarter * PAGE_BYTES, MADV_DONTNEED), 0, "DONTNEED of a copy");
	verify(own, 0, pages, 2, "DONTNEED of a copy");
	unmap(own, pages);
	unmap(shared, pages);
	close(fd);
}

static void tour_free(void)
{
	u32 *own = map(pages, PRIVATE, -1);

	fill(own, 0, pages, 4);
	expect(madvise(own, pages / 2 * PAGE_BYTES, MADV_FREE), 0, "FREE");
	fill(own, 0, 2, 5);
	press();
	verify(own, 0, 2, 5, "FREE and written");
	for (u32 page = 2; page < pages / 2; page++)
		require(holds(own, page, 4) || zero(own, page), "FREE: neither old nor zero");
	verify(own, pages / 2, pages - pages / 2, 4, "behind FREE");
	unmap(own, pages);
}

static u32 *removed;

static void remove_child(void)
{
	verify(removed, 0, 2, 6, "in front of REMOVE, in a child");
	verify_zero(removed, 2, pages / 2, "REMOVE, in a child");
}

static void tour_remove(void)
{
	int fd = open_file(pages);
	u32 word;

	for (int round = 0; round < 2; round++) {
		removed = round == 0 ? map(pages, MAP_SHARED, fd) : map(pages, ANON_SHARED, -1);
		fill(removed, 0, pages, 6);
		press();
		expect(madvise(at(removed, 2), pages / 2 * PAGE_BYTES, MADV_REMOVE), 0, "REMOVE");
		verify_zero(removed, 2, pages / 2, "REMOVE");
		in_child(remove_child);
		verify(removed, 2 + pages / 2, pages - pages / 2 - 2, 6, "behind REMOVE");
		unmap(removed, pages);
	}
	require(pread(fd, &word, 4, 2 * PAGE_BYTES) == 4 && word == 0, "REMOVE: the file");
	expect(madvise(region, PAGE_BYTES, MADV_REMOVE), EINVAL, "REMOVE of private memory");
	close(fd);
}

static u32 *inherited;

static void inherit_child(void)
{
	require(!readable(inherited), "DONTFORK: the child has it");
	verify_zero(inherited, 2, 2, "WIPEONFORK");
	verify(inherited, 4, pages - 4, 7, "what is inherited");
}

static void tour_inherit(void)
{
	inherited = map(pages, PRIVATE, -1);
	fill(inherited, 0, pages, 7);
	expect(madvise(inherited, 2 * PAGE_BYTES, MADV_DONTFORK), 0, "DONTFORK");
	expect(madvise(at(inherited, 2), 4 * PAGE_BYTES, MADV_WIPEONFORK), 0, "WIPEONFORK");
	expect(madvise(at(inherited, 4), 2 * PAGE_BYTES, MADV_KEEPONFORK), 0, "KEEPONFORK");
	press();
	in_child(inherit_child);
	expect(madvise(inherited, 2 * PAGE_BYTES, MADV_DOFORK), 0, "DOFORK");
	verify(inherited, 0, pages, 7, "what children do not inherit");
	void *shared = map(1, ANON_SHARED, -1);
	expect(madvise(shared, PAGE_BYTES, MADV_WIPEONFORK), EINVAL, "WIPEONFORK of shared memory");
	unmap(shared, 1);
	unmap(inherited, pages);
}

static u32 *moved(void *old, u32 count, u32 new_count, int flags, void *to)
{
	u32 *start = mremap(old, count * PAGE_BYTES, new_count * PAGE_BYTES, flags, to);

	require(start != MAP_FAILED, "mremap");
	return start;
}

static void refused(void *old, u32 size, u32 new_size, int flags, void *to, int error)
{
	void *start = mremap(old, size, new_size, flags, to);

	require(start == MAP_FAILED && errno == error, "mremap that should be refused");
}

/* Parts of mappings of a file: its pages and those of a copy keep their places. */
static void move_files(void)
{
	int fd = open_file(16);
	u32 *shared = map(16, MAP_SHARED, fd);
	u32 *own = map(16, MAP_PRIVATE, fd);

	fill(shared, 0, 16, 24);
	fill(own, 8, 2, 25);
	u32 *part = moved(at(own, 4), 8, 12, MREMAP_MAYMOVE, NULL);
	require(memcmp(part, at(shared, 4), 4 * PAGE_BYTES) == 0, "mremap of a file");
	require(memcmp(at(part, 6), at(shared, 10), 6 * PAGE_BYTES) == 0, "mremap of a longer file");
	require(part[4 * PAGE_WORDS] == nth(stream(worker, 25), 8 * PAGE_WORDS), "mremap of a copy");
	u32 *rest = moved(at(shared, 8), 4, 4, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	rest[0] = 12345;
	require(shared[8 * PAGE_WORDS] == 12345, "mremap: DONTUNMAP of a file");
	unmap(part, 12);
	unmap(rest, 4);
	unmap(own, 16);
	unmap(shared, 16);
	close(fd);
}

static void tour_mremap(void)
{
	u32 half = pages / 2;
	char *room = map_at(NULL, 4 * pages, PROT_NONE, PRIVATE, -1);
	u32 *own = map_at(room, pages, RW, PRIVATE | MAP_FIXED, -1);

	fill(own, 0, pages, 8);
	press();
	require(moved(own, pages, half, 0, NULL) == own, "mremap: smaller, and elsewhere");
	require(!readable(at(own, half)), "mremap: smaller, and still there");
	require(moved(own, half, pages, 0, NULL) == own, "mremap: larger, and elsewhere");
	verify(own, 0, half, 8, "mremap: larger");
	verify_zero(own, half, pages - half, "mremap: what is new");
	refused(own, pages * PAGE_BYTES, 2 * pages * PAGE_BYTES, 0, NULL, ENOMEM);
	u32 *other = moved(own, pages, 2 * pages, MREMAP_MAYMOVE, NULL);
	require(other != own && !readable(own), "mremap: not moved");
	verify(other, 0, half, 8, "mremap: moved");
	verify_zero(other, half, pages, "mremap: moved");
	press();
	own = moved(other, pages, pages, MREMAP_MAYMOVE | MREMAP_FIXED, room + pages * PAGE_BYTES);
	require((char *)own == room + pages * PAGE_BYTES, "mremap: FIXED, and elsewhere");
	verify(own, 0, half, 8, "mremap: FIXED");
	unmap(at(other, pages), pages);
	other = moved(own, pages, pages, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	verify(other, 0, half, 8, "mremap: DONTUNMAP");
	verify_zero(own, 0, pages, "mremap: what DONTUNMAP leaves");
	u32 *shared = map(4, ANON_SHARED, -1);
	u32 *twin = moved(shared, 0, 4, MREMAP_MAYMOVE, NULL);
	fill(shared, 0, 4, 9);
	verify(twin, 0, 4, 9, "mremap: a second mapping");
	refused((char *)own + 1, PAGE_BYTES, PAGE_BYTES, 0, NULL, EINVAL);
	refused(own, PAGE_BYTES, 0, 0, NULL, EINVAL);
	refused(own, PAGE_BYTES, PAGE_BYTES, MREMAP_FIXED, room, EINVAL);
	unmap(twin, 4);
	refused(twin, PAGE_BYTES, PAGE_BYTES, MREMAP_MAYMOVE, NULL, EFAULT);
	unmap(shared, 4);
	unmap(other, pages);
	unmap(room, 4 * pages);
	move_files();
}

static void resident(void *start, u32 count, const char *what)
{
	expect(mincore(start, count * PAGE_BYTES, residence), 0, what);
	for (u32 page = 0; page < count; page++)
		require((residence[page] & 1) != 0, what);
}

static u32 *locked;

static void lock_child(void)
{
	verify(locked, 0, 8, 10, "locked memory of the parent");
	fill(locked, 0, 8, 11);
	press();
	verify(locked, 0, 8, 11, "a copy of locked memory");
}

/* As much as there is may be too much to be locked. */
static void lock_all_child(void)
{
	if (mlockall(MCL_CURRENT) == -1)
		require(errno == ENOMEM || errno == EAGAIN, "mlockall of what is there");
	expect(munlockall(), 0, "munlockall");
	expect(mlockall(MCL_CURRENT | MCL_ONFAULT), 0, "mlockall on fault");
	press();
	expect(munlockall(), 0, "munlockall");
	verify(region, 0, pages, 0, "after mlockall");
}

static void tour_mlock(void)
{
	locked = map(16, PRIVATE, -1);
	expect(mlock2(locked, 16 * PAGE_BYTES, MLOCK_ONFAULT), 0, "mlock2");
	fill(locked, 0, 8, 10);
	press();
	resident(locked, 8, "locked on fault");
	in_child(lock_child);
	resident(locked, 8, "locked, after fork");
	verify(locked, 0, 8, 10, "locked");
	expect(madvise(locked, PAGE_BYTES, MADV_DONTNEED), EINVAL, "DONTNEED of locked memory");
	expect(munlock(at(locked, 2), 2 * PAGE_BYTES), 0, "munlock");
	expect(mlock(locked, 16 * PAGE_BYTES), 0, "mlock");
	press();
	resident(locked, 16, "locked");
	expect(mprotect(locked, 4 * PAGE_BYTES, PROT_NONE), 0, "mprotect of locked memory");
	expect(mprotect(locked, 4 * PAGE_BYTES, RW), 0, "mprotect of locked memory");
	verify(locked, 0, 8, 10, "locked and protected");
	locked = moved(locked, 16, 20, MREMAP_MAYMOVE, NULL);
	press();
	resident(locked, 20, "locked and moved");
	expect(munlock(locked, 20 * PAGE_BYTES), 0, "munlock");
	expect(mlockall(MCL_FUTURE | MCL_ONFAULT), 0, "mlockall");
	u32 *more = map(8, PRIVATE, -1);
	fill(more, 0, 8, 12);
	press();
	resident(more, 8, "mapped under mlockall");
	expect(munlockall(), 0, "munlockall");
	press();
	verify(more, 0, 8, 12, "unlocked");
	in_child(lock_all_child);
	expect(mlock(at(locked, 20 + pages), 1 << 30), ENOMEM, "mlock of a hole");
	void *none = map_at(NULL, 4, PROT_NONE, PRIVATE, -1);
	expect(mlock(none, 4 * PAGE_BYTES), ENOMEM, "mlock without access");
	expect(munlock(none, 4 * PAGE_BYTES), 0, "munlock without access");
	expect(mlockall(MCL_FUTURE), 0, "mlockall");
	expect(mprotect(at(none, 1), 2 * PAGE_BYTES, RW), 0, "mprotect under mlockall");
	unmap(at(none, 1), 1);
	expect(munlockall(), 0, "munlockall");
	expect(munlock(none, 4 * PAGE_BYTES), ENOMEM, "munlock of a hole");
	expect(mlockall(0), EINVAL, "mlockall of nothing");
	expect(mlockall(MCL_ONFAULT), EINVAL, "mlockall of nothing, on fault");
	unmap(none, 4);
	expect(mlock2(locked, PAGE_BYTES, 2), EINVAL, "mlock2 with an unknown flag");
	unmap(more, 8);
	unmap(locked, 20);
}

static void tour_msync(void)
{
	int fd = open_file(pages);
	u32 *shared = map(pages, MAP_SHARED, fd);
	u32 word;

	fill(shared, 0, pages, 13);
	expect(msync(shared, pages * PAGE_BYTES, MS_ASYNC), 0, "MS_ASYNC");
	press();
	expect(msync(shared, pages * PAGE_BYTES, MS_SYNC | MS_INVALIDATE), 0, "MS_INVALIDATE");
	verify(shared, 0, pages, 13, "msync");
	expect(msync(shared, PAGE_BYTES, MS_SYNC | MS_ASYNC), EINVAL, "MS_SYNC and MS_ASYNC");
	expect(msync((char *)shared + 1, PAGE_BYTES, MS_SYNC), EINVAL, "msync off a page");
	expect(mlock(shared, PAGE_BYTES), 0, "mlock of a file");
	expect(msync(shared, pages * PAGE_BYTES, MS_INVALIDATE), EBUSY, "msync of locked memory");
	expect(munlock(shared, PAGE_BYTES), 0, "munlock of a file");
	require(pread(fd, &word, 4, 4) == 4 && word == shared[1], "msync: the file");
	expect(msync(region, pages * PAGE_BYTES, MS_SYNC), 0, "msync of private memory");
	unmap(at(shared, 1), 1);
	expect(msync(shared, pages * PAGE_BYTES, MS_SYNC), ENOMEM, "msync of a hole");
	expect(mincore(shared, pages * PAGE_BYTES, residence), ENOMEM, "mincore of a hole");
	unmap(shared, pages);
	close(fd);
}

static int segment;

static void shm_child(void)
{
	u32 *own = shmat(segment, NULL, 0);

	require(own != (void *)-1, "shmat in a child");
	press();
	verify(own, 0, pages, 14, "shared memory in a child");
	fill(own, 0, pages / 2, 15);
	expect(madvise(own, pages * PAGE_BYTES, MADV_PAGEOUT), 0, "PAGEOUT of shared memory");
	verify(own, 0, pages / 2, 15, "shared memory, paged out");
	expect(shmdt(own), 0, "shmdt in a child");
}

static void tour_shm(void)
{
	segment = shmget(IPC_PRIVATE, pages * PAGE_BYTES, IPC_CREAT | 0600);
	require(segment != -1, "shmget");
	u32 *shared = shmat(segment, NULL, 0);
	require(shared != (void *)-1, "shmat");
	fill(shared, 0, pages, 14);
	in_child(shm_child);
	u32 *view = shmat(segment, NULL, SHM_RDONLY);
	require(view != (void *)-1, "shmat for reading");
	require(!writable(view), "memory attached for reading can be written");
	verify(view, 0, pages / 2, 15, "shared memory");
	expect(shmctl(segment, IPC_RMID, NULL), 0, "IPC_RMID");
	press();
	verify(view, pages / 2, pages - pages / 2, 14, "shared memory that is removed");
	expect(shmdt(view), 0, "shmdt");
	expect(shmdt(shared), 0, "shmdt");
	expect(shmdt(shared), EINVAL, "shmdt twice");
	require(shmat(segment, NULL, 0) == (void *)-1 && errno == EINVAL, "shmat after IPC_RMID");
}

static u32 *cut;
static int cut_fd;

/* Pages 0 and 1 are never cut off. */
static void cut_child(void)
{
	for (u32 round = 0; round < 8; round++) {
		fill(cut, 1, 1, round);
		expect(madvise(cut, 2 * PAGE_BYTES, MADV_PAGEOUT), 0, "PAGEOUT of a file");
		press();
		verify(cut, 1, 1, round, "a file that is cut");
	}
}

static void tour_truncate(void)
{
	cut_fd = open_file(pages);
	cut = map(pages, MAP_SHARED, cut_fd);
	fill(cut, 0, pages, 16);
	fflush(stdout);
	pid_t pid = fork();
	require(pid != -1, "fork");
	if (pid == 0) {
		cut_child();
		_exit(0);
	}
	for (u32 round = 0; round < 8; round++) {
		u32 left = 2 + (round * 7) % (pages - 2);
		expect(ftruncate(cut_fd, left * PAGE_BYTES), 0, "ftruncate");
		require(!readable(at(cut, left)), "a page behind the end");
		press();
		expect(ftruncate(cut_fd, pages * PAGE_BYTES), 0, "ftruncate");
		verify_zero(cut, left, pages - left, "what was cut off");
		fill(cut, left, pages - left, 16);
		verify(cut, 0, 1, 16, "what was not cut off");
	}
	int status;
	require(waitpid(pid, &status, 0) == pid && status == 0, "the child failed");
	expect(ftruncate(cut_fd, PAGE_BYTES + 100), 0, "ftruncate");
	expect(ftruncate(cut_fd, 2 * PAGE_BYTES), 0, "ftruncate");
	require(cut[PAGE_WORDS + 24] != 0 && cut[PAGE_WORDS + 25] == 0, "a page that is cut");
	unmap(cut, pages);
	close(cut_fd);
}

static void tour_protect(void)
{
	u32 *own = map(8, PRIVATE, -1);

	fill(own, 0, 8, 17);
	expect(mprotect(at(own, 2), 2 * PAGE_BYTES, PROT_READ), 0, "mprotect");
	require(!writable(at(own, 2)) && readable(at(own, 2)), "mprotect: reading alone");
	expect(mprotect(at(own, 3), 2 * PAGE_BYTES, PROT_NONE), 0, "mprotect");
	require(!readable(at(own, 3)) && !readable(at(own, 4)), "mprotect: nothing");
	press();
	expect(mprotect(own, 8 * PAGE_BYTES, PROT_READ | PROT_EXEC), 0, "mprotect");
	verify(own, 0, 8, 17, "mprotect");
	expect(mprotect(own, 8 * PAGE_BYTES, RW), 0, "mprotect");
	require(writable(at(own, 7)), "mprotect: writing");
	unmap(at(own, 5), 1);
	expect(mprotect(own, 8 * PAGE_BYTES, PROT_READ), ENOMEM, "mprotect of a hole");
	expect(mprotect(at(own, 5), PAGE_BYTES, PROT_READ), ENOMEM, "mprotect in a hole");
	close(open_file(1));
	int fd = open(path, O_RDONLY);
	void *view = map_at(NULL, 1, PROT_READ, MAP_SHARED, fd);
	expect(mprotect(view, PAGE_BYTES, RW), EACCES, "mprotect of a file opened for reading");
	unmap(view, 1);
	close(fd);
	expect(mprotect((char *)own + 1, 1, PROT_READ), EINVAL, "mprotect off a page");
	unmap(own, 8);
}

static u32 deep(u32 levels)
{
	volatile u32 frame[PAGE_WORDS];

	frame[0] = levels;
	frame[PAGE_WORDS - 1] = levels == 0 ? 0 : deep(levels - 1);
	return frame[0] + frame[PAGE_WORDS - 1];
}

static void tour_break(void)
{
	char *start = sbrk(pages * PAGE_BYTES);

	require(start != (void *)-1, "sbrk");
	memset(start, 0x5a, pages * PAGE_BYTES);
	require(deep(pages / 2) == pages / 2 * (pages / 2 + 1) / 2, "the stack");
	press();
	for (u32 i = 0; i < pages * PAGE_BYTES; i += 512)
		require(start[i] == 0x5a, "sbrk: other contents");
	require(sbrk(-(intptr_t)(pages * PAGE_BYTES)) != (void *)-1, "sbrk back");
}

/* A part of a file that is on a disk, unlike those in /tmp. */
static void tour_file(void)
{
	if (named == NULL)
		return;
	int fd = open(named, O_RDWR);
	require(fd != -1, named);
	off_t start = (off_t)worker * pages * PAGE_BYTES;
	u32 *part = mmap(NULL, pages * PAGE_BYTES, RW, MAP_SHARED, fd, start);
	u32 *own = mmap(NULL, pages * PAGE_BYTES, RW, MAP_PRIVATE, fd, start);
	u32 word;

	require(part != MAP_FAILED && own != MAP_FAILED, "mmap of a file");
	for (u32 round = 18; round < 22; round++) {
		fill(part, 0, pages, round);
		press();
		/* One page is dirty between clean ones, then again a page beside it. */
		expect(msync(part, pages * PAGE_BYTES, MS_SYNC), 0, "MS_SYNC of a file");
		fill(part, pages / 2, 1, round);
		expect(madvise(part, pages * PAGE_BYTES, MADV_PAGEOUT), 0, "PAGEOUT of a file");
		fill(part, pages / 2 + 1, 2, round);
		expect(msync(part, pages * PAGE_BYTES, MS_ASYNC), 0, "MS_ASYNC of a file");
		verify(part, 0, pages, round, "a file");
		verify(own, 0, pages, round, "a private mapping of a file");
		require(pread(fd, &word, 4, start + 8) == 4 && word == part[2], "pread");
		require(pwrite(fd, &word, 4, start + 8) == 4, "pwrite");
		expect(madvise(part, pages * PAGE_BYTES, MADV_DONTNEED), 0, "DONTNEED of a file");
		expect(madvise(part, pages * PAGE_BYTES, MADV_WILLNEED), 0, "WILLNEED of a file");
	}
	fill(own, 0, pages, 22);
	press();
	verify(part, 0, pages, 21, "a file that was copied");
	verify(own, 0, pages, 22, "a copy of a file");
	expect(mlock(part, 4 * PAGE_BYTES), 0, "mlock of a file");
	fill(part, 0, 8, 23);
	press();
	expect(fsync(fd), 0, "fsync");
	verify(part, 0, 8, 23, "a file of which a part is locked");
	unmap(part, pages);
	unmap(own, pages);
	close(fd);
}

static u32 *sent;
static u32 sent_pages;

static void pipe_child(void)
{
	size_t left = sent_pages * PAGE_BYTES;
	const char *from = (const char *)sent;

	close(probe_ends[0]);
	while (left > 0) {
		ssize_t count = write(probe_ends[1], from, left);
		require(count > 0, "write of a region");
		left -= (size_t)count;
		from += count;
	}
}

/* Sends a region through a pipe in one write, and compares what arrives. */
static void send(void *start, u32 count, const char *what)
{
	static char buffer[3 * PAGE_BYTES];
	u32 done = 0;
	int status;

	sent = start;
	sent_pages = count;
	fflush(stdout);
	pid_t pid = fork();
	require(pid != -1, "fork");
	if (pid == 0) {
		pipe_child();
		_exit(0);
	}
	while (done < count * PAGE_BYTES) {
		ssize_t n = read(probe_ends[0], buffer, sizeof(buffer));
		require(n > 0 && memcmp(buffer, (char *)start + done, (size_t)n) == 0, what);
		done += (u32)n;
	}
	require(waitpid(pid, &status, 0) == pid && status == 0, "the child failed");
}

/* Large writes to a pipe, of every kind of memory. */
static void tour_pipe(void)
{
	int fd = open_file(pages);
	void *shared = map(pages, MAP_SHARED, fd);
	void *own = map(pages, MAP_PRIVATE, fd);
	void *fresh = map(pages, PRIVATE, -1);

	fill(shared, 0, pages / 2, 26);
	fill(own, pages / 4, 4, 27);
	send(region, pages, "a pipe: private memory");
	expect(madvise(region, pages * PAGE_BYTES, MADV_PAGEOUT), 0, "PAGEOUT");
	send(region, pages, "a pipe: memory in swap");
	send(shared, pages, "a pipe: a file");
	send(own, pages, "a pipe: a private mapping of a file");
	send(fresh, pages, "a pipe: untouched memory");
	expect(mlock(region, 4 * PAGE_BYTES), 0, "mlock");
	send(region, pages, "a pipe: locked memory");
	expect(munlock(region, 4 * PAGE_BYTES), 0, "munlock");
	press();
	verify_zero(fresh, 0, pages, "untouched memory that was sent");
	unmap(fresh, pages);
	unmap(own, pages);
	unmap(shared, pages);
	close(fd);
}

static const struct stop {
	const char *name;
	void (*tour)(void);
} stops[] = {
	{"advice", tour_advice},   {"pageout", tour_pageout},   {"dontneed", tour_dontneed},
	{"free", tour_free},       {"remove", tour_remove},     {"inherit", tour_inherit},
	{"mremap", tour_mremap},   {"mlock", tour_mlock},       {"msync", tour_msync},
	{"shm", tour_shm},         {"truncate", tour_truncate}, {"protect", tour_protect},
	{"break", tour_break},     {"pipe", tour_pipe},         {"file", tour_file},
};

static void make_tour(void)
{
	require(pipe(probe_ends) == 0, "pipe");
	strcpy(path, "/tmp/vmtour.");
	path[strlen(path) + 1] = '\0';
	path[strlen(path)] = (char)('a' + worker);
	region = map(pages, PRIVATE, -1);
	pressure = map(pages, PRIVATE, -1);
	fill(region, 0, pages, 0);
	for (u32 i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
		if (only != NULL && strcmp(stops[i].name, only) != 0)
			continue;
		stops[i].tour();
		verify(region, 0, pages, 0, stops[i].name);
		if (worker == 0)
			printf("%s: done\n", stops[i].name);
	}
	unlink(path);
}

int main(int argc, char **argv)
{
	u32 kib = 256;
	u32 workers = 2;
	pid_t pids[MAX_WORKERS];
	int status;

	if (argc > 5 || !argument(argc, argv, 1, 64, 65536, &kib) ||
	    !argument(argc, argv, 2, 1, MAX_WORKERS, &workers))
		return usage("vmtour [KiB=256] [workers=2] [file] [stop]");
	named = argc > 3 && strcmp(argv[3], "-") != 0 ? argv[3] : NULL;
	only = argc > 4 ? argv[4] : NULL;
	pages = kib * 1024 / PAGE_BYTES;
	residence = malloc(pages > 32 ? pages : 32);
	require(residence != NULL, "out of memory");
	printf("vmtour: %u pages, %u workers\n", pages, workers);
	fflush(stdout);
	for (u32 i = 1; i < workers; i++) {
		pids[i] = fork();
		require(pids[i] != -1, "fork");
		if (pids[i] == 0) {
			worker = i;
			make_tour();
			_exit(0);
		}
	}
	make_tour();
	for (u32 i = 1; i < workers; i++)
		require(waitpid(pids[i], &status, 0) == pids[i] && status == 0, "a worker failed");
	printf("workers: %u verified\n", workers);
	return 0;
}
