/* wc [-clw] [file...]: counts lines, words and bytes. */
#include "util.h"

struct counts {
	u64 lines;
	u64 words;
	u64 bytes;
};

static struct counts total;
static u32 files;
static bool want_lines;
static bool want_words;
static bool want_bytes;

static void print(const struct counts *counts, const char *name)
{
	if (want_lines)
		printf(" %7llu", counts->lines);
	if (want_words)
		printf(" %7llu", counts->words);
	if (want_bytes)
		printf(" %7llu", counts->bytes);
	printf(strcmp(name, "-") == 0 ? "\n" : " %s\n", name);
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static int count(int fd, const char *name)
{
	static char buffer[16384];
	struct counts counts = {0};
	bool in_word = false;
	ssize_t size;

	while ((size = read(fd, buffer, sizeof(buffer))) > 0) {
		counts.bytes += (u64)size;
		for (ssize_t i = 0; i < size; i++) {
			bool space = is_space(buffer[i]);
			counts.lines += buffer[i] == '\n';
			counts.words += !space && !in_word;
			in_word = !space;
		}
	}
	if (size == -1)
		return complain("wc", name);
	print(&counts, name);
	total.lines += counts.lines;
	total.words += counts.words;
	total.bytes += counts.bytes;
	files++;
	return 0;
}

int main(int argc, char **argv)
{
	int first = 1;

	for (; first < argc && argv[first][0] == '-' && argv[first][1] != '\0'; first++) {
		for (const char *option = argv[first] + 1; *option != '\0'; option++) {
			if (*option == 'l')
				want_lines = true;
			else if (*option == 'w')
				want_words = true;
			else if (*option == 'c')
				want_bytes = true;
			else
				return usage("wc [-clw] [file...]");
		}
	}
	if (!want_lines && !want_words && !want_bytes)
		want_lines = want_words = want_bytes = true;
	int code = each_file(argv, first, count);
	if (files > 1)
		print(&total, "total");
	return code;
}
