/*
 * sort [MiB=16] [seed=1]: sorts pseudo-random words in a System V shared memory segment.
 *
 * MiB is 1..1024. Word i is nth(stream(seed, 0), i) (rt/random.h). They are sorted in place, in
 * ascending order as unsigned numbers, then their order, sum and xor are verified.
 *
 * Output:
 *   sort: 4194304 words (16 MiB), seed 1
 *   fill: sum XXXXXXXX, xor XXXXXXXX      modulo 2^32, eight hexadecimal digits
 *   sort: done
 *   verify: ordered, sum and xor unchanged
 *   checksum XXXXXXXX                     rt/random.h's, over the sorted words in order
 *
 * The sort is a quicksort whose partition sweeps inwards from both ends, so a machine that pages
 * reads and writes the segment in sequence. A part that splits badly too often is heap sorted.
 */
#include "rt/program.h"
#include "rt/random.h"

/* Bad splits tolerated for each halving of an ideal sort. 0 makes it all a heap sort. */
#ifndef DEPTH_FACTOR
#define DEPTH_FACTOR 2
#endif

enum { SMALL_PART = 16 };

struct summary {
	u32 sum;
	u32 xor;
};

static void swap(u32 *a, u32 *b)
{
	u32 saved = *a;
	*a = *b;
	*b = saved;
}

static void insertion_sort(u32 *low, u32 *high)
{
	for (u32 *next = low + 1; next < high; next++) {
		u32 value = *next;
		u32 *hole = next;
		for (; hole > low && hole[-1] > value; hole--)
			*hole = hole[-1];
		*hole = value;
	}
}

static void sift_down(u32 *heap, size_t root, size_t count)
{
	u32 value = heap[root];

	for (size_t child; (child = 2 * root + 1) < count; root = child) {
		if (child + 1 < count && heap[child + 1] > heap[child])
			child++;
		if (heap[child] <= value)
			break;
		heap[root] = heap[child];
	}
	heap[root] = value;
}

static void heap_sort(u32 *heap, size_t count)
{
	for (size_t root = count / 2; root-- > 0;)
		sift_down(heap, root, count);
	while (count-- > 1) {
		swap(&heap[0], &heap[count]);
		sift_down(heap, 0, count);
	}
}

static u32 median(u32 a, u32 b, u32 c)
{
	if (a > b)
		swap(&a, &b);
	if (c <= a)
		return a;
	return c < b ? c : b;
}

/*
 * Returns `split` such that no word of low..split is above a word of split..high. The pivot is a
 * median of three, so both parts have at least one word and neither sweep can leave the part.
 */
static u32 *partition(u32 *low, u32 *high)
{
	u32 pivot = median(low[0], low[(high - low) / 2], high[-1]);

	for (;;) {
		while (*low < pivot)
			low++;
		do
			high--;
		while (*high > pivot);
		if (low >= high)
			return high + 1;
		swap(low, high);
		low++;
	}
}

static void intro_sort(u32 *low, u32 *high, u32 depth)
{
	while (high - low > SMALL_PART) {
		if (depth == 0) {
			heap_sort(low, (size_t)(high - low));
			return;
		}
		depth--;
		u32 *split = partition(low, high);
		/* Recursing into the smaller part bounds the stack by the logarithm. */
		if (split - low < high - split) {
			intro_sort(low, split, depth);
			low = split;
		} else {
			intro_sort(split, high, depth);
			high = split;
		}
	}
	insertion_sort(low, high);
}

static u32 depth_limit(size_t count)
{
	u32 halvings = 0;

	for (; count > 1; count /= 2)
		halvings++;
	return DEPTH_FACTOR * halvings;
}

static struct summary fill(u32 *words, u32 count, u32 seed)
{
	struct summary summary = {0, 0};
	u32 numbers = stream(seed, 0);

	for (u32 i = 0; i < count; i++) {
		u32 word = nth(numbers, i);
		words[i] = word;
		summary.sum += word;
		summary.xor ^= word;
	}
	return summary;
}

/* The error found, or NULL and the checksum. */
static const char *verify(const u32 *words, u32 count, struct summary expected, u32 *checksum)
{
	struct summary summary = {0, 0};
	u32 hash = CHECKSUM_START;
	u32 previous = 0;

	for (u32 i = 0; i < count; i++) {
		u32 word = words[i];
		if (word < previous)
			return "words out of order";
		previous = word;
		summary.sum += word;
		summary.xor ^= word;
		hash = checksum_word(hash, word);
	}
	if (summary.sum != expected.sum || summary.xor != expected.xor)
		return "words lost or changed";
	*checksum = hash;
	return NULL;
}

int main(int argc, char **argv)
{
	u32 mib = 16;
	u32 seed = 1;

	if (argc > 3 || !argument(argc, argv, 1, 1, 1024, &mib) ||
	    !argument(argc, argv, 2, 0, UINT32_MAX, &seed))
		return usage("sort [MiB=16] [seed=1]");

	u32 count = mib * (MIB / 4);
	printf("sort: %u words (%u MiB), seed %u\n", count, mib, seed);

	int id = shmget(IPC_PRIVATE, mib * MIB, IPC_CREAT | 0600);
	if (id == -1)
		fail("sort: shmget: error %d", errno);
	u32 *words = shmat(id, NULL, 0);
	if (words == (void *)-1) {
		int error = errno;
		shmctl(id, IPC_RMID, NULL);
		fail("sort: shmat: error %d", error);
	}

	struct summary summary = fill(words, count, seed);
	printf("fill: sum %08x, xor %08x\n", summary.sum, summary.xor);
	intro_sort(words, words + count, depth_limit(count));
	printf("sort: done\n");
	u32 checksum = 0;
	const char *error = verify(words, count, summary, &checksum);

	/* A native run must not leave the segment behind, so it goes before any complaint. */
	if (shmdt(words) == -1)
		error = "shmdt failed";
	if (shmctl(id, IPC_RMID, NULL) == -1)
		error = "IPC_RMID failed";
	if (error != NULL)
		fail("sort: %s", error);
	printf("verify: ordered, sum and xor unchanged\n");
	printf("checksum %08x\n", checksum);
	return 0;
}
