/* What a compiler does with memory. */
#include "data.h"

/* Syntax trees. A tree has some hundred nodes of different sizes. */
struct syntax {
	struct syntax *child, *sibling;
	u32 kind, size;
	u32 text[];
};

struct arena {
	struct arena *before;
	u32 used, size;
	u32 bytes[];
};

static struct arena *arena;

#define ARENA (16 * 1024 - sizeof(struct arena))

static void *from_arena(u32 bytes)
{
	if (arena == NULL || arena->used + bytes > arena->size) {
		struct arena *more = malloc(sizeof *more + ARENA);
		if (more == NULL)
			fail("data: out of memory");
		*more = (struct arena){ .before = arena, .size = ARENA };
		arena = more;
	}
	void *memory = (u8 *)arena->bytes + arena->used;
	arena->used += bytes;
	return memory;
}

static struct syntax *grow(bool uses_arena, u32 numbers, u32 *next, u32 depth)
{
	u32 words = 1 + nth(numbers, (*next)++) % 12, bytes = sizeof(struct syntax) + 4 * words;
	struct syntax *node = uses_arena ? from_arena(bytes) : malloc(bytes);

	if (node == NULL)
		fail("data: out of memory");
	*node = (struct syntax){ .kind = nth(numbers, (*next)++), .size = words };
	for (u32 i = 0; i < words; i++)
		node->text[i] = node->kind + i;
	for (u32 children = depth == 0 ? 0 : 2 + node->kind % 3; children > 0; children--) {
		struct syntax *child = grow(uses_arena, numbers, next, depth - 1);
		child->sibling = node->child;
		node->child = child;
	}
	return node;
}

static u32 fold(const struct syntax *node, u32 sum)
{
	for (; node != NULL; node = node->sibling) {
		for (u32 i = 0; i < node->size; i++)
			sum = sum * 31 + node->text[i];
		sum = fold(node->child, sum);
	}
	return sum;
}

static void free_tree(struct syntax *node)
{
	while (node != NULL) {
		struct syntax *sibling = node->sibling;
		free_tree(node->child);
		free(node);
		node = sibling;
	}
}

#define DEPTH 5

int compile(bool uses_arena, u32 functions)
{
	struct syntax **kept = map(functions * sizeof *kept);
	u32 sum = 0, count = 0;

	begin();
	for (u32 function = 0; function < functions; function++) {
		u32 next = 0;
		arena = NULL;
		struct syntax *root = grow(uses_arena, stream(5, function), &next, DEPTH);
		sum = fold(root, sum);
		if (function % 10 == 0) {
			kept[count++] = root;
		} else if (uses_arena) {
			for (struct arena *before; arena != NULL; arena = before) {
				before = arena->before;
				free(arena);
			}
		} else {
			free_tree(root);
		}
	}
	/* What other files need of these: all is read once more. */
	for (u32 i = 0; i < count; i++)
		sum = fold(kept[i], sum);
	return end(sum);
}
