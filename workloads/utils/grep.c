/*
 * grep [-cinqv] text [file...]: the lines that contain a fixed text. => 0 if there are any, 1 if
 * not, 2 if something failed.
 */
#include "util.h"

static const char *wanted;
static bool count_only;
static bool ignore_case;
static bool numbered;
static bool quiet;
static bool inverted;
static bool with_names;
static bool found;

static char lower(char c)
{
	return ignore_case && c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

static bool contains(const char *line)
{
	do {
		size_t i = 0;
		while (wanted[i] != '\0' && lower(line[i]) == lower(wanted[i]))
			i++;
		if (wanted[i] == '\0')
			return true;
	} while (*line++ != '\0');
	return false;
}

static int search(int fd, const char *name)
{
	static struct lines lines;
	u32 number = 0;
	u32 count = 0;
	char *line;

	lines.fd = fd;
	lines.at = lines.end = 0;
	while ((line = next_line(&lines)) != NULL) {
		number++;
		if (contains(line) == inverted)
			continue;
		found = true;
		count++;
		if (count_only || quiet)
			continue;
		if (with_names)
			printf("%s:", name);
		if (numbered)
			printf("%u:", number);
		printf("%s\n", line);
	}
	if (count_only && with_names)
		printf("%s:", name);
	if (count_only)
		printf("%u\n", count);
	return 0;
}

static bool *option_variable(char option)
{
	switch (option) {
	case 'c':
		return &count_only;
	case 'i':
		return &ignore_case;
	case 'n':
		return &numbered;
	case 'q':
		return &quiet;
	case 'v':
		return &inverted;
	default:
		return NULL;
	}
}

int main(int argc, char **argv)
{
	int first = 1;

	for (; first < argc && argv[first][0] == '-' && argv[first][1] != '\0'; first++) {
		for (const char *option = argv[first] + 1; *option != '\0'; option++) {
			bool *variable = option_variable(*option);
			if (variable == NULL)
				return usage("grep [-cinqv] text [file...]");
			*variable = true;
		}
	}
	if (first == argc)
		return usage("grep [-cinqv] text [file...]");
	wanted = argv[first];
	with_names = argc - first > 2;
	if (each_file(argv, first + 1, search) != 0)
		return 2;
	return found ? 0 : 1;
}
