/* mkdir [-p] folder...: makes folders; -p those above it too, and none that is there already. */
#include "util.h"

static int make_parents(const char *path)
{
	char part[512];
	size_t length = strlen(path);

	if (length >= sizeof(part))
		fail("mkdir: %s: path too long", path);
	strcpy(part, path);
	for (size_t i = 1; i <= length; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		part[i] = '\0';
		if (mkdir(part, 0777) == -1 && errno != EEXIST)
			return complain("mkdir", part);
		part[i] = path[i];
	}
	return 0;
}

int main(int argc, char **argv)
{
	bool parents = argc > 1 && strcmp(argv[1], "-p") == 0;
	int first = parents ? 2 : 1;
	int code = 0;

	if (first >= argc)
		return usage("mkdir [-p] folder...");
	for (int i = first; i < argc; i++) {
		if (parents)
			code |= make_parents(argv[i]);
		else if (mkdir(argv[i], 0777) == -1)
			code = complain("mkdir", argv[i]);
	}
	return code;
}
