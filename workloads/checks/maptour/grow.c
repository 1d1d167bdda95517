/*
 * The stack and the heap.
 */
#include "tour.h"

u32 deep(u32 levels)
{
	volatile u32 frame[PAGE_WORDS];

	frame[0] = levels;
	frame[PAGE_WORDS - 1] = levels == 0 ? 0 : deep(levels - 1);
	return frame[0] + frame[PAGE_WORDS - 1];
}

static void overflow(void)
{
	limit(RLIMIT_STACK, 256);
	deep(128);
}

void *fault_at;

void touch(void)
{
	*(volatile u32 *)fault_at = 1;
}

static void locked_stack(void)
{
	expect(mlockall(MCL_CURRENT), 0, "mlockall");
	require(deep(40) == 40 * 41 / 2, "a locked stack");
	expect(munlockall(), 0, "munlockall");
	require(deep(50) == 50 * 51 / 2, "a stack that was locked");
}

static void unlockable_stack(void)
{
	expect(setresuid(NOBODY, NOBODY, NOBODY), 0, "setresuid");
	expect(mlockall(MCL_CURRENT), 0, "mlockall");
	limit(RLIMIT_MEMLOCK, 64);
	deep(80);
}

static void full_space(void)
{
	limit(RLIMIT_AS, 64);
	require(mmap(NULL, PAGE_BYTES, RW, PRIVATE, -1, 0) == MAP_FAILED && errno == ENOMEM,
		"mmap beyond RLIMIT_AS");
	void *end = sbrk(0);
	require(sbrk(16 * PAGE_BYTES) == (void *)-1 && sbrk(0) == end, "sbrk beyond RLIMIT_AS");
	deep(200);
}

void stop_stack(void)
{
	in_child(locked_stack);
	if (GUEST)
		dies(unlockable_stack, SIGSEGV, "a stack that may not be locked");
	require(deep(64) == 64 * 65 / 2, "the stack");
	dies(overflow, SIGSEGV, "a stack beyond its limit");
	fault_at = gap(4);
	dies(touch, SIGSEGV, "a store to a hole");
	/* A mapping in the room of the stack ends it there. */
	char here;
	char *wall = &here - ((uintptr_t)&here % PAGE_BYTES) - 256 * PAGE_BYTES;
	map_at(wall, 1, RW, PRIVATE | MAP_FIXED, -1, 0);
	fault_at = wall - PAGE_BYTES;
	dies(touch, SIGSEGV, "a store below a mapping in the room of the stack");
	unmap(wall, 1);
	dies(full_space, SIGSEGV, "a stack beyond RLIMIT_AS");
}

void stop_heap(void)
{
	char *start = sbrk(0);
	struct rlimit data;

	require(sbrk(3 * PAGE_BYTES + 100) == start, "sbrk");
	memset(start, 1, 3 * PAGE_BYTES + 100);
	require(sbrk(-(intptr_t)(2 * PAGE_BYTES)) != (void *)-1, "sbrk back");
	require(sbrk(2 * PAGE_BYTES) == start + PAGE_BYTES + 100, "sbrk");
	require(start[PAGE_BYTES + 99] == 1 && start[3 * PAGE_BYTES + 99] == 0, "what sbrk gave back");
	char *wall = start + 64 * PAGE_BYTES;
	wall -= (uintptr_t)wall % PAGE_BYTES;
	put(wall, 1);
	require(sbrk(128 * PAGE_BYTES) == (void *)-1 && errno == ENOMEM, "sbrk onto a mapping");
	unmap(wall, 1);
	require(getrlimit(RLIMIT_DATA, &data) == 0, "getrlimit");
	limit(RLIMIT_DATA, 64);
	require(sbrk(128 * PAGE_BYTES) == (void *)-1 && errno == ENOMEM, "sbrk beyond RLIMIT_DATA");
	require(start[100] == 1, "the heap");
}
