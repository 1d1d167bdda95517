/* rm [-f] [-r] file...: removes files; -r folders with what is in them, -f without complaints. */
#include "util.h"

static bool force;
static bool recursive;

static int remove_path(const char *path);

/* An entry is removed at a time, so the folder is read anew: its entries move. */
static int empty(const char *path)
{
	char full[512];

	for (;;) {
		DIR *directory = opendir(path);
		struct dirent *entry;
		if (directory == NULL)
			return complain("rm", path);
		do {
			entry = readdir(directory);
		} while (entry != NULL &&
			 (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
		bool fits = entry == NULL || strlen(path) + strlen(entry->d_name) + 2 <= sizeof(full);
		if (entry != NULL && fits)
			strcat(strcat(strcpy(full, path), "/"), entry->d_name);
		closedir(directory);
		if (entry == NULL)
			return 0;
		if (!fits)
			fail("rm: %s: path too long", path);
		if (remove_path(full) != 0)
			return 1;
	}
}

static int remove_path(const char *path)
{
	struct stat status;

	if (lstat(path, &status) == -1)
		return force && errno == ENOENT ? 0 : complain("rm", path);
	if (S_ISDIR(status.st_mode) && recursive) {
		if (empty(path) != 0)
			return 1;
		return rmdir(path) == -1 ? complain("rm", path) : 0;
	}
	return unlink(path) == -1 ? complain("rm", path) : 0;
}

int main(int argc, char **argv)
{
	int first = 1;
	int code = 0;

	for (; first < argc && argv[first][0] == '-' && argv[first][1] != '\0'; first++) {
		for (const char *option = argv[first] + 1; *option != '\0'; option++) {
			if (*option == 'f')
				force = true;
			else if (*option == 'r')
				recursive = true;
			else
				return usage("rm [-fr] file...");
		}
	}
	if (first == argc && !force)
		return usage("rm [-fr] file...");
	for (int i = first; i < argc; i++)
		code |= remove_path(argv[i]);
	return code;
}
