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

int strncmp(const char *a, const char *b, size_t size)
{
	for (; size > 0; size--, a++, b++) {
		if (*a != *b || *a == '\0')
			return (u8)*a - (u8)*b;
	}
	return 0;
}

int memcmp(const void *a, const void *b, size_t size)
{
	const u8 *left = a;
	const u8 *right = b;

	for (; size > 0; size--, left++, right++) {
		if (*left != *right)
			return *left - *right;
	}
	return 0;
}

void *memchr(const void *from, int byte, size_t size)
{
	const u8 *bytes = from;

	for (; size > 0; size--, bytes++) {
		if (*bytes == (u8)byte)
			return (void *)bytes;
	}
	return NULL;
}

char *strchr(const char *text, int c)
{
	while (*text != (char)c) {
		if (*text++ == '\0')
			return NULL;
	}
	return (char *)text;
}

char *strrchr(const char *text, int c)
{
	const char *found = NULL;

	do {
		if (*text == (char)c)
			found = text;
	} while (*text++ != '\0');
	return (char *)found;
}

char *strstr(const char *text, const char *part)
{
	size_t length = strlen(part);

	for (; strncmp(text, part, length) != 0; text++) {
		if (*text == '\0')
			return NULL;
	}
	return (char *)text;
}

char *strcpy(char *to, const char *from)
{
	return memcpy(to, from, strlen(from) + 1);
}

char *strcat(char *to, const char *from)
{
	strcpy(to + strlen(to), from);
	return to;
}

char *strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = malloc(size);

	return copy == NULL ? NULL : memcpy(copy, text, size);
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 10;
	return 36;
}

/* Base 0 takes the base from the prefix, as in C. Overflow wraps: nobody here asks for more. */
long strtol(const char *text, char **end, int base)
{
	const char *at = text;
	unsigned long value = 0;

	while (*at == ' ' || *at == '\t' || *at == '\n')
		at++;
	bool negative = *at == '-';
	if (*at == '-' || *at == '+')
		at++;
	bool hexadecimal = at[0] == '0' && (at[1] == 'x' || at[1] == 'X') &&
			   digit_value(at[2]) < 16;
	if (hexadecimal && (base == 0 || base == 16)) {
		at += 2;
		base = 16;
	} else if (base == 0) {
		base = *at == '0' ? 8 : 10;
	}
	const char *digits = at;
	for (; digit_value(*at) < base; at++)
		value = value * (unsigned long)base + (unsigned long)digit_value(*at);
	if (end != NULL)
		*end = (char *)(at == digits ? text : at);
	return (long)(negative ? -value : value);
}

int atoi(const char *text)
{
	return strtol(text, NULL, 10);
}
