/*
 * malloc over brk: first fit in a list of free blocks sorted by address, so that neighbours are
 * joined when one of them is freed. Memory never goes back to the kernel.
 */
#include "rt.h"

#define ALIGNMENT 16u
#define GROWTH (64u * 1024u)

struct block {
	size_t size; /* bytes with this header, a multiple of ALIGNMENT */
	struct block *next; /* meaningful while the block is free */
} __attribute__((aligned(ALIGNMENT)));

static struct block *free_list;

static size_t round_up(size_t size, size_t unit)
{
	return (size + unit - 1) / unit * unit;
}

static struct block *block_end(struct block *block)
{
	return (struct block *)((char *)block + block->size);
}

static void join_if_adjacent(struct block *block)
{
	if (block->next != NULL && block_end(block) == block->next) {
		block->size += block->next->size;
		block->next = block->next->next;
	}
}

static void insert(struct block *block)
{
	struct block **link = &free_list;
	struct block *before = NULL;

	while (*link != NULL && *link < block) {
		before = *link;
		link = &before->next;
	}
	block->next = *link;
	*link = block;
	join_if_adjacent(block);
	if (before != NULL)
		join_if_adjacent(before);
}

static bool grow(size_t needed)
{
	size_t padding = -(uintptr_t)sbrk(0) % ALIGNMENT;
	size_t size = round_up(needed, GROWTH);
	char *start = sbrk((intptr_t)(padding + size));

	if (start == (char *)-1)
		return false;
	struct block *block = (struct block *)(start + padding);
	block->size = size;
	insert(block);
	return true;
}

static struct block *take_first_fit(size_t needed)
{
	for (struct block **link = &free_list; *link != NULL; link = &(*link)->next) {
		struct block *block = *link;
		if (block->size < needed)
			continue;
		if (block->size - needed > sizeof(struct block)) {
			struct block *rest = (struct block *)((char *)block + needed);
			rest->size = block->size - needed;
			rest->next = block->next;
			block->size = needed;
			*link = rest;
		} else {
			*link = block->next;
		}
		return block;
	}
	return NULL;
}

void *malloc(size_t size)
{
	if (size > PTRDIFF_MAX - GROWTH - 2 * ALIGNMENT) {
		errno = ENOMEM;
		return NULL;
	}
	size_t needed = round_up(size + sizeof(struct block), ALIGNMENT);
	struct block *block = take_first_fit(needed);
	if (block == NULL && grow(needed))
		block = take_first_fit(needed);
	return block == NULL ? NULL : block + 1;
}

void free(void *pointer)
{
	if (pointer != NULL)
		insert((struct block *)pointer - 1);
}

void *calloc(size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	void *pointer = malloc(total);
	if (pointer != NULL)
		memset(pointer, 0, total);
	return pointer;
}

/* A block that is large enough stays as it is, even if it could give some of its end back. */
void *realloc(void *pointer, size_t size)
{
	if (pointer == NULL)
		return malloc(size);
	size_t room = ((struct block *)pointer - 1)->size - sizeof(struct block);
	if (size <= room)
		return pointer;
	void *larger = malloc(size);
	if (larger != NULL) {
		memcpy(larger, pointer, room);
		free(pointer);
	}
	return larger;
}
