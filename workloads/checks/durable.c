/*
 * durable write FILE [rounds=2]: store to a file through a shared mapping, and say what must survive.
 * durable check FILE: whether the file has what the output of such a run, on standard input, promises.
 *
 * The file has P whole pages of zeros. Step s, from 1 to rounds * P, stores to page (s - 1) mod P:
 * word i becomes nth(stream(1, s), i)   (rt/random.h). Then it calls msync for this page, and prints.
 *
 * Output of `write`:
 *   durable: 4 pages
 *   synced 1                              when msync has returned; and so for each step
 *
 * When the last of these lines is `synced N`, each page must hold what the last of the steps up to N
 * has stored there. Of step N + 1 each sector may or may not be there.
 *
 * Output of `check`, which fails otherwise (exit code 1, and a line on file descriptor 2):
 *   durable: 4 pages, steps up to N are there
 */
#include "../rt/program.h"
#include "../rt/random.h"
#include "../rt/unix.h"

enum { SECTOR_WORDS = 512 / 4, LINE_SIZE = 80 };

static u32 *words;
static u32 pages;

static u32 word_of(u32 step, u32 i)
{
	return step == 0 ? 0 : nth(stream(1, step), i);
}

static void map_file(const char *path)
{
	int fd = open(path, O_RDWR);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

	if (size < (off_t)PAGE_BYTES)
		fail("durable: %s: error %d", path, errno);
	pages = (u32)(size / PAGE_BYTES);
	words = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (words == MAP_FAILED)
		fail("durable: mmap: error %d", errno);
}

static void write_steps(u32 rounds)
{
	printf("durable: %u pages\n", pages);
	for (u32 step = 1; step <= rounds * pages; step++) {
		u32 *page = words + (step - 1) % pages * PAGE_WORDS;

		for (u32 i = 0; i < PAGE_WORDS; i++)
			page[i] = word_of(step, i);
		if (msync(page, PAGE_BYTES, MS_SYNC) != 0)
			fail("durable: msync: error %d", errno);
		printf("synced %u\n", step);
		fflush(stdout);
	}
}

/* The number in the last whole line "synced N" of standard input, or 0. */
static u32 promised(void)
{
	static char line[LINE_SIZE];
	u32 length = 0;
	u32 last = 0;
	char byte;

	while (read(0, &byte, 1) == 1) {
		if (byte != '\n') {
			if (length < LINE_SIZE - 1)
				line[length++] = byte;
			continue;
		}
		line[length] = '\0';
		length = 0;
		if (strncmp(line, "synced ", 7) == 0 && !parse_u32(line + 7, &last))
			fail("durable: not understood: %s", line);
	}
	return last;
}

static void check_sector(u32 page, u32 sector, u32 step, u32 newer)
{
	u32 at = sector * SECTOR_WORDS;
	const u32 *found = words + page * PAGE_WORDS + at;
	u32 old = 0;
	u32 new = 0;

	for (u32 i = 0; i < SECTOR_WORDS; i++) {
		old += found[i] == word_of(step, at + i);
		new += found[i] == word_of(newer, at + i);
	}
	if (old != SECTOR_WORDS && new != SECTOR_WORDS)
		fail("durable: page %u, sector %u: what step %u has stored is lost", page, sector, step);
}

static void check_steps(u32 last)
{
	for (u32 page = 0; page < pages; page++) {
		u32 behind = last > page ? (last - 1 - page) % pages : 0;
		u32 step = last > page ? last - behind : 0;
		/* The next one may have been under way. */
		u32 newer = last % pages == page ? last + 1 : step;

		for (u32 sector = 0; sector < PAGE_WORDS / SECTOR_WORDS; sector++)
			check_sector(page, sector, step, newer);
	}
	printf("durable: %u pages, steps up to %u are there\n", pages, last);
}

int main(int argc, char **argv)
{
	u32 rounds = 2;

	if (argc == 3 && strcmp(argv[1], "check") == 0) {
		map_file(argv[2]);
		check_steps(promised());
		return 0;
	}
	if (argc < 3 || argc > 4 || strcmp(argv[1], "write") != 0 ||
	    !argument(argc, argv, 3, 1, 1000, &rounds))
		return usage("durable write FILE [rounds], or durable check FILE");
	map_file(argv[2]);
	write_steps(rounds);
	return 0;
}
