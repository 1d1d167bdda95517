/* mv from to  |  mv file... folder: renames files; across file systems it copies. */
#include "util.h"

static int move(const char *from, const char *to)
{
	if (rename(from, to) == 0)
		return 0;
	if (errno != EXDEV)
		return complain("mv", from);
	int code = copy_file("mv", from, to);
	if (code == 0 && unlink(from) == -1)
		code = complain("mv", from);
	return code;
}

int main(int argc, char **argv)
{
	struct stat status;
	char path[512];
	int code = 0;

	if (argc < 3)
		return usage("mv from to | mv file... folder");
	const char *to = argv[argc - 1];
	if (argc > 3 && (stat(to, &status) == -1 || !S_ISDIR(status.st_mode)))
		fail("mv: %s: Not a directory", to);
	for (int i = 1; i < argc - 1; i++)
		code |= move(argv[i], destination(argv[i], to, path, sizeof(path)));
	return code;
}
