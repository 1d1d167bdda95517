/*
 * words [-n count] [file...]: the words of files or of standard input, the most frequent first, and
 * those of one frequency by the alphabet. A word is a run of letters, in lower case.
 *
 * Output: "COUNT WORD" for each of the first `count` (10) words, then
 * "L lines, W words, D of them different, C characters".
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct word {
	struct word *next; /* of those with the same hash */
	unsigned count;
	char text[];
};

static struct word **table;
static size_t buckets;
static size_t different;
static unsigned long lines;
static unsigned long words;
static unsigned long characters;

static void *allocate(size_t size)
{
	void *memory = calloc(1, size);

	if (memory == NULL) {
		perror("words");
		exit(1);
	}
	return memory;
}

static size_t hash(const char *text)
{
	size_t value = 5381;

	while (*text != '\0')
		value = value * 33 + (unsigned char)*text++;
	return value;
}

static void grow(void)
{
	size_t old_buckets = buckets;
	struct word **old = table;

	buckets = buckets == 0 ? 64 : 2 * buckets;
	table = allocate(buckets * sizeof(table[0]));
	for (size_t i = 0; i < old_buckets; i++) {
		struct word *next;
		for (struct word *word = old[i]; word != NULL; word = next) {
			struct word **bucket = &table[hash(word->text) % buckets];
			next = word->next;
			word->next = *bucket;
			*bucket = word;
		}
	}
	free(old);
}

static void add(const char *text)
{
	if (different >= buckets)
		grow();
	struct word **bucket = &table[hash(text) % buckets];
	struct word *word = *bucket;
	while (word != NULL && strcmp(word->text, text) != 0)
		word = word->next;
	if (word == NULL) {
		word = allocate(sizeof(*word) + strlen(text) + 1);
		strcpy(word->text, text);
		word->next = *bucket;
		*bucket = word;
		different++;
	}
	word->count++;
	words++;
}

static void read_words(FILE *file)
{
	size_t room = 16;
	size_t length = 0;
	char *text = malloc(room);
	int c;

	do {
		c = getc(file);
		if (c != EOF)
			characters++;
		if (c == '\n')
			lines++;
		if (c != EOF && isalpha(c)) {
			if (length + 1 == room)
				text = realloc(text, room *= 2);
			if (text == NULL) {
				perror("words");
				exit(1);
			}
			text[length++] = (char)tolower(c);
		} else if (length > 0) {
			text[length] = '\0';
			add(text);
			length = 0;
		}
	} while (c != EOF);
	free(text);
}

static int compare(const void *left, const void *right)
{
	const struct word *a = *(struct word *const *)left;
	const struct word *b = *(struct word *const *)right;

	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return strcmp(a->text, b->text);
}

static void print_first(size_t count)
{
	struct word **sorted = allocate((different + 1) * sizeof(sorted[0]));
	size_t found = 0;

	for (size_t i = 0; i < buckets; i++) {
		for (struct word *word = table[i]; word != NULL; word = word->next)
			sorted[found++] = word;
	}
	qsort(sorted, found, sizeof(sorted[0]), compare);
	for (size_t i = 0; i < found && i < count; i++)
		printf("%7u %s\n", sorted[i]->count, sorted[i]->text);
	free(sorted);
}

int main(int argc, char **argv)
{
	unsigned long count = 10;
	int first = 1;

	if (argc > 2 && strcmp(argv[1], "-n") == 0) {
		char *end;
		count = strtoul(argv[2], &end, 10);
		if (end == argv[2] || *end != '\0') {
			fprintf(stderr, "usage: words [-n count] [file...]\n");
			return 2;
		}
		first = 3;
	}
	if (first == argc)
		read_words(stdin);
	for (int i = first; i < argc; i++) {
		FILE *file = fopen(argv[i], "r");
		if (file == NULL) {
			fprintf(stderr, "words: %s: %s\n", argv[i], strerror(errno));
			return 1;
		}
		read_words(file);
		fclose(file);
	}
	print_first(count);
	printf("%lu lines, %lu words, %lu of them different, %lu characters\n", lines, words,
	       (unsigned long)different, characters);
	return 0;
}
