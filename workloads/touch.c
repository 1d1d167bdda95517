/*
 * touch [MiB=4] [rounds=16]: the zero-fill page fault benchmark.
 *
 * MiB is 1..1024, rounds 0..1000000. Each round maps the memory anew, stores one word in each
 * page and unmaps it. Round r stores in word r mod 1024 and checks that the word before it (the
 * one the last round used) reads zero, so a page that was recycled without being cleared shows.
 *
 * Output:
 *   touch: 16384 pages touched            1024 pages, 16 times
 */
#include "rt/program.h"

static void touch_all(u32 *words, u32 pages, u32 round)
{
	u32 stored = round % PAGE_WORDS;
	u32 clear = (round + PAGE_WORDS - 1) % PAGE_WORDS;

	for (u32 page = 0; page < pages; page++) {
		volatile u32 *contents = words + page * PAGE_WORDS;
		contents[stored] = ~page;
		if (contents[clear] != 0)
			fail("touch: page %u is not zero in round %u", page, round);
	}
}

int main(int argc, char **argv)
{
	u32 mib = 4;
	u32 rounds = 16;

	if (argc > 3 || !argument(argc, argv, 1, 1, 1024, &mib) ||
	    !argument(argc, argv, 2, 0, 1000000, &rounds))
		return usage("touch [MiB=4] [rounds=16]");

	u32 pages = mib * (MIB / PAGE_BYTES);
	for (u32 round = 0; round < rounds; round++) {
		void *words = mmap(NULL, mib * MIB, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (words == MAP_FAILED)
			fail("touch: mmap: error %d", errno);
		touch_all(words, pages, round);
		if (munmap(words, mib * MIB) == -1)
			fail("touch: munmap: error %d", errno);
	}
	printf("touch: %llu pages touched\n", (u64)pages * rounds);
	return 0;
}
