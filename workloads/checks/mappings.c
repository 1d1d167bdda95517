/*
 * mappings: what programs map, for experiments on map entries and on files in memory.
 *
 *   mappings program LIBRARIES STEPS
 *        the mappings of a program: its own, those that a run-time linker makes for each of
 *        LIBRARIES shared libraries, and a heap that grows STEPS times
 *   mappings files COUNT
 *        map the first COUNT files of /bin, one at a time, and read a byte of each page; twice
 *
 * It prints "<" when the operation begins, of the files the second time, and ">" afterwards.
 */
#include "../rt/unix.h"
#include "../rt/program.h"

#define SYNOPSIS "mappings program LIBRARIES STEPS\n       mappings files COUNT"
#define RW (PROT_READ | PROT_WRITE)

/* Pages of a library: instructions and constants; variables, of which the first ones are constant
 * once addresses are filled in; and variables that begin as zeros. */
enum { TEXT = 12, RELRO = 1, DATA = 3, BSS = 2 };

static volatile u8 sink;

static u8 *map(u8 *at, u32 pages, int prot, int flags, int fd, u32 page)
{
	u8 *memory = mmap(at, pages * PAGE_BYTES, prot, flags | MAP_PRIVATE, fd, page * PAGE_BYTES);

	if (memory == MAP_FAILED)
		fail("mappings: mmap: error %d", errno);
	return memory;
}

/* As NetBSD's ld.elf_so (map_object.c): the whole first, and then what is not like the beginning. */
static void library(int fd)
{
	u8 *text = map(NULL, TEXT + DATA + BSS, PROT_READ | PROT_EXEC, 0, fd, 0);
	u8 *data = text + TEXT * PAGE_BYTES;

	map(data, DATA, RW, MAP_FIXED, fd, TEXT);
	map(data + DATA * PAGE_BYTES, BSS, RW, MAP_FIXED | MAP_ANONYMOUS, -1, 0);
	for (u32 page = 0; page < DATA + BSS; page++)
		data[page * PAGE_BYTES] = 1;
	if (mprotect(data, RELRO * PAGE_BYTES, PROT_READ) != 0)
		fail("mappings: mprotect: error %d", errno);
}

static int program(u32 libraries, u32 steps)
{
	int fd = open("/tmp/library", O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || ftruncate(fd, (TEXT + DATA) * PAGE_BYTES) != 0)
		fail("mappings: /tmp/library: error %d", errno);
	write(1, "<", 1);
	for (u32 i = 0; i < libraries; i++)
		library(fd);
	for (u32 i = 0; i < steps; i++) {
		u8 *more = sbrk(4 * PAGE_BYTES);
		if (more == (void *)-1)
			fail("mappings: sbrk: error %d", errno);
		more[0] = 1;
	}
	write(1, ">", 1);
	return 0;
}

/* Lengths of names in /bin are below that of the path. */
static void read_file(const char *name)
{
	char path[300] = "/bin/";
	struct stat status;

	strcpy(path + 5, name);
	int fd = open(path, O_RDONLY);
	if (fd < 0 || fstat(fd, &status) != 0)
		fail("mappings: %s: error %d", path, errno);
	u32 pages = ((u32)status.st_size + PAGE_BYTES - 1) / PAGE_BYTES;
	u8 *memory = map(NULL, pages, PROT_READ, 0, fd, 0);
	for (u32 page = 0; page < pages; page++)
		sink = ((volatile u8 *)memory)[page * PAGE_BYTES];
	munmap(memory, pages * PAGE_BYTES);
	close(fd);
}

static int files(u32 count)
{
	for (u32 round = 0; round < 2; round++) {
		DIR *bin = opendir("/bin");
		struct dirent *entry;
		u32 done = 0;

		if (bin == NULL)
			fail("mappings: /bin: error %d", errno);
		if (round == 1)
			write(1, "<", 1);
		while (done < count && (entry = readdir(bin)) != NULL) {
			if (entry->d_name[0] == '.')
				continue;
			read_file(entry->d_name);
			done++;
		}
		if (done < count)
			fail("mappings: /bin has no more than %u files", done);
		closedir(bin);
	}
	write(1, ">", 1);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	u32 libraries = 0, number = 0;

	if (strcmp(what, "program") == 0 && argc == 4 &&
	    argument(argc, argv, 2, 0, 1000, &libraries) && argument(argc, argv, 3, 0, 10000, &number))
		return program(libraries, number);
	if (strcmp(what, "files") == 0 && argc == 3 && argument(argc, argv, 2, 1, 1000, &number))
		return files(number);
	return usage(SYNOPSIS);
}
