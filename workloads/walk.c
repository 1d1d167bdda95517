/*
 * walk [MiB=16] [rounds=4] [seed=1]: reads and writes pages of a private anonymous mapping in
 * pseudo-random order and verifies every word it meets.
 *
 * MiB is 1..1024, rounds 0..1000000. The region has P = 256 * MiB pages of 1024 words. Lane l of
 * a page (0..15) is its words l, l + 16, l + 32, ...: 64 words spread over the page. A table
 * keeps a generation for each lane of each page, 0 at first, counted modulo 256. While its lane
 * is of generation g, word i of the region (i counts from its start) must read
 *   0 if g is 0, else nth(stream(seed, 0), g * 1024 * P + i)      (rt/random.h, modulo 2^32)
 *
 * A round is P steps. Step s (counted over all rounds) draws a = nth(stream(seed, 1), 2 * s) and
 * b = nth(stream(seed, 1), 2 * s + 1), takes lane b mod 16 of page a mod P and verifies its
 * words; if bit 4 of b is set it also raises the lane's generation and writes its new words.
 * The end is a sweep that verifies every word of the region.
 *
 * Output:
 *   walk: 4096 pages (16 MiB), 4 rounds, seed 1
 *   round 1: 2049 lanes read, 2047 rewritten       one line for each round
 *   sweep: 4194304 words verified
 *   checksum XXXXXXXX                              rt/random.h's, over the region's words
 */
#include "rt/program.h"
#include "rt/random.h"

enum { LANES = 16, LANE_WORDS = PAGE_WORDS / LANES, REWRITE = 0x10 };

struct region {
	u32 *words;
	u8 *generations; /* LANES for each page */
	u32 pages;
	u32 contents; /* the stream of the words */
};

static u32 expected_word(const struct region *region, u32 generation, u32 index)
{
	if (generation == 0)
		return 0;
	return nth(region->contents, generation * PAGE_WORDS * region->pages + index);
}

static void verify_word(const struct region *region, u32 generation, u32 index)
{
	u32 expected = expected_word(region, generation, index);
	u32 actual = region->words[index];

	if (actual != expected)
		fail("walk: word %u reads %08x, not %08x", index, actual, expected);
}

/* Returns whether the lane was rewritten. */
static bool visit(struct region *region, u32 steps, u32 step)
{
	u32 page = nth(steps, 2 * step) % region->pages;
	u32 choice = nth(steps, 2 * step + 1);
	u32 lane = choice % LANES;
	u32 first = page * PAGE_WORDS + lane;
	u8 *generation = &region->generations[page * LANES + lane];

	for (u32 i = 0; i < LANE_WORDS; i++)
		verify_word(region, *generation, first + i * LANES);
	if ((choice & REWRITE) == 0)
		return false;
	++*generation;
	for (u32 i = 0; i < LANE_WORDS; i++) {
		u32 index = first + i * LANES;
		region->words[index] = expected_word(region, *generation, index);
	}
	return true;
}

static u32 sweep(const struct region *region)
{
	u32 checksum = CHECKSUM_START;

	for (u32 index = 0; index < region->pages * PAGE_WORDS; index++) {
		u32 lane = index / PAGE_WORDS * LANES + index % LANES;
		verify_word(region, region->generations[lane], index);
		checksum = checksum_word(checksum, region->words[index]);
	}
	return checksum;
}

int main(int argc, char **argv)
{
	u32 mib = 16;
	u32 rounds = 4;
	u32 seed = 1;

	if (argc > 4 || !argument(argc, argv, 1, 1, 1024, &mib) ||
	    !argument(argc, argv, 2, 0, 1000000, &rounds) ||
	    !argument(argc, argv, 3, 0, UINT32_MAX, &seed))
		return usage("walk [MiB=16] [rounds=4] [seed=1]");

	struct region region = {.pages = mib * (MIB / PAGE_BYTES), .contents = stream(seed, 0)};
	printf("walk: %u pages (%u MiB), %u rounds, seed %u\n", region.pages, mib, rounds, seed);
	region.words = mmap(NULL, mib * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	if (region.words == MAP_FAILED)
		fail("walk: mmap: error %d", errno);
	region.generations = malloc(region.pages * LANES);
	if (region.generations == NULL)
		fail("walk: out of memory");
	memset(region.generations, 0, region.pages * LANES);

	u32 step = 0;
	for (u32 round = 1; round <= rounds; round++) {
		u32 rewritten = 0;
		for (u32 i = 0; i < region.pages; i++)
			rewritten += visit(&region, stream(seed, 1), step++);
		printf("round %u: %u lanes read, %u rewritten\n", round, region.pages - rewritten,
		       rewritten);
	}
	u32 checksum = sweep(&region);
	printf("sweep: %u words verified\n", region.pages * PAGE_WORDS);
	printf("checksum %08x\n", checksum);

	free(region.generations);
	if (munmap(region.words, mib * MIB) == -1)
		fail("walk: munmap: error %d", errno);
	return 0;
}
