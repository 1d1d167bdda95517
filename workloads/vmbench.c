/*
 * vmbench: single paths through the kernel, over and over.
 *
 *   vmbench map read|write shared|private|zero PAGES TIMES   map, touch every page, unmap
 *   vmbench fork KIB TIMES     write KIB of memory, then fork a child that exits, TIMES times
 *   vmbench cow KIB TIMES      the same, and the child writes to every page
 *   vmbench switch TIMES       two processes hand a byte back and forth through two pipes
 *   vmbench pipe KIB TIMES     a child reads what its parent writes, in transfers of KIB
 *
 * It prints nothing but errors: who measures runs it with two numbers of TIMES and compares.
 */
#include "rt/unix.h"
#include "rt/program.h"

#define SYNOPSIS "vmbench map read|write shared|private|zero PAGES TIMES\n" \
	"       vmbench fork|cow|pipe KIB TIMES\n       vmbench switch TIMES"

static u32 number(const char *text)
{
	u32 value;

	if (!parse_u32(text, &value)) {
		dprintf(2, "vmbench: %s: not a number\n", text);
		exit(2);
	}
	return value;
}

static volatile u8 sink;

static void touch(volatile u8 *memory, u32 bytes, bool writes)
{
	for (u32 at = 0; at < bytes; at += PAGE_BYTES) {
		if (writes)
			memory[at] = 1;
		else
			sink = memory[at];
	}
}

static int scratch_file(u32 bytes)
{
	int fd = open("/tmp/vmbench", O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || ftruncate(fd, bytes) != 0)
		fail("/tmp/vmbench");
	/* In memory before anything is measured. */
	u8 *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		fail("mmap");
	touch(memory, bytes, true);
	munmap(memory, bytes);
	return fd;
}

static int bench_map(bool writes, const char *kind, u32 pages, u32 times)
{
	bool zero = strcmp(kind, "zero") == 0;
	u32 bytes = pages * PAGE_BYTES;
	int fd = zero ? -1 : scratch_file(bytes);
	int flags = strcmp(kind, "shared") == 0 ? MAP_SHARED : MAP_PRIVATE;

	if (zero)
		flags |= MAP_ANONYMOUS;
	while (times-- > 0) {
		u8 *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
		if (memory == MAP_FAILED)
			fail("mmap");
		touch(memory, bytes, writes);
		munmap(memory, bytes);
	}
	return 0;
}

static int bench_fork(u32 bytes, u32 times, bool writes)
{
	u8 *memory = NULL;

	if (bytes > 0) {
		memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (memory == MAP_FAILED)
			fail("mmap");
		touch(memory, bytes, true);
	}
	while (times-- > 0) {
		int status;
		pid_t child = fork();
		if (child < 0)
			fail("fork");
		if (child == 0) {
			if (writes)
				touch(memory, bytes, true);
			_exit(0);
		}
		if (waitpid(child, &status, 0) != child || status != 0)
			fail("waitpid");
	}
	return 0;
}

static int bench_switch(u32 times)
{
	int there[2], back[2], status;
	u8 byte = 0;

	if (pipe(there) != 0 || pipe(back) != 0)
		fail("pipe");
	pid_t child = fork();
	if (child < 0)
		fail("fork");
	if (child == 0) {
		close(there[1]);
		while (read(there[0], &byte, 1) == 1)
			write(back[1], &byte, 1);
		_exit(0);
	}
	close(there[0]);
	while (times-- > 0) {
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			fail("pipe");
	}
	close(there[1]);
	waitpid(child, &status, 0);
	return 0;
}

static int bench_pipe(u32 bytes, u32 times)
{
	int ends[2], status;
	u8 *memory = malloc(bytes);

	if (memory == NULL || pipe(ends) != 0)
		fail("pipe");
	memset(memory, 1, bytes);
	pid_t child = fork();
	if (child < 0)
		fail("fork");
	if (child == 0) {
		close(ends[1]);
		while (read(ends[0], memory, bytes) > 0)
			continue;
		_exit(0);
	}
	close(ends[0]);
	while (times-- > 0) {
		for (u32 done = 0; done < bytes;) {
			ssize_t n = write(ends[1], memory + done, bytes - done);
			if (n <= 0)
				fail("write");
			done += (u32)n;
		}
	}
	close(ends[1]);
	waitpid(child, &status, 0);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "map") == 0 && argc == 6) {
		bool writes = strcmp(argv[2], "write") == 0;
		return bench_map(writes, argv[3], number(argv[4]), number(argv[5]));
	}
	if (strcmp(what, "switch") == 0 && argc == 3)
		return bench_switch(number(argv[2]));
	if (argc != 4)
		return usage(SYNOPSIS);
	u32 bytes = number(argv[2]) * 1024;
	if (strcmp(what, "fork") == 0 || strcmp(what, "cow") == 0)
		return bench_fork(bytes, number(argv[3]), strcmp(what, "cow") == 0);
	if (strcmp(what, "pipe") == 0)
		return bench_pipe(bytes, number(argv[3]));
	return usage(SYNOPSIS);
}
