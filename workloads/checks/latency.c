/*
 * latency: calls of the system, over and over, for experiments: what will-it-scale, lmbench and
 * stress-ng measure of memory and processes.
 *
 *   latency page_fault 1|2|3 TASKS PAGES ROUNDS
 *        TASKS processes each map PAGES (1: fresh memory, 2: a file privately, 3: a file shared),
 *        store to each page and unmap them, ROUNDS times
 *   latency ctx PROCESSES KIB ROUNDS
 *        a token goes round a ring of PROCESSES through pipes; each sums KIB of its own first
 *   latency proc fork|exec|sh ROUNDS
 *        a process that exits; that executes /bin/true; or a shell that does
 *   latency mmap PAGES ROUNDS
 *        map a file of PAGES, store to each, and unmap it
 *   latency fault minor|major ROUNDS
 *        a new file of a page is mapped and stored to; or pages that were paged out are
 *   latency mappings COUNT ROUNDS
 *        map COUNT times 1 to 16 pages, store to them, protect a page of each, unmap them in
 *        another order
 *
 * "<" and ">" are printed before and after what counts.
 */
#include "../rt/unix.h"
#include "../rt/program.h"
#include "../rt/random.h"

#define SYNOPSIS "latency page_fault 1|2|3 TASKS PAGES ROUNDS\n" \
	"       latency ctx PROCESSES KIB ROUNDS\n       latency proc fork|exec|sh ROUNDS\n" \
	"       latency mmap PAGES ROUNDS\n       latency fault minor|major ROUNDS\n" \
	"       latency mappings COUNT ROUNDS"
#define RW (PROT_READ | PROT_WRITE)
#define TASKS_MAX 64

static void begin(void)
{
	write(1, "<", 1);
}

static int end(void)
{
	write(1, ">", 1);
	return 0;
}

static u8 *map(u32 pages, int flags, int fd)
{
	u8 *memory = mmap(NULL, pages * PAGE_BYTES, RW, flags, fd, 0);

	if (memory == MAP_FAILED)
		fail("latency: mmap: error %d", errno);
	return memory;
}

static void unmap(u8 *memory, u32 pages)
{
	if (munmap(memory, pages * PAGE_BYTES) != 0)
		fail("latency: munmap: error %d", errno);
}

static void store(u8 *memory, u32 pages, u32 value)
{
	for (u32 page = 0; page < pages; page++)
		((volatile u8 *)memory)[page * PAGE_BYTES] = (u8)value;
}

/* A file of its own for each process, with all its pages in memory. */
static int new_file(u32 pages)
{
	char path[] = "/tmp/latency-000";
	int id = getpid() % 1000;

	path[13] += (char)(id / 100);
	path[14] += (char)(id / 10 % 10);
	path[15] += (char)(id % 10);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, pages * PAGE_BYTES) != 0)
		fail("latency: %s: error %d", path, errno);
	u8 *memory = map(pages, MAP_SHARED, fd);
	store(memory, pages, 1);
	unmap(memory, pages);
	unlink(path);
	return fd;
}

static pid_t start(void)
{
	pid_t child = fork();

	if (child < 0)
		fail("latency: fork: error %d", errno);
	return child;
}

static void reap(u32 children)
{
	int status;

	while (children-- > 0)
		if (waitpid(-1, &status, 0) < 0 || status != 0)
			fail("latency: a child has failed");
}

/* All tasks are ready before the first begins. */
static int page_fault(u32 test, u32 tasks, u32 pages, u32 rounds)
{
	int ready[2], go[2], flags = test == 3 ? MAP_SHARED : MAP_PRIVATE;
	u8 byte = 0;

	if (pipe(ready) != 0 || pipe(go) != 0)
		fail("latency: pipe: error %d", errno);
	for (u32 task = 0; task < tasks; task++) {
		if (start() != 0)
			continue;
		int fd = test == 1 ? -1 : new_file(pages);
		/* Once before it counts: its stack and its page tables are there. */
		for (u32 round = 0; round <= rounds; round++) {
			u8 *memory = map(pages, test == 1 ? flags | MAP_ANONYMOUS : flags, fd);
			store(memory, pages, round);
			unmap(memory, pages);
			if (round > 0)
				continue;
			write(ready[1], &byte, 1);
			read(go[0], &byte, 1);
		}
		_exit(0);
	}
	for (u32 task = 0; task < tasks; task++)
		read(ready[0], &byte, 1);
	begin();
	for (u32 task = 0; task < tasks; task++)
		write(go[1], &byte, 1);
	reap(tasks);
	return end();
}

/* One copy, so that all take the same time. */
__attribute__((noinline)) static u32 sum_of(const u32 *words, u32 count)
{
	u32 sum = 0;

	for (u32 i = 0; i < count; i++)
		sum += words[i];
	return sum;
}

/* A ring: process i reads from pipe i, and writes to the next one. The first is this one. */
static int ctx(u32 processes, u32 kib, u32 rounds)
{
	static int ends[TASKS_MAX][2];
	u32 count = kib * 1024 / 4, token = 0, self = 0;

	for (u32 i = 0; i < processes; i++)
		if (pipe(ends[i]) != 0)
			fail("latency: pipe: error %d", errno);
	for (u32 i = 1; i < processes && self == 0; i++)
		if (start() == 0)
			self = i;
	u32 *words = (u32 *)map(count / PAGE_WORDS + 1, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	for (u32 i = 0; i < count; i++)
		words[i] = 1;
	int in = ends[self][0], out = ends[(self + 1) % processes][1];
	if (self != 0) {
		for (u32 round = 0; round <= rounds; round++) {
			if (read(in, &token, sizeof token) != sizeof token)
				fail("latency: the token is lost");
			token += sum_of(words, count);
			write(out, &token, sizeof token);
		}
		_exit(0);
	}
	/* The first time round all begin. */
	for (u32 round = 0; round <= rounds; round++) {
		write(out, &token, sizeof token);
		if (read(in, &token, sizeof token) != sizeof token)
			fail("latency: the token is lost");
		token += sum_of(words, count);
		if (round == 0)
			begin();
	}
	end();
	reap(processes - 1);
	if (token != (rounds + 1) * processes * count)
		fail("latency: the sum is wrong");
	return 0;
}

static int proc(const char *what, u32 rounds)
{
	char *const program[] = { "true", NULL };
	char *const shell[] = { "sh", "-c", "/bin/true", NULL };
	char *const none[] = { NULL };
	bool is_exec = strcmp(what, "exec") == 0, is_shell = strcmp(what, "sh") == 0;

	if (!is_exec && !is_shell && strcmp(what, "fork") != 0)
		return usage(SYNOPSIS);
	/* Once before it counts: the programs' pages are in memory. */
	for (u32 round = 0; round <= rounds; round++) {
		if (round == 1)
			begin();
		if (start() == 0) {
			if (is_exec)
				execve("/bin/true", program, none);
			else if (is_shell)
				execve("/bin/sh", shell, none);
			_exit(is_exec || is_shell);
		}
		reap(1);
	}
	return end();
}

static int mmap_file(u32 pages, u32 rounds)
{
	int fd = new_file(pages);

	begin();
	for (u32 round = 0; round < rounds; round++) {
		u8 *memory = map(pages, MAP_SHARED, fd);
		store(memory, pages, round);
		unmap(memory, pages);
	}
	return end();
}

#define MAJOR 64 /* pages that are paged out at a time */

static int fault(const char *what, u32 rounds)
{
	bool is_major = strcmp(what, "major") == 0;
	u8 *memory = map(MAJOR, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	if (!is_major && strcmp(what, "minor") != 0)
		return usage(SYNOPSIS);
	/* Once before it counts: all of its own pages are there. */
	for (u32 round = 0; round <= rounds; round++) {
		if (round == 1)
			begin();
		if (!is_major) {
			int fd = open("/tmp/latency", O_RDWR | O_CREAT | O_TRUNC, 0600);
			if (fd < 0 || ftruncate(fd, PAGE_BYTES) != 0)
				fail("latency: /tmp/latency: error %d", errno);
			u8 *page = map(1, MAP_SHARED, fd);
			store(page, 1, round);
			unmap(page, 1);
			close(fd);
			unlink("/tmp/latency");
			continue;
		}
		if (madvise(memory, MAJOR * PAGE_BYTES, MADV_PAGEOUT) != 0)
			fail("latency: madvise: error %d", errno);
		/* It does not wait for the disk. */
		nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
		store(memory, MAJOR, round);
	}
	return end();
}

static int mappings(u32 count, u32 rounds)
{
	static u8 *all[1024];
	u32 numbers = stream(1, 0);

	begin();
	for (u32 round = 0; round < rounds; round++) {
		for (u32 i = 0; i < count; i++) {
			u32 pages = 1 + nth(numbers, i) % 16;
			all[i] = map(pages, MAP_PRIVATE | MAP_ANONYMOUS, -1);
			store(all[i], pages, i);
			if (mprotect(all[i], PAGE_BYTES, PROT_READ) != 0)
				fail("latency: mprotect: error %d", errno);
		}
		/* An odd step through a power of two meets each once. */
		for (u32 i = 0, at = 0; i < count; i++, at = (at + 167) % count) {
			if (all[at][0] != (u8)at)
				fail("latency: a page has lost its contents");
			unmap(all[at], 1 + nth(numbers, at) % 16);
		}
	}
	return end();
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	u32 test = 0, n[3] = { 0 };

	if (argc == 6 && strcmp(what, "page_fault") == 0 && argument(argc, argv, 2, 1, 3, &test) &&
	    argument(argc, argv, 3, 1, TASKS_MAX, &n[0]) &&
	    argument(argc, argv, 4, 1, 65536, &n[1]) && argument(argc, argv, 5, 1, 1000000, &n[2]))
		return page_fault(test, n[0], n[1], n[2]);
	if (argc == 5 && strcmp(what, "ctx") == 0 && argument(argc, argv, 2, 1, TASKS_MAX, &n[0]) &&
	    argument(argc, argv, 3, 0, 65536, &n[1]) && argument(argc, argv, 4, 1, 1000000, &n[2]))
		return ctx(n[0], n[1], n[2]);
	if (argc != 4 || !argument(argc, argv, 3, 1, 1000000, &n[1]))
		return usage(SYNOPSIS);
	if (strcmp(what, "proc") == 0)
		return proc(argv[2], n[1]);
	if (strcmp(what, "fault") == 0)
		return fault(argv[2], n[1]);
	if (!argument(argc, argv, 2, 1, 65536, &n[0]))
		return usage(SYNOPSIS);
	if (strcmp(what, "mmap") == 0)
		return mmap_file(n[0], n[1]);
	if (strcmp(what, "mappings") == 0 && n[0] <= 1024 && (n[0] & (n[0] - 1)) == 0)
		return mappings(n[0], n[1]);
	return usage(SYNOPSIS);
}
