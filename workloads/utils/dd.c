/*
 * dd [if=file] [of=file] [bs=size] [count=n] [skip=n] [seek=n] [conv=notrunc]: copies blocks.
 * Sizes take k and m. Standard error gets how many blocks were whole and how many partial.
 */
#include "util.h"

static bool parse_size(const char *text, u32 *value)
{
	char *end;
	unsigned long number = (unsigned long)strtol(text, &end, 10);

	if (end == text)
		return false;
	if (*end == 'k' || *end == 'K')
		number *= 1024;
	else if (*end == 'm' || *end == 'M')
		number *= MIB;
	else if (*end != '\0')
		return false;
	*value = (u32)number;
	return true;
}

static const char *value_of(const char *argument, const char *name)
{
	size_t length = strlen(name);

	return strncmp(argument, name, length) == 0 ? argument + length : NULL;
}

struct options {
	const char *from;
	const char *to;
	u32 size;
	u32 count;
	u32 skip;
	u32 seek;
	bool keep;
};

static bool parse(char **argv, struct options *options)
{
	const char *value;

	for (argv++; *argv != NULL; argv++) {
		bool good = true;
		if ((value = value_of(*argv, "if=")) != NULL)
			options->from = value;
		else if ((value = value_of(*argv, "of=")) != NULL)
			options->to = value;
		else if ((value = value_of(*argv, "bs=")) != NULL)
			good = parse_size(value, &options->size) && options->size > 0;
		else if ((value = value_of(*argv, "count=")) != NULL)
			good = parse_size(value, &options->count);
		else if ((value = value_of(*argv, "skip=")) != NULL)
			good = parse_size(value, &options->skip);
		else if ((value = value_of(*argv, "seek=")) != NULL)
			good = parse_size(value, &options->seek);
		else if (strcmp(*argv, "conv=notrunc") == 0)
			options->keep = true;
		else
			good = false;
		if (!good)
			return false;
	}
	return true;
}

static int copy(const struct options *options, int from, int to)
{
	u32 whole = 0;
	u32 partial = 0;
	u64 bytes = 0;
	char *block = malloc(options->size);

	if (block == NULL)
		return complain("dd", "bs");
	for (u32 i = 0; i < options->skip + options->count || options->count == UINT32_MAX; i++) {
		ssize_t size = read(from, block, options->size);
		if (size == -1)
			return complain("dd", options->from == NULL ? "input" : options->from);
		if (size == 0)
			break;
		if (i < options->skip)
			continue;
		if (!write_all(to, block, (size_t)size))
			return complain("dd", options->to == NULL ? "output" : options->to);
		if ((u32)size == options->size)
			whole++;
		else
			partial++;
		bytes += (u64)size;
	}
	dprintf(2, "%u+%u records in\n%u+%u records out\n%llu bytes transferred\n", whole, partial,
		whole, partial, bytes);
	return 0;
}

int main(int argc, char **argv)
{
	struct options options = {.size = 512, .count = UINT32_MAX};
	int from = 0;
	int to = 1;

	(void)argc;
	if (!parse(argv, &options))
		return usage("dd [if=file] [of=file] [bs=size] [count=n] [skip=n] [seek=n] [conv=notrunc]");
	if (options.from != NULL && (from = open(options.from, O_RDONLY)) == -1)
		return complain("dd", options.from);
	int keep = options.keep || options.seek > 0 ? 0 : O_TRUNC;
	if (options.to != NULL && (to = open(options.to, O_WRONLY | O_CREAT | keep, 0666)) == -1)
		return complain("dd", options.to);
	if (options.seek > 0 && lseek(to, (off_t)options.seek * options.size, SEEK_SET) == -1)
		return complain("dd", "seek");
	return copy(&options, from, to);
}
