/*
 * Memory and strings. The compiler also calls memcpy, memmove and memset by itself.
 */
#include "rt.h"

typedef u32 __attribute__((may_alias)) word;

static bool word_aligned(const void *a, const void *b)
{
	return (((uintptr_t)a | (uintptr_t)b) & (sizeof(word) - 1)) == 0;
}

/* Copies upwards, which memmove relies on. */
void *memcpy(void *to, const void *from, size_t size)
{
	char *target = to;
	const char *source = from;

	if (word_aligned(to, from)) {
		for (; size >= sizeof(word); size -= sizeof(word)) {
			*(word *)target = *(const word *)source;
			target += sizeof(word);
			source += sizeof(word);
		}
	}
	while (size-- > 0)
		*target++ = *source++;
	return to;
}

void *memmove(void *to, const void *from, size_t size)
{
	if ((uintptr_t)to <= (uintptr_t)from)
		return memcpy(to, from, size);

	char *target = to;
	const char *source = from;
	while (size-- > 0)
		target[size] = source[size];
	return to;
}

void *memset(void *to, int byte, size_t size)
{
	char *target = to;

	if (word_aligned(to, to)) {
		word pattern = (u8)byte * 0x01010101u;
		for (; size >= sizeof(word); size -= sizeof(word)) {
			*(word *)target = pattern;
			target += sizeof(word);
		}
	}
	while (size-- > 0)
		*target++ = (char)byte;
	return to;
}

size_t strlen(const char *text)
{
	const char *end = text;

	while (*end != '\0')
		end++;
	return (size_t)(end - text);
}

int strcmp(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	return (u8)*a - (u8)*b;
}
