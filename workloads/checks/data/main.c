/*
 * data: programs on data that may be larger than memory, for experiments.
 *
 *   data quick PAGES             sort the words of PAGES in place
 *   data merge PAGES             the same in runs of a quarter of 1 MiB, which are merged then
 *   data join PAGES ROWS         build a hash table of PAGES, and look ROWS keys up
 *   data partitions PAGES ROWS   the same, both divided by hash first, in parts of 256 KiB
 *   data tree LEVELS LOOKUPS     a binary search tree of so many levels, its nodes anywhere in memory
 *   data btree LEVELS LOOKUPS    the same keys in leaves of a page
 *   data arena|malloc FUNCTIONS  syntax trees of a compiler, of which each tenth is kept: memory of
 *                                a tree at once, or of each node by itself
 *   data core ROUNDS             lists, matrices, and a state machine over text
 *
 * "<" and ">" are printed before and after what counts; the last line is a checksum, which is the
 * same for quick and merge, join and partitions, tree and btree, arena and malloc.
 */
#include "data.h"

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	u32 size = 0, count = 0;

	if (argc < 3 || !argument(argc, argv, 2, 1, 1000000, &size) ||
	    !argument(argc, argv, 3, 1, 100000000, &count))
		return usage(SYNOPSIS);
	bool is_merge = strcmp(what, "merge") == 0, is_arena = strcmp(what, "arena") == 0;
	if (argc == 3 && (is_merge || strcmp(what, "quick") == 0) && size <= 16384)
		return sort(is_merge, size);
	if (argc == 3 && (is_arena || strcmp(what, "malloc") == 0))
		return compile(is_arena, size);
	if (argc == 3 && strcmp(what, "core") == 0)
		return core(size);
	if (argc == 4 && strcmp(what, "join") == 0 && size <= 16384)
		return join(size, count);
	if (argc == 4 && strcmp(what, "partitions") == 0 && size <= 16384)
		return partitions(size, count);
	if (argc == 4 && strcmp(what, "tree") == 0 && size <= 24)
		return tree(size, count);
	if (argc == 4 && strcmp(what, "btree") == 0 && size <= 24)
		return btree(size, count);
	return usage(SYNOPSIS);
}
