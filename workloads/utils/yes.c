/* yes [text]: writes a line again and again until nobody reads it. */
#include "util.h"

int main(int argc, char **argv)
{
	const char *text = argc > 1 ? argv[1] : "y";
	char *line = malloc(strlen(text) + 2);

	if (line == NULL)
		return complain("yes", text);
	size_t size = strlen(strcat(strcpy(line, text), "\n"));
	while (write_all(1, line, size))
		;
	return complain("yes", "output");
}
