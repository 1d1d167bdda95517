/*
 * shm [MiB=8] [segments=4]: System V shared memory that is detached while it holds data.
 *
 * MiB (1..1024) is the memory of all segments (1..64) together: each has
 * P = floor(256 * MiB / segments) pages of 1024 words. In generation 0 a word is 0; in generation
 * g > 0, word i of segment s is nth(stream(1, s), g * 1024 * P + i)   (rt/random.h, modulo 2^32)
 *
 *   fill      attach each segment alone, verify that it is zero, write generation 1, detach
 *   reattach  attach all, the last first, and verify each; then write generation 2 to each page p
 *             of segment s with p mod 3 = s mod 3; detach all
 *   alias     attach each segment twice and, for each page p, write generation 3 to word p mod 1024
 *             through the first mapping and to word (p + 512) mod 1024 through the second, and
 *             read each through the other mapping; detach both
 *   readonly  attach each segment with SHM_RDONLY, verify every word, detach
 *   remove    IPC_RMID for each segment; none can be attached any more
 *
 * Output:
 *   shm: 4 segments of 512 pages
 *   fill: done                            and so for each phase
 *   checksum XXXXXXXX                     rt/random.h's, over the words of all segments in order,
 *                                         as the readonly phase reads them
 */
#include "rt/program.h"
#include "rt/random.h"

enum { MAX_SEGMENTS = 64, REMOVED = -1 };

static int ids[MAX_SEGMENTS];
static u32 segments;
static u32 pages;

/* A native run must not leave segments behind. */
static void remove_all(void)
{
	for (u32 s = 0; s < segments; s++) {
		if (ids[s] != REMOVED)
			shmctl(ids[s], IPC_RMID, NULL);
		ids[s] = REMOVED;
	}
}

static u32 *attach(u32 segment, int flags)
{
	u32 *words = shmat(ids[segment], NULL, flags);

	if (words == (void *)-1) {
		int error = errno;
		remove_all();
		fail("shm: shmat of segment %u: error %d", segment, error);
	}
	return words;
}

static void detach(const u32 *words)
{
	if (shmdt(words) == -1) {
		int error = errno;
		remove_all();
		fail("shm: shmdt: error %d", error);
	}
}

static u32 expected_word(u32 segment, u32 generation, u32 index)
{
	if (generation == 0)
		return 0;
	return nth(stream(1, segment), generation * PAGE_WORDS * pages + index);
}

static void verify_word(u32 segment, u32 generation, u32 index, u32 actual)
{
	u32 expected = expected_word(segment, generation, index);

	if (actual != expected) {
		remove_all();
		fail("shm: word %u of segment %u reads %08x, not %08x", index, segment, actual,
		     expected);
	}
}

static bool is_rewritten(u32 segment, u32 page)
{
	return page % 3 == segment % 3;
}

/* The words of a page that the alias phase writes through its first and second mapping. */
static u32 first_alias(u32 page)
{
	return page * PAGE_WORDS + page % PAGE_WORDS;
}

static u32 second_alias(u32 page)
{
	return page * PAGE_WORDS + (page + PAGE_WORDS / 2) % PAGE_WORDS;
}

static u32 final_generation(u32 segment, u32 index)
{
	u32 page = index / PAGE_WORDS;

	if (index == first_alias(page) || index == second_alias(page))
		return 3;
	return is_rewritten(segment, page) ? 2 : 1;
}

static void create_all(void)
{
	for (u32 s = 0; s < segments; s++) {
		ids[s] = shmget(IPC_PRIVATE, pages * PAGE_BYTES, IPC_CREAT | 0600);
		if (ids[s] == -1) {
			int error = errno;
			segments = s;
			remove_all();
			fail("shm: shmget of segment %u: error %d", s, error);
		}
	}
}

static void fill(u32 segment)
{
	u32 *words = attach(segment, 0);

	for (u32 i = 0; i < pages * PAGE_WORDS; i++) {
		verify_word(segment, 0, i, words[i]);
		words[i] = expected_word(segment, 1, i);
	}
	detach(words);
}

static void rewrite_page(u32 *words, u32 segment, u32 page)
{
	for (u32 i = page * PAGE_WORDS; i < (page + 1) * PAGE_WORDS; i++)
		words[i] = expected_word(segment, 2, i);
}

/* The order differs from that of the fill phase, so that most segments change their address. */
static void reattach(void)
{
	u32 *attached[MAX_SEGMENTS];

	for (u32 s = segments; s-- > 0;)
		attached[s] = attach(s, 0);
	for (u32 s = 0; s < segments; s++) {
		for (u32 i = 0; i < pages * PAGE_WORDS; i++)
			verify_word(s, 1, i, attached[s][i]);
		for (u32 page = 0; page < pages; page++) {
			if (is_rewritten(s, page))
				rewrite_page(attached[s], s, page);
		}
	}
	for (u32 s = 0; s < segments; s++)
		detach(attached[s]);
}

static void alias(u32 segment)
{
	/* volatile: the compiler must not carry a value from one mapping to the other. */
	volatile u32 *first = attach(segment, 0);
	volatile u32 *second = attach(segment, 0);

	if (first == second) {
		remove_all();
		fail("shm: two attachments at one address");
	}
	for (u32 page = 0; page < pages; page++) {
		u32 index = first_alias(page);
		first[index] = expected_word(segment, 3, index);
		verify_word(segment, 3, index, second[index]);
		index = second_alias(page);
		second[index] = expected_word(segment, 3, index);
		verify_word(segment, 3, index, first[index]);
	}
	detach((const u32 *)first);
	detach((const u32 *)second);
}

static u32 verify_readonly(u32 segment, u32 checksum)
{
	const u32 *words = attach(segment, SHM_RDONLY);

	for (u32 i = 0; i < pages * PAGE_WORDS; i++) {
		verify_word(segment, final_generation(segment, i), i, words[i]);
		checksum = checksum_word(checksum, words[i]);
	}
	detach(words);
	return checksum;
}

static void remove_and_try(u32 segment)
{
	int id = ids[segment];

	ids[segment] = REMOVED;
	if (shmctl(id, IPC_RMID, NULL) == -1)
		fail("shm: IPC_RMID: error %d", errno);
	if (shmat(id, NULL, 0) != (void *)-1)
		fail("shm: segment %u can be attached after its removal", segment);
}

int main(int argc, char **argv)
{
	u32 mib = 8;

	segments = 4;
	if (argc > 3 || !argument(argc, argv, 1, 1, 1024, &mib) ||
	    !argument(argc, argv, 2, 1, MAX_SEGMENTS, &segments))
		return usage("shm [MiB=8] [segments=4]");

	pages = mib * (MIB / PAGE_BYTES) / segments;
	printf("shm: %u segments of %u pages\n", segments, pages);
	create_all();
	for (u32 s = 0; s < segments; s++)
		fill(s);
	printf("fill: done\n");
	reattach();
	printf("reattach: done\n");
	for (u32 s = 0; s < segments; s++)
		alias(s);
	printf("alias: done\n");
	u32 checksum = CHECKSUM_START;
	for (u32 s = 0; s < segments; s++)
		checksum = verify_readonly(s, checksum);
	printf("readonly: done\n");
	for (u32 s = 0; s < segments; s++)
		remove_and_try(s);
	printf("remove: done\n");
	printf("checksum %08x\n", checksum);
	return 0;
}
