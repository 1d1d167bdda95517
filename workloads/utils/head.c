/* head [-n count | -count] [file...]: the first lines, ten unless said otherwise. */
#include "util.h"

static u32 wanted = 10;

static int show(int fd, const char *name)
{
	static struct lines lines;
	char *line;

	(void)name;
	lines.fd = fd;
	lines.at = lines.end = 0;
	for (u32 i = 0; i < wanted && (line = next_line(&lines)) != NULL; i++)
		printf("%s\n", line);
	return 0;
}

int main(int argc, char **argv)
{
	int first = 1;

	if (argc > 1 && argv[1][0] == '-' && argv[1][1] != '\0') {
		const char *number = argv[1] + 1;
		first = 2;
		if (strcmp(argv[1], "-n") == 0 && argc > 2)
			number = argv[first++];
		if (!parse_u32(number, &wanted))
			return usage("head [-n count | -count] [file...]");
	}
	return each_file(argv, first, show);
}
