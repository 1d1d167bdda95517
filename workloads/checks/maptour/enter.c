/*
 * Entering mappings, and joining them with others.
 */
#include "tour.h"

void stop_enter(void)
{
	char *room = gap(32);
	char *odd = map_at(at(room, 4) + 5, 2, RW, PRIVATE, -1, 0);

	require((uintptr_t)odd % PAGE_BYTES == 0, "a hint off a page");
	unmap(odd, 2);
	put(at(room, 4), 8);
	stamp(room, 4, 8, 1);
	char *taken = map_at(at(room, 5), 2, RW, PRIVATE, -1, 0);
	require(taken >= at(room, 12) || taken + 2 * PAGE_BYTES <= at(room, 4), "a hint that is taken");
	unmap(taken, 2);
	require(mmap(at(room, 11), 2 * PAGE_BYTES, RW, PRIVATE | MAP_FIXED_NOREPLACE, -1, 0) ==
			MAP_FAILED && errno == EEXIST, "MAP_FIXED_NOREPLACE");
	put(at(room, 6), 2);
	check(room, 4, 2, 1, "in front of MAP_FIXED");
	check(room, 6, 2, 0, "MAP_FIXED");
	check(room, 8, 4, 1, "behind MAP_FIXED");
	require(mmap(room, 0, RW, PRIVATE, -1, 0) == MAP_FAILED && errno == EINVAL, "mmap of nothing");
	require(mmap(room + 1, 1, RW, PRIVATE | MAP_FIXED, -1, 0) == MAP_FAILED && errno == EINVAL,
		"MAP_FIXED off a page");
	expect(munmap(room + 1, 1), EINVAL, "munmap off a page");
	expect(munmap(room, 0), EINVAL, "munmap of nothing");
	unmap(room, 32);
	unmap(room, 32);
	require(!readable(at(room, 5)), "munmap: still there");
	int fd = open_file(1);
	close(fd);
	require(mmap(NULL, PAGE_BYTES, RW, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EBADF,
		"mmap of a closed file");
}

/* Memory in front of some, behind some, and between two pieces of it, touched or not. */
void stop_join(void)
{
	for (u32 touched = 0; touched < 4; touched++) {
		char *room = gap(24);
		put(at(room, 4), 4);
		if (touched & 1)
			stamp(room, 4, 4, 1);
		put(at(room, 12), 4);
		if (touched & 2)
			stamp(room, 12, 4, 1);
		put(at(room, 8), 4);
		check(room, 4, 4, touched & 1, "in front of what joins");
		check(room, 8, 4, 0, "what joins");
		check(room, 12, 4, (touched & 2) >> 1, "behind what joins");
		stamp(room, 4, 12, 2);
		unmap(at(room, 5), 2);
		check(room, 7, 9, 2, "behind a hole");
		unmap(room, 24);
	}
	char *low = gap(64);
	put(at(low, 60), 2);
	stamp(low, 60, 2, 4);
	for (u32 page = 58; page >= 2; page -= 2) {
		put(at(low, page), 2);
		check(low, page, 2, 0, "in front");
		stamp(low, page, 2, 4);
	}
	check(low, 2, 60, 4, "memory that grew to the front");
	/* What was behind is given up, and its slots are used again. */
	unmap(at(low, 20), 42);
	put(low, 2);
	stamp(low, 0, 2, 4);
	check(low, 0, 20, 4, "memory whose end was unmapped");
	unmap(low, 2);
	put(low, 2);
	check(low, 0, 2, 0, "memory whose start was unmapped");
	unmap(low, 64);
	put(at(low, 8), 16);
	stamp(low, 8, 16, 5);
	unmap(at(low, 12), 12);
	put(at(low, 4), 4);
	check(low, 4, 4, 0, "in front of what was longer");
	check(low, 8, 4, 5, "what was longer");
	unmap(low, 64);
}

static char *join_room;

static void shared_join_child(void)
{
	check(join_room, 8, 4, 2, "shared with the parent");
	put(at(join_room, 4), 4);
	put(at(join_room, 12), 4);
	check(join_room, 4, 4, 0, "in front of what is shared");
	stamp(join_room, 4, 12, 5);
}

void stop_joinshared(void)
{
	int fd = open_file(12);
	char *file = gap(12);
	char *view;

	join_room = gap(24);
	put(at(join_room, 8), 4);
	stamp(join_room, 8, 4, 2);
	in_child(shared_join_child);
	check(join_room, 8, 4, 2, "what a child wrote");
	unmap(join_room, 24);
	/* Parts of a file, in their order and out of it. */
	map_at(at(file, 0), 2, RW, MAP_SHARED | MAP_FIXED, fd, 0);
	map_at(at(file, 4), 2, RW, MAP_SHARED | MAP_FIXED, fd, 4);
	map_at(at(file, 2), 2, RW, MAP_SHARED | MAP_FIXED, fd, 2);
	map_at(at(file, 8), 2, RW, MAP_SHARED | MAP_FIXED, fd, 8);
	map_at(at(file, 6), 2, RW, MAP_SHARED | MAP_FIXED, fd, 6);
	map_at(at(file, 10), 2, RW, MAP_SHARED | MAP_FIXED, fd, 0);
	stamp(file, 0, 10, 6);
	view = map(12, MAP_SHARED, fd);
	check(view, 0, 10, 6, "a file in parts");
	require(memcmp(view, at(file, 10), 2 * PAGE_BYTES) == 0, "a part out of order");
	unmap(view, 12);
	unmap(file, 12);
	/* Private parts: those that were written have their own pages. */
	file = gap(12);
	map_at(at(file, 4), 2, RW, MAP_PRIVATE | MAP_FIXED, fd, 4);
	stamp(file, 4, 2, 7);
	map_at(at(file, 2), 2, RW, MAP_PRIVATE | MAP_FIXED, fd, 2);
	map_at(at(file, 6), 2, RW, MAP_PRIVATE | MAP_FIXED, fd, 6);
	map_at(at(file, 0), 2, RW, MAP_PRIVATE | MAP_FIXED, fd, 1);
	check(file, 2, 2, 6, "in front of a copy");
	check(file, 4, 2, 7, "a copy");
	check(file, 6, 2, 6, "behind a copy");
	unmap(file, 12);
	close(fd);
}

static u32 *sparse;

static void sparse_child(void)
{
	unmap(at(sparse, 2), 4);
	unmap(at(sparse, 9), 2);
	check(sparse, 0, 1, 1, "a child's part");
	check(sparse, 15, 1, 1, "a child's part");
	stamp(sparse, 6, 2, 2);
}

static void sparse_rest(void)
{
	unmap(at(sparse, 12), 4);
	check(sparse, 8, 4, 0, "a child's part");
}

/* Amaps with few pages, of which parts go away, in one process and in several. */
void stop_sparse(void)
{
	for (u32 shared = 0; shared < 2; shared++) {
		sparse = map(16, shared ? ANON_SHARED : PRIVATE, -1);
		stamp(sparse, 0, 1, 1);
		stamp(sparse, 5, 1, 1);
		stamp(sparse, 15, 1, 1);
		in_child(sparse_child);
		check(sparse, 5, 1, 1, "what a child unmapped");
		check(sparse, 6, 2, shared ? 2 : 0, "what a child wrote");
		unmap(sparse, 8);
		check(sparse, 8, 7, 0, "what is left");
		check(sparse, 15, 1, 1, "what is left");
		in_child(sparse_rest);
		check(sparse, 15, 1, 1, "what a child unmapped");
		unmap(at(sparse, 8), 8);
	}
}
