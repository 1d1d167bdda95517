/* cp from to  |  cp file... folder: copies files. */
#include "util.h"

int main(int argc, char **argv)
{
	struct stat status;
	char path[512];
	int code = 0;

	if (argc < 3)
		return usage("cp from to | cp file... folder");
	const char *to = argv[argc - 1];
	if (argc > 3 && (stat(to, &status) == -1 || !S_ISDIR(status.st_mode)))
		fail("cp: %s: Not a directory", to);
	for (int i = 1; i < argc - 1; i++) {
		const char *target = destination(argv[i], to, path, sizeof(path));
		code |= copy_file("cp", argv[i], target);
	}
	return code;
}
