/*
 * What every stop of the tour needs.
 */
#include "tour.h"

bool refusals;
const char *stop_name;
int probe_ends[2];
struct other other;

_Noreturn void wrong(const char *what)
{
	if (refusals && (errno == ENOMEM || errno == EAGAIN || errno == ENFILE || errno == ENOSPC ||
			  errno == EPIPE))
		_exit(REFUSED);
	fail("maptour: %s: %s (error %d)", stop_name, what, errno);
}

void require(bool holds, const char *what)
{
	if (!holds)
		wrong(what);
}

/* The call returned 0, or failed with `error`. */
void expect(int result, int error, const char *what)
{
	if (error == 0 ? result == 0 : result == -1 && errno == error)
		return;
	if (result == 0)
		errno = 0;
	wrong(what);
}

char *at(void *start, u32 page)
{
	return (char *)start + page * PAGE_BYTES;
}

static u32 mark_of(u32 page, u32 generation)
{
	return nth(stream(7, generation), page);
}

/* The copy of page `from` and those behind it that is at `start`. */
void stamp_copy(void *start, u32 from, u32 count, u32 generation)
{
	for (u32 i = 0; i < count; i++) {
		volatile u32 *words = (volatile u32 *)(void *)at(start, i);
		words[0] = words[500] = words[PAGE_WORDS - 1] = mark_of(from + i, generation);
	}
}

void stamp(void *start, u32 from, u32 count, u32 generation)
{
	stamp_copy(at(start, from), from, count, generation);
}

/* Does a copy of page `page` have generation `generation`? 0 is zeros. */
bool marked(void *copy, u32 page, u32 generation)
{
	const volatile u32 *words = copy;
	u32 mark = generation == 0 ? 0 : mark_of(page, generation);

	return words[0] == mark && words[500] == mark && words[PAGE_WORDS - 1] == mark;
}

void check_copy(void *start, u32 from, u32 count, u32 generation, const char *what)
{
	errno = 0;
	for (u32 i = 0; i < count; i++)
		if (!marked(at(start, i), from + i, generation))
			fail("maptour: %s: %s: page %u has other contents", stop_name, what, from + i);
}

void check(void *start, u32 from, u32 count, u32 generation, const char *what)
{
	check_copy(at(start, from), from, count, generation, what);
}

/* Can the kernel read from there? */
bool readable(void *address)
{
	char byte;

	if (write(probe_ends[1], address, 1) != 1)
		return false;
	return read(probe_ends[0], &byte, 1) == 1;
}

bool writable(void *address)
{
	char byte;

	require(write(probe_ends[1], "x", 1) == 1, "write to a pipe");
	if (read(probe_ends[0], address, 1) == 1)
		return true;
	require(read(probe_ends[0], &byte, 1) == 1, "read from a pipe");
	return false;
}

void *map_at(void *address, u32 count, int protection, int flags, int fd, u32 page)
{
	off_t offset = (off_t)page * PAGE_BYTES;
	void *start = mmap(address, count * PAGE_BYTES, protection, flags, fd, offset);

	require(start != MAP_FAILED, "mmap");
	return start;
}

void *map(u32 count, int flags, int fd)
{
	return map_at(NULL, count, RW, flags, fd, 0);
}

/* Fresh private memory at a place of its own. */
void *put(void *address, u32 count)
{
	require(map_at(address, count, RW, PRIVATE | MAP_FIXED, -1, 0) == address, "MAP_FIXED");
	return address;
}

void unmap(void *start, u32 count)
{
	expect(munmap(start, count * PAGE_BYTES), 0, "munmap");
}

/* Addresses where nothing is mapped. */
void *gap(u32 count)
{
	void *start = map_at(NULL, count, PROT_NONE, PRIVATE, -1, 0);

	unmap(start, count);
	return start;
}

void advise(void *start, u32 count, int advice, int error, const char *what)
{
	expect(madvise(start, count * PAGE_BYTES, advice), error, what);
}

int open_file(u32 count)
{
	static const char path[] = "/tmp/maptour";
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	require(fd != -1, "open");
	expect(unlink(path), 0, "unlink");
	expect(ftruncate(fd, count * PAGE_BYTES), 0, "ftruncate");
	return fd;
}

pid_t forked(void)
{
	fflush(stdout);
	pid_t pid = fork();
	require(pid != -1, "fork");
	return pid;
}

int status_of(pid_t pid)
{
	int status;

	require(waitpid(pid, &status, 0) == pid, "waitpid");
	if (refusals && (WIFSIGNALED(status) || WEXITSTATUS(status) == REFUSED))
		_exit(REFUSED);
	return status;
}

/* Runs `body` in a child, which must return. */
void in_child(void (*body)(void))
{
	pid_t pid = forked();

	if (pid == 0) {
		body();
		_exit(0);
	}
	errno = 0;
	require(status_of(pid) == 0, "a child failed");
}

/* Runs `body` in a child, which must die. */
void dies(void (*body)(void), int signal_number, const char *what)
{
	pid_t pid = forked();

	if (pid == 0) {
		body();
		_exit(0);
	}
	int status = status_of(pid);
	errno = 0;
	require(WIFSIGNALED(status) && WTERMSIG(status) == signal_number, what);
}



void turn(void)
{
	char byte = 0;

	errno = EPIPE;
	require(write(other.to, &byte, 1) == 1, "the other process is gone");
}

void await(void)
{
	char byte;

	errno = EPIPE;
	require(read(other.from, &byte, 1) == 1, "the other process has ended");
}

void start_other(void (*body)(void))
{
	int down[2];
	int up[2];

	require(pipe(down) == 0 && pipe(up) == 0, "pipe");
	other.pid = forked();
	int mine = other.pid == 0;
	close(mine ? down[1] : down[0]);
	close(mine ? up[0] : up[1]);
	other.to = mine ? up[1] : down[1];
	other.from = mine ? down[0] : up[0];
	if (mine) {
		body();
		_exit(0);
	}
}

void end_other(void)
{
	close(other.to);
	close(other.from);
	errno = 0;
	require(status_of(other.pid) == 0, "the other process failed");
}
