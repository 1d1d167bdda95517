/*
 * Two search trees of the keys 3, 6, 9, ... The key of rank r is 3 * r; there are 2^levels - 1.
 */
#include "data.h"

/* Of a binary tree: as an address would be, a place says nothing about the key. */
struct node {
	u32 key, value, less, more; /* places; 0 is none */
};

/* Its multiplicative inverse modulo any power of two, by Newton's iteration. */
#define SCATTER 0x9e3779b1u

static u32 inverse(u32 odd)
{
	u32 x = odd;

	for (u32 i = 0; i < 5; i++)
		x *= 2 - odd * x;
	return x;
}

/* Rank 0 is none, and stays at place 0. */
static u32 place(u32 rank, u32 mask)
{
	return rank * SCATTER & mask;
}

/* The rank that is looked up. */
static u32 wanted(u32 i, u32 mask)
{
	return 1 + nth(stream(4, 0), i) % mask;
}

int tree(u32 levels, u32 lookups)
{
	u32 mask = (1u << levels) - 1, back = inverse(SCATTER), sum = 0;
	struct node *nodes = map((mask + 1) * sizeof *nodes);

	/* In the order of places: each page is written once. */
	for (u32 at = 1; at <= mask; at++) {
		u32 rank = at * back & mask, half = (rank & -rank) / 2;
		nodes[at].key = 3 * rank;
		nodes[at].value = mix32(rank);
		nodes[at].less = half == 0 ? 0 : place(rank - half, mask);
		nodes[at].more = half == 0 ? 0 : place(rank + half, mask);
	}
	begin();
	for (u32 i = 0; i < lookups; i++) {
		u32 key = 3 * wanted(i, mask), at = place((mask + 1) / 2, mask);
		while (nodes[at].key != key)
			at = key < nodes[at].key ? nodes[at].less : nodes[at].more;
		sum += nodes[at].value;
	}
	return end(sum);
}

struct row {
	u32 key, value;
};

#define LEAF (PAGE_BYTES / sizeof(struct row))

/* The last of `count` keys that is not above `key`; `step` words from each to the next. */
static u32 search(const u32 *keys, u32 step, u32 count, u32 key)
{
	u32 low = 0, high = count;

	while (high - low > 1) {
		u32 middle = low + (high - low) / 2;
		if (keys[middle * step] <= key)
			low = middle;
		else
			high = middle;
	}
	return low;
}

int btree(u32 levels, u32 lookups)
{
	u32 mask = (1u << levels) - 1, leaves = (mask + LEAF) / LEAF, sum = 0;
	struct row *rows = map(leaves * PAGE_BYTES);
	u32 *first = map(leaves * sizeof *first);

	for (u32 i = 0; i < mask; i++) {
		rows[i] = (struct row){ 3 * (i + 1), mix32(i + 1) };
		if (i % LEAF == 0)
			first[i / LEAF] = rows[i].key;
	}
	begin();
	for (u32 i = 0; i < lookups; i++) {
		u32 key = 3 * wanted(i, mask), leaf = search(first, 1, leaves, key);
		u32 count = leaf + 1 < leaves ? LEAF : mask - leaf * LEAF;
		const struct row *in = rows + leaf * LEAF;
		sum += in[search(&in->key, 2, count, key)].value;
	}
	return end(sum);
}
