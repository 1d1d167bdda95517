/*
 * What the small programs share: complaints with the reason, output that must arrive, files by
 * name with "-" or none for standard input, lines.
 */
#ifndef UTIL_H
#define UTIL_H

#include "../rt/program.h"
#include "../rt/unix.h"

/* Says on standard error why `subject` failed; returns the exit code for it. */
static inline int complain(const char *program, const char *subject)
{
	dprintf(2, "%s: %s: %s\n", program, subject, strerror(errno));
	return 1;
}

static inline bool write_all(int fd, const void *from, size_t size)
{
	const char *bytes = from;

	while (size > 0) {
		ssize_t count = write(fd, bytes, size);
		if (count == -1)
			return false;
		bytes += count;
		size -= (size_t)count;
	}
	return true;
}

/*
 * Calls `visit` with each file named from argv[first] on, or with standard input if none is.
 * => 1 if a file could not be opened or a visit returned non-zero, else 0.
 */
static inline int each_file(char **argv, int first, int (*visit)(int fd, const char *name))
{
	static char *standard_input[] = {"-", NULL};
	char **names = argv[first] == NULL ? standard_input : argv + first;
	int code = 0;

	for (; *names != NULL; names++) {
		bool is_standard = strcmp(*names, "-") == 0;
		int fd = is_standard ? 0 : open(*names, O_RDONLY);
		if (fd == -1) {
			code |= complain(argv[0], *names);
			continue;
		}
		code |= visit(fd, *names);
		if (!is_standard)
			close(fd);
	}
	return code;
}

struct lines {
	int fd;
	size_t at;
	size_t end;
	size_t room;
	char *line;
	char buffer[4096];
};

/* The next line without its end, valid until the next call; NULL at the end of the file. */
static inline char *next_line(struct lines *lines)
{
	size_t length = 0;

	for (;;) {
		if (length + 1 >= lines->room) {
			lines->room = lines->room == 0 ? 128 : 2 * lines->room;
			lines->line = realloc(lines->line, lines->room);
			if (lines->line == NULL)
				fail("out of memory");
		}
		if (lines->at == lines->end) {
			ssize_t count = read(lines->fd, lines->buffer, sizeof(lines->buffer));
			if (count <= 0 && length == 0)
				return NULL;
			if (count <= 0)
				break;
			lines->at = 0;
			lines->end = (size_t)count;
		}
		char c = lines->buffer[lines->at++];
		if (c == '\n')
			break;
		lines->line[length++] = c;
	}
	lines->line[length] = '\0';
	return lines->line;
}

/* The part of a path behind the last slash. */
static inline const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

/* Where cp and mv put `from`: in the folder `to` if that is one, else `to` itself. */
static inline const char *destination(const char *from, const char *to, char *path, size_t size)
{
	struct stat status;

	if (stat(to, &status) == -1 || !S_ISDIR(status.st_mode))
		return to;
	if (strlen(to) + strlen(base_name(from)) + 2 > size)
		fail("%s/%s: path too long", to, base_name(from));
	strcpy(path, to);
	strcat(path, "/");
	return strcat(path, base_name(from));
}

static inline bool copy_descriptor(int from, int to)
{
	static char buffer[16384];
	ssize_t count;

	while ((count = read(from, buffer, sizeof(buffer))) > 0) {
		if (!write_all(to, buffer, (size_t)count))
			return false;
	}
	return count == 0;
}

/* => 0, or 1 after a complaint. */
static inline int copy_file(const char *program, const char *from, const char *to)
{
	struct stat status;
	int code = 0;
	int source = open(from, O_RDONLY);

	if (source == -1 || fstat(source, &status) == -1)
		return complain(program, from);
	int target = open(to, O_WRONLY | O_CREAT | O_TRUNC, status.st_mode & 0777);
	if (target == -1 || !copy_descriptor(source, target))
		code = complain(program, to);
	close(source);
	if (target != -1)
		close(target);
	return code;
}

#endif
