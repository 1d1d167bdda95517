/*
 * faults: single operations on memory, for experiments that count what the VM system does then.
 *
 *   faults ahead normal|random|sequential forward|backward|shuffled PAGES
 *        read PAGES pages of shared memory, of which all are in memory and none is mapped
 *   faults zero|private|shared PAGES
 *        map fresh memory, or a file privately, or shared; store to each page; unmap
 *   faults fork|cow PAGES TOUCHED
 *        in a process with PAGES pages: fork a child that stores to TOUCHED of them, and exits; or
 *        only what the child does
 *   faults pageout|pagein PAGES
 *        page PAGES dirty pages of shared memory out, and wait a minute; or read them again
 *        afterwards, shuffled
 *
 * It prints "<" before the operation and ">" after it.
 */
#include "../rt/unix.h"
#include "../rt/program.h"
#include "../rt/random.h"

#define SYNOPSIS "faults ahead ADVICE ORDER PAGES\n       faults zero|private|shared PAGES\n" \
	"       faults fork|cow PAGES TOUCHED\n       faults pageout|pagein PAGES"
#define RW (PROT_READ | PROT_WRITE)

static volatile u8 sink;

static void begin(void)
{
	write(1, "<", 1);
}

static void end(void)
{
	write(1, ">", 1);
}

static u8 *map(u32 pages, int flags, int fd)
{
	u8 *memory = mmap(NULL, pages * PAGE_BYTES, RW, flags, fd, 0);

	if (memory == MAP_FAILED)
		fail("faults: mmap: error %d", errno);
	return memory;
}

static void advise(u8 *memory, u32 pages, int advice)
{
	if (madvise(memory, pages * PAGE_BYTES, advice) != 0)
		fail("faults: madvise: error %d", errno);
}

static void store(u8 *memory, u32 pages)
{
	for (u32 page = 0; page < pages; page++)
		((volatile u8 *)memory)[page * PAGE_BYTES] = (u8)(page + 1);
}

/* The numbers 0..pages-1 in some order, in memory that is mapped. */
static u32 *shuffled(u32 pages)
{
	u32 *order = (u32 *)map(pages * sizeof *order / PAGE_BYTES + 1, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	for (u32 i = 0; i < pages; i++) {
		u32 j = mix32(i) % (i + 1);
		order[i] = order[j];
		order[j] = i;
	}
	return order;
}

static u32 *in_order(const char *name, u32 pages)
{
	u32 *order = shuffled(pages);

	if (strcmp(name, "shuffled") == 0)
		return order;
	bool backward = strcmp(name, "backward") == 0;
	if (!backward && strcmp(name, "forward") != 0)
		exit(usage(SYNOPSIS));
	for (u32 i = 0; i < pages; i++)
		order[i] = backward ? pages - 1 - i : i;
	return order;
}

static void load(const u8 *memory, const u32 *order, u32 pages)
{
	for (u32 i = 0; i < pages; i++) {
		sink = ((const volatile u8 *)memory)[order[i] * PAGE_BYTES];
		if (sink != (u8)(order[i] + 1))
			fail("faults: page %u has lost its contents", order[i]);
	}
}

static int ahead(const char *name, const char *order_name, u32 pages)
{
	static const char *const names[] = { "normal", "random", "sequential" };
	static const int advices[] = { MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL };
	u32 *order = in_order(order_name, pages);
	u8 *memory = map(pages, MAP_SHARED | MAP_ANONYMOUS, -1);
	u32 which = 0;

	while (which < 3 && strcmp(name, names[which]) != 0)
		which++;
	if (which == 3)
		return usage(SYNOPSIS);
	store(memory, pages);
	/* Of shared memory this takes the mappings away, and nothing else. */
	advise(memory, pages, MADV_DONTNEED);
	advise(memory, pages, advices[which]);
	begin();
	load(memory, order, pages);
	end();
	return 0;
}

static int touch(const char *kind, u32 pages)
{
	int flags = strcmp(kind, "shared") == 0 ? MAP_SHARED : MAP_PRIVATE;
	int fd = -1;

	if (strcmp(kind, "zero") == 0) {
		flags |= MAP_ANONYMOUS;
	} else {
		fd = open("/tmp/faults", O_RDWR | O_CREAT | O_TRUNC, 0600);
		if (fd < 0 || ftruncate(fd, pages * PAGE_BYTES) != 0)
			fail("faults: /tmp/faults: error %d", errno);
		u8 *memory = map(pages, MAP_SHARED, fd);
		store(memory, pages);
		munmap(memory, pages * PAGE_BYTES);
	}
	begin();
	u8 *memory = map(pages, flags, fd);
	store(memory, pages);
	if (munmap(memory, pages * PAGE_BYTES) != 0)
		fail("faults: munmap: error %d", errno);
	end();
	return 0;
}

static int forks(bool child_only, u32 pages, u32 touched)
{
	u8 *memory = map(pages + 1, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	int status;

	store(memory, pages);
	if (!child_only)
		begin();
	pid_t child = fork();
	if (child < 0)
		fail("faults: fork: error %d", errno);
	if (child == 0) {
		/* Pages of the child's own: those of its stack and its variables are, from here on. */
		sink = (u8)child;
		if (child_only)
			begin();
		store(memory, touched);
		if (child_only)
			end();
		_exit(0);
	}
	if (waitpid(child, &status, 0) != child || status != 0)
		fail("faults: the child has failed");
	if (!child_only)
		end();
	return 0;
}

static int paging(bool in, u32 pages)
{
	u32 *order = shuffled(pages);
	u8 *memory = map(pages, MAP_SHARED | MAP_ANONYMOUS, -1);

	store(memory, pages);
	if (!in)
		begin();
	advise(memory, pages, MADV_PAGEOUT);
	/* It does not wait for the disk. */
	nanosleep(&(struct timespec){ .tv_sec = 60 }, NULL);
	if (!in)
		end();
	if (in) {
		begin();
		load(memory, order, pages);
		end();
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	u32 pages = 0, touched = 0;

	if (strcmp(what, "ahead") == 0 && argc == 5 && argument(argc, argv, 4, 1, 65536, &pages))
		return ahead(argv[2], argv[3], pages);
	if (argc < 3 || !argument(argc, argv, 2, 0, 65536, &pages))
		return usage(SYNOPSIS);
	bool child_only = strcmp(what, "cow") == 0;
	if ((child_only || strcmp(what, "fork") == 0) && argc == 4 &&
	    argument(argc, argv, 3, 0, pages, &touched))
		return forks(child_only, pages, touched);
	if (argc != 3 || pages == 0)
		return usage(SYNOPSIS);
	if (strcmp(what, "zero") == 0 || strcmp(what, "private") == 0 || strcmp(what, "shared") == 0)
		return touch(what, pages);
	if (strcmp(what, "pageout") == 0 || strcmp(what, "pagein") == 0)
		return paging(strcmp(what, "pagein") == 0, pages);
	return usage(SYNOPSIS);
}
