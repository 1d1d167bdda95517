/*
 * Directories: entries as getdents64 packs them, a buffer at a time.
 */
#include "unix.h"
#include "call.h"

struct directory {
	int fd;
	int at;
	int end;
	char entries[2048] __attribute__((aligned(8)));
};

DIR *opendir(const char *path)
{
	DIR *directory = malloc(sizeof(*directory));

	if (directory == NULL)
		return NULL;
	directory->at = directory->end = 0;
	directory->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory->fd == -1) {
		free(directory);
		return NULL;
	}
	return directory;
}

struct dirent *readdir(DIR *directory)
{
	if (directory->at == directory->end) {
		directory->at = 0;
		directory->end = call3(SYS_getdents64, directory->fd, (long)directory->entries,
				       sizeof(directory->entries));
		if (directory->end <= 0) {
			directory->end = 0;
			return NULL;
		}
	}
	struct dirent *entry = (struct dirent *)(directory->entries + directory->at);
	directory->at += entry->d_reclen;
	return entry;
}

int closedir(DIR *directory)
{
	int result = close(directory->fd);

	free(directory);
	return result;
}
