/* Sorting in place, and in runs that are merged. */
#include "data.h"

/* Parts that are sorted by insertion. */
#define SHORT 16

static void quick_sort(u32 *words, u32 from, u32 to)
{
	while (to - from > SHORT) {
		u32 a = words[from], b = words[from + (to - from) / 2], c = words[to - 1];
		u32 low = a < b ? a : b, high = a < b ? b : a;
		u32 pivot = c < low ? low : c > high ? high : c;
		u32 i = from, j = to - 1;
		for (;; i++, j--) {
			while (words[i] < pivot)
				i++;
			while (words[j] > pivot)
				j--;
			if (i >= j)
				break;
			u32 word = words[i];
			words[i] = words[j];
			words[j] = word;
		}
		/* The smaller part by itself: the stack stays short. */
		if (i - from < to - i) {
			quick_sort(words, from, i);
			from = i;
		} else {
			quick_sort(words, i, to);
			to = i;
		}
	}
	for (u32 i = from + 1; i < to; i++) {
		u32 word = words[i], j = i;
		for (; j > from && words[j - 1] > word; j--)
			words[j] = words[j - 1];
		words[j] = word;
	}
}

#define RUN (MIB / 4 / 4) /* words */

/* The runs' next words, the least first. */
struct heap {
	u32 count;
	u32 key[1024], next[1024], end[1024];
};

static void sift(struct heap *heap, u32 i)
{
	u32 key = heap->key[i], next = heap->next[i], last = heap->end[i];

	for (u32 child; (child = 2 * i + 1) < heap->count; i = child) {
		if (child + 1 < heap->count && heap->key[child + 1] < heap->key[child])
			child++;
		if (heap->key[child] >= key)
			break;
		heap->key[i] = heap->key[child];
		heap->next[i] = heap->next[child];
		heap->end[i] = heap->end[child];
	}
	heap->key[i] = key;
	heap->next[i] = next;
	heap->end[i] = last;
}

static void merge_runs(const u32 *words, u32 count, u32 *to)
{
	static struct heap heap;

	for (u32 from = 0; from < count; from += RUN) {
		u32 i = heap.count++;
		heap.key[i] = words[from];
		heap.next[i] = from + 1;
		heap.end[i] = from + RUN < count ? from + RUN : count;
	}
	for (u32 i = heap.count; i-- > 0;)
		sift(&heap, i);
	for (u32 i = 0; i < count; i++) {
		to[i] = heap.key[0];
		if (heap.next[0] < heap.end[0]) {
			heap.key[0] = words[heap.next[0]++];
		} else {
			heap.count--;
			heap.key[0] = heap.key[heap.count];
			heap.next[0] = heap.next[heap.count];
			heap.end[0] = heap.end[heap.count];
		}
		sift(&heap, 0);
	}
}

int sort(bool merges, u32 pages)
{
	u32 count = pages * PAGE_WORDS, numbers = stream(1, 0), sum = CHECKSUM_START;
	u32 *words = map(pages * PAGE_BYTES), *sorted = merges ? map(pages * PAGE_BYTES) : words;

	for (u32 i = 0; i < count; i++)
		words[i] = nth(numbers, i);
	begin();
	if (merges) {
		for (u32 from = 0; from < count; from += RUN)
			quick_sort(words, from, from + RUN < count ? from + RUN : count);
		merge_runs(words, count, sorted);
	} else {
		quick_sort(words, 0, count);
	}
	write(1, ">", 1);
	for (u32 i = 0; i < count; i++) {
		if (i > 0 && sorted[i] < sorted[i - 1])
			fail("data: words are not in order");
		sum = checksum_word(sum, sorted[i]);
	}
	printf("\nchecksum %08x\n", sum);
	return 0;
}
