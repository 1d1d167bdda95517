/*
 * growth: operations of which the benchmarks ask whether they cost more when there is more of it.
 *
 *   growth map|protect|fault ENTRIES TIMES ROUNDS   in an address space of so many map entries
 *   growth sparse PAGES TIMES ROUNDS       touch TIMES pages, 16 apart, of a mapping of PAGES
 *   growth exit|cow|unmap PROCESSES PAGES ROUNDS    of pages that all these processes map
 *   growth wake|procs PROCESSES TIMES ROUNDS        a switch; a fork: while so many others sleep
 *   growth anon PAGES TIMES ROUNDS         map shared anonymous memory, and unmap it
 *   growth forkents|forkpages N TIMES ROUNDS        fork with so many entries, or pages, exit
 *   growth pipe BYTES TIMES ROUNDS         read one byte from a pipe into a buffer of BYTES
 *   growth zero PAGES TIMES ROUNDS         touch TIMES fresh pages, with PAGES in use
 *   growth aobj|amap PAGES TIMES ROUNDS    touch TIMES of so many pages of memory, at random
 *   growth full|holes PAGES TIMES ROUNDS   page TIMES pages out and in, beside PAGES in swap, of
 *                                          which with `holes` every other one is free
 *   growth pageout PROCESSES PAGES ROUNDS  page out what so many processes map
 *   growth wired PAGES TIMES ROUNDS        page TIMES pages out and in, with PAGES locked
 *
 * It prints "<" before and ">" after the operations of each round, and nothing else.
 */
#include "rt/unix.h"
#include "rt/program.h"
#include "rt/random.h"

#define SYNOPSIS "growth CASE N TIMES ROUNDS"
#define RW (PROT_READ | PROT_WRITE)

static volatile u8 sink;
static u32 chosen;

static void begin(void)
{
	write(1, "<", 1);
}

static void end(void)
{
	write(1, ">", 1);
}

static u32 choose(u32 n)
{
	return mix32(++chosen) % n;
}

static u8 *map(u32 pages, int flags)
{
	u8 *memory = mmap(NULL, pages * PAGE_BYTES, RW, flags | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		fail("growth: mmap: error %d", errno);
	return memory;
}

static void unmap(u8 *memory, u32 pages)
{
	if (munmap(memory, pages * PAGE_BYTES) != 0)
		fail("growth: munmap: error %d", errno);
}

static void protect(u8 *memory, int protection)
{
	if (mprotect(memory, PAGE_BYTES, protection) != 0)
		fail("growth: mprotect: error %d", errno);
}

static void store(u8 *memory, u32 pages)
{
	for (u32 page = 0; page < pages; page++)
		((volatile u8 *)memory)[page * PAGE_BYTES] = 1;
}

static void load(const u8 *memory, u32 pages)
{
	for (u32 page = 0; page < pages; page++)
		sink = ((const volatile u8 *)memory)[page * PAGE_BYTES];
}

static pid_t checked_fork(void)
{
	pid_t child = fork();

	if (child < 0)
		fail("growth: fork: error %d", errno);
	return child;
}

static void checked_pipe(int ends[2])
{
	if (pipe(ends) != 0)
		fail("growth: pipe: error %d", errno);
}

/* `n` pages, of which every other one has another protection: as many map entries. */
static u8 *entries(u32 n)
{
	u8 *memory = map(n, MAP_PRIVATE);

	for (u32 page = 1; page < n; page += 2)
		protect(memory + page * PAGE_BYTES, PROT_READ);
	return memory;
}

static void case_entries(const char *what, u32 n, u32 times, u32 rounds)
{
	u8 *memory = entries(n);

	while (rounds-- > 0) {
		begin();
		for (u32 i = 0; i < times; i++) {
			u8 *page = memory + (choose(n) | 1) % n * PAGE_BYTES;
			if (*what == 'm') {
				unmap(map(1, MAP_SHARED), 1);
			} else if (*what == 'p') {
				protect(page, PROT_NONE);
				protect(page, PROT_READ);
			} else {
				madvise(page, PAGE_BYTES, MADV_DONTNEED);
				load(page, 1);
			}
		}
		end();
	}
}

static void case_sparse(u32 pages, u32 times, u32 rounds)
{
	u32 apart = 16;

	while (rounds-- > 0) {
		u8 *memory = map(pages, MAP_PRIVATE);
		begin();
		for (u32 i = 0; i < times; i++)
			store(memory + i * apart % pages * PAGE_BYTES, 1);
		end();
		unmap(memory, pages);
	}
}

/* Wait until `n` children have written a byte, or until nobody can write any more. */
static void await(int fd, u32 n)
{
	u8 byte;

	while (n-- > 0)
		if (read(fd, &byte, 1) != 1)
			fail("growth: a child has failed");
}

/*
 * All children map all pages, the latest last, and wait for the end of the first pipe; then each does
 * what is measured and waits for the end of the second one. They go the oldest first.
 */
static void case_mapped(const char *what, u32 n, u32 pages)
{
	bool exits = *what == 'e';
	u8 *memory = map(pages, exits ? MAP_SHARED : MAP_PRIVATE);
	int go[2], leave[2], done[2];
	u8 byte = 0;

	store(memory, pages);
	checked_pipe(go);
	checked_pipe(leave);
	checked_pipe(done);
	for (u32 i = 0; i < n; i++) {
		if (checked_fork() != 0)
			continue;
		close(go[1]);
		close(leave[1]);
		load(memory, pages);
		write(done[1], &byte, 1);
		read(go[0], &byte, 1);
		if (exits)
			_exit(0);
		if (*what == 'c')
			store(memory, pages);
		else
			unmap(memory, pages);
		write(done[1], &byte, 1);
		read(leave[0], &byte, 1);
		_exit(0);
	}
	await(done[0], n);
	begin();
	close(go[1]);
	if (!exits)
		await(done[0], n);
	for (u32 i = 0; exits && i < n; i++)
		waitpid(-1, NULL, 0);
	end();
	close(leave[1]);
	for (u32 i = 0; !exits && i < n; i++)
		waitpid(-1, NULL, 0);
	close(go[0]);
	close(leave[0]);
	close(done[0]);
	close(done[1]);
	unmap(memory, pages);
}

/* Processes that sleep for ever, each on something else. */
static void sleepers(u32 n)
{
	int ready[2];
	u8 byte = 0;

	checked_pipe(ready);
	for (u32 i = 0; i < n; i++) {
		if (checked_fork() != 0)
			continue;
		sigset_t none;
		sigemptyset(&none);
		write(ready[1], &byte, 1);
		sigsuspend(&none);
		_exit(0);
	}
	await(ready[0], n);
}

static void case_wake(u32 n, u32 times, u32 rounds)
{
	int there[2], back[2];
	u8 byte = 0;

	sleepers(n);
	checked_pipe(there);
	checked_pipe(back);
	if (checked_fork() == 0) {
		close(there[1]);
		while (read(there[0], &byte, 1) == 1)
			write(back[1], &byte, 1);
		_exit(0);
	}
	while (rounds-- > 0) {
		begin();
		for (u32 i = 0; i < times; i++)
			if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
				fail("growth: pipe");
		end();
	}
}

static void case_fork(u32 times, u32 rounds)
{
	while (rounds-- > 0) {
		begin();
		for (u32 i = 0; i < times; i++) {
			pid_t child = checked_fork();
			if (child == 0)
				_exit(0);
			waitpid(child, NULL, 0);
		}
		end();
	}
}

static void case_anon(u32 pages, u32 times, u32 rounds)
{
	while (rounds-- > 0) {
		begin();
		for (u32 i = 0; i < times; i++)
			unmap(map(pages, MAP_SHARED), pages);
		end();
	}
}

static void case_pipe(u32 bytes, u32 times, u32 rounds)
{
	u32 pages = (bytes + PAGE_BYTES - 1) / PAGE_BYTES;
	u8 *buffer = map(pages, MAP_PRIVATE);
	int ends[2];
	u8 byte = 0;

	store(buffer, pages);
	checked_pipe(ends);
	while (rounds-- > 0) {
		begin();
		for (u32 i = 0; i < times; i++)
			if (write(ends[1], &byte, 1) != 1 || read(ends[0], buffer, bytes) != 1)
				fail("growth: pipe");
		end();
	}
}

static void case_zero(u32 pages, u32 times, u32 rounds)
{
	u8 *memory = map(pages, MAP_PRIVATE);

	store(memory, pages);
	while (rounds-- > 0) {
		u8 *fresh = map(times, MAP_PRIVATE);
		begin();
		store(fresh, times);
		end();
		unmap(fresh, times);
	}
}

static void case_random(int flags, u32 pages, u32 times, u32 rounds)
{
	u8 *memory = map(pages, flags);

	store(memory, pages);
	while (rounds-- > 0) {
		pid_t child = checked_fork();
		if (child != 0) {
			waitpid(child, NULL, 0);
			continue;
		}
		chosen = rounds;
		/* The first fault copies the amap. */
		load(memory, 1);
		begin();
		for (u32 i = 0; i < times; i++)
			load(memory + choose(pages) * PAGE_BYTES, 1);
		end();
		_exit(0);
	}
}

static void case_drum(bool holes, u32 pages, u32 times, u32 rounds)
{
	u8 *cold = map(pages, MAP_PRIVATE);
	u8 *hot = map(times, MAP_PRIVATE);

	store(cold, pages);
	store(hot, times);
	for (u32 page = 0; holes && page < pages; page += 2)
		madvise(cold + page * PAGE_BYTES, PAGE_BYTES, MADV_DONTNEED);
	while (rounds-- > 0) {
		begin();
		store(hot, times);
		end();
	}
}

static void case_wired(u32 pages, u32 times, u32 rounds)
{
	u8 *locked = map(pages, MAP_PRIVATE);
	u8 *hot = map(times, MAP_PRIVATE);

	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	if (setrlimit(RLIMIT_MEMLOCK, &all) != 0)
		fail("growth: setrlimit: error %d", errno);
	if (mlock(locked, pages * PAGE_BYTES) != 0)
		fail("growth: mlock: error %d", errno);
	store(hot, times);
	while (rounds-- > 0) {
		begin();
		store(hot, times);
		end();
	}
}

static void case_pageout(u32 n, u32 pages, u32 rounds)
{
	u8 *memory = map(pages, MAP_SHARED);
	u8 byte = 0;

	while (rounds-- > 0) {
		int ready[2], leave[2];
		checked_pipe(ready);
		checked_pipe(leave);
		store(memory, pages);
		for (u32 i = 0; i < n; i++) {
			if (checked_fork() != 0)
				continue;
			close(leave[1]);
			load(memory, pages);
			write(ready[1], &byte, 1);
			read(leave[0], &byte, 1);
			_exit(0);
		}
		await(ready[0], n);
		begin();
		if (madvise(memory, pages * PAGE_BYTES, MADV_PAGEOUT) != 0)
			fail("growth: madvise: error %d", errno);
		end();
		close(leave[1]);
		for (u32 i = 0; i < n; i++)
			waitpid(-1, NULL, 0);
		close(leave[0]);
		close(ready[0]);
		close(ready[1]);
	}
}

static bool is(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static bool run(const char *what, u32 n, u32 times, u32 rounds)
{
	if (is(what, "map") || is(what, "protect") || is(what, "fault"))
		case_entries(what, n, times, rounds);
	else if (is(what, "sparse"))
		case_sparse(n, times, rounds);
	else if (is(what, "exit") || is(what, "cow") || is(what, "unmap"))
		for (u32 round = 0; round < rounds; round++)
			case_mapped(what, n, times);
	else if (is(what, "wake"))
		case_wake(n, times, rounds);
	else if (is(what, "procs")) {
		sleepers(n);
		case_fork(times, rounds);
	} else if (is(what, "forkents")) {
		entries(n);
		case_fork(times, rounds);
	} else if (is(what, "forkpages")) {
		store(map(n, MAP_PRIVATE), n);
		case_fork(times, rounds);
	} else if (is(what, "anon"))
		case_anon(n, times, rounds);
	else if (is(what, "pipe"))
		case_pipe(n, times, rounds);
	else if (is(what, "zero"))
		case_zero(n, times, rounds);
	else if (is(what, "aobj"))
		case_random(MAP_SHARED, n, times, rounds);
	else if (is(what, "amap"))
		case_random(MAP_PRIVATE, n, times, rounds);
	else if (is(what, "full") || is(what, "holes"))
		case_drum(is(what, "holes"), n, times, rounds);
	else if (is(what, "pageout"))
		case_pageout(n, times, rounds);
	else if (is(what, "wired"))
		case_wired(n, times, rounds);
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	u32 n = 0, times = 0, rounds = 0;
	u32 max = 1000000;

	if (argc != 5 || !argument(argc, argv, 2, 1, max, &n) ||
	    !argument(argc, argv, 3, 1, max, &times) || !argument(argc, argv, 4, 1, max, &rounds))
		return usage(SYNOPSIS);
	return run(argv[1], n, times, rounds) ? 0 : usage(SYNOPSIS);
}
