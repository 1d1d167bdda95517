/*
 * Memory in the order of a stack: whoever runs a command marks where it began and releases
 * everything behind when it is done.
 */
#include "sh.h"

struct chunk {
	struct chunk *previous;
	size_t size;
	size_t used;
	char bytes[] __attribute__((aligned(16)));
};

enum { CHUNK_BYTES = 4096 - sizeof(struct chunk) - 16 };

static struct chunk *current;

void *allocate(size_t size)
{
	size = (size + 15) & ~(size_t)15;
	if (current == NULL || current->size - current->used < size) {
		size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;
		struct chunk *chunk = malloc(sizeof(struct chunk) + room);
		if (chunk == NULL) {
			dprintf(2, "sh: out of memory\n");
			_exit(2);
		}
		chunk->previous = current;
		chunk->size = room;
		chunk->used = 0;
		current = chunk;
	}
	void *result = current->bytes + current->used;
	current->used += size;
	return result;
}

char *allocate_text(const char *from, size_t length)
{
	char *copy = allocate(length + 1);

	memcpy(copy, from, length);
	copy[length] = '\0';
	return copy;
}

struct mark arena_mark(void)
{
	return (struct mark){current, current == NULL ? 0 : current->used};
}

void arena_release(struct mark mark)
{
	while (current != mark.chunk) {
		struct chunk *previous = current->previous;
		free(current);
		current = previous;
	}
	if (current != NULL)
		current->used = mark.used;
}

void text_add(struct text *text, char c)
{
	if (text->length + 1 >= text->room) {
		size_t room = text->room == 0 ? 32 : 2 * text->room;
		char *larger = allocate(room);
		if (text->length > 0)
			memcpy(larger, text->start, text->length);
		text->start = larger;
		text->room = room;
	}
	text->start[text->length++] = c;
}

void text_add_all(struct text *text, const char *more)
{
	while (*more != '\0')
		text_add(text, *more++);
}

char *text_end(struct text *text)
{
	text_add(text, '\0');
	text->length--;
	return text->start;
}

void list_add(struct list *list, char *item)
{
	if (list->count + 1 >= list->room) {
		size_t room = list->room == 0 ? 8 : 2 * list->room;
		char **larger = allocate(room * sizeof(char *));
		if (list->count > 0)
			memcpy(larger, list->items, list->count * sizeof(char *));
		list->items = larger;
		list->room = room;
	}
	list->items[list->count++] = item;
	list->items[list->count] = NULL;
}
