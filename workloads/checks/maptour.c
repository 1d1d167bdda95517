/*
 * maptour [mode=strict] [stop]: the roads through the memory of a process that vmtour does not take.
 *
 * Each stop runs in a child of its own and compares what each call returns with what Linux returns,
 * and each page with what it should hold: a page of generation g has three words of the stream g.
 * Mode "refused" is for a kernel that refuses memory at random: a call may fail for lack of memory,
 * and the stop ends there. The stops "short" (little memory, no swap) and "broken" (a swap disk that
 * cannot be read) need such a machine, and run only by name.
 *
 * Output:
 *   enter: done                          and so for each stop; "refused" instead in that mode
 */
#include "../rt/program.h"
#include "../rt/random.h"
#include "../rt/unix.h"

#ifdef RT_NATIVE
#include <sys/uio.h>
#define GUEST 0
#else
#include "../rt/call.h"
#include "../rt/uvmctl.h"
#define GUEST 1
#define MAP_FIXED_NOREPLACE 0x100000
#define MADV_COLD 20
#define FIONREAD 0x541b

struct iovec {
	void *iov_base;
	size_t iov_len;
};

static ssize_t process_vm_readv(pid_t pid, const struct iovec *local, unsigned long n,
				const struct iovec *remote, unsigned long m, unsigned long flags)
{
	return checked(kernel_call(270, pid, (long)local, n, (long)remote, m, flags));
}

static ssize_t process_vm_writev(pid_t pid, const struct iovec *local, unsigned long n,
				 const struct iovec *remote, unsigned long m, unsigned long flags)
{
	return checked(kernel_call(271, pid, (long)local, n, (long)remote, m, flags));
}
#endif

enum { RW = PROT_READ | PROT_WRITE, PRIVATE = MAP_PRIVATE | MAP_ANONYMOUS };
enum { ANON_SHARED = MAP_SHARED | MAP_ANONYMOUS, REFUSED = 3, NOBODY = 65534 };

static bool refusals; /* mode "refused" */
static const char *stop_name;
static int probe_ends[2];

/* ---- what is checked ---- */

static _Noreturn void wrong(const char *what)
{
	if (refusals && (errno == ENOMEM || errno == EAGAIN || errno == ENFILE || errno == ENOSPC ||
			  errno == EPIPE))
		_exit(REFUSED);
	fail("maptour: %s: %s (error %d)", stop_name, what, errno);
}

static void require(bool holds, const char *what)
{
	if (!holds)
		wrong(what);
}

/* The call returned 0, or failed with `error`. */
static void expect(int result, int error, const char *what)
{
	if (error == 0 ? result == 0 : result == -1 && errno == error)
		return;
	if (result == 0)
		errno = 0;
	wrong(what);
}

static char *at(void *start, u32 page)
{
	return (char *)start + page * PAGE_BYTES;
}

static u32 mark_of(u32 page, u32 generation)
{
	return nth(stream(7, generation), page);
}

/* The copy of page `from` and those behind it that is at `start`. */
static void stamp_copy(void *start, u32 from, u32 count, u32 generation)
{
	for (u32 i = 0; i < count; i++) {
		volatile u32 *words = (volatile u32 *)(void *)at(start, i);
		words[0] = words[500] = words[PAGE_WORDS - 1] = mark_of(from + i, generation);
	}
}

static void stamp(void *start, u32 from, u32 count, u32 generation)
{
	stamp_copy(at(start, from), from, count, generation);
}

/* Does a copy of page `page` have generation `generation`? 0 is zeros. */
static bool marked(void *copy, u32 page, u32 generation)
{
	const volatile u32 *words = copy;
	u32 mark = generation == 0 ? 0 : mark_of(page, generation);

	return words[0] == mark && words[500] == mark && words[PAGE_WORDS - 1] == mark;
}

static void check_copy(void *start, u32 from, u32 count, u32 generation, const char *what)
{
	errno = 0;
	for (u32 i = 0; i < count; i++)
		if (!marked(at(start, i), from + i, generation))
			fail("maptour: %s: %s: page %u has other contents", stop_name, what, from + i);
}

static void check(void *start, u32 from, u32 count, u32 generation, const char *what)
{
	check_copy(at(start, from), from, count, generation, what);
}

/* Can the kernel read from there? */
static bool readable(void *address)
{
	char byte;

	if (write(probe_ends[1], address, 1) != 1)
		return false;
	return read(probe_ends[0], &byte, 1) == 1;
}

static bool writable(void *address)
{
	char byte;

	require(write(probe_ends[1], "x", 1) == 1, "write to a pipe");
	if (read(probe_ends[0], address, 1) == 1)
		return true;
	require(read(probe_ends[0], &byte, 1) == 1, "read from a pipe");
	return false;
}

static void *map_at(void *address, u32 count, int protection, int flags, int fd, u32 page)
{
	off_t offset = (off_t)page * PAGE_BYTES;
	void *start = mmap(address, count * PAGE_BYTES, protection, flags, fd, offset);

	require(start != MAP_FAILED, "mmap");
	return start;
}

static void *map(u32 count, int flags, int fd)
{
	return map_at(NULL, count, RW, flags, fd, 0);
}

/* Fresh private memory at a place of its own. */
static void *put(void *address, u32 count)
{
	require(map_at(address, count, RW, PRIVATE | MAP_FIXED, -1, 0) == address, "MAP_FIXED");
	return address;
}

static void unmap(void *start, u32 count)
{
	expect(munmap(start, count * PAGE_BYTES), 0, "munmap");
}

/* Addresses where nothing is mapped. */
static void *gap(u32 count)
{
	void *start = map_at(NULL, count, PROT_NONE, PRIVATE, -1, 0);

	unmap(start, count);
	return start;
}

static void advise(void *start, u32 count, int advice, int error, const char *what)
{
	expect(madvise(start, count * PAGE_BYTES, advice), error, what);
}

static int open_file(u32 count)
{
	static const char path[] = "/tmp/maptour";
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	require(fd != -1, "open");
	expect(unlink(path), 0, "unlink");
	expect(ftruncate(fd, count * PAGE_BYTES), 0, "ftruncate");
	return fd;
}

static pid_t forked(void)
{
	fflush(stdout);
	pid_t pid = fork();
	require(pid != -1, "fork");
	return pid;
}

static int status_of(pid_t pid)
{
	int status;

	require(waitpid(pid, &status, 0) == pid, "waitpid");
	if (refusals && (WIFSIGNALED(status) || WEXITSTATUS(status) == REFUSED))
		_exit(REFUSED);
	return status;
}

/* Runs `body` in a child, which must return. */
static void in_child(void (*body)(void))
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
static void dies(void (*body)(void), int signal_number, const char *what)
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

/* ---- a second process, which takes turns with the first ---- */

static struct {
	pid_t pid;
	int to, from; /* in the first process, whose bytes are turns; in the second, its own ends */
} other;

static void turn(void)
{
	char byte = 0;

	errno = EPIPE;
	require(write(other.to, &byte, 1) == 1, "the other process is gone");
}

static void await(void)
{
	char byte;

	errno = EPIPE;
	require(read(other.from, &byte, 1) == 1, "the other process has ended");
}

static void start_other(void (*body)(void))
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

static void end_other(void)
{
	close(other.to);
	close(other.from);
	errno = 0;
	require(status_of(other.pid) == 0, "the other process failed");
}

/* ---- entering and joining mappings ---- */

static void stop_enter(void)
{
	char *room = gap(32);
	char *odd = map_at(at(room, 4) + 5, 2, RW, PRIVATE, -1, 0);

	require((uintptr_t)odd % PAGE_BYTES == 0, "a hint off a page");
	unmap(odd, 2);
	put(at(room, 4), 8);
	stamp(room, 4, 8, 1);
	char *taken = map_at(at(room, 5), 2, RW, PRIVATE, -1, 0);
	require(taken >= at(room, 12) || taken + 2 * PAGE_BYTES <= at(room, 4), "a hint that is taken");
	unmap(taken, 2);
	require(mmap(at(room, 11), 2 * PAGE_BYTES, RW, PRIVATE | MAP_FIXED_NOREPLACE, -1, 0) ==
			MAP_FAILED && errno == EEXIST, "MAP_FIXED_NOREPLACE");
	put(at(room, 6), 2);
	check(room, 4, 2, 1, "in front of MAP_FIXED");
	check(room, 6, 2, 0, "MAP_FIXED");
	check(room, 8, 4, 1, "behind MAP_FIXED");
	require(mmap(room, 0, RW, PRIVATE, -1, 0) == MAP_FAILED && errno == EINVAL, "mmap of nothing");
	require(mmap(room + 1, 1, RW, PRIVATE | MAP_FIXED, -1, 0) == MAP_FAILED && errno == EINVAL,
		"MAP_FIXED off a page");
	expect(munmap(room + 1, 1), EINVAL, "munmap off a page");
	expect(munmap(room, 0), EINVAL, "munmap of nothing");
	unmap(room, 32);
	unmap(room, 32);
	require(!readable(at(room, 5)), "munmap: still there");
	int fd = open_file(1);
	close(fd);
	require(mmap(NULL, PAGE_BYTES, RW, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EBADF,
		"mmap of a closed file");
}

static char *join_room;

static void join_child(void)
{
	/* Its memory is shared with the parent until one of them writes. */
	put(at(join_room, 0), 4);
	put(at(join_room, 12), 4);
	check(join_room, 8, 4, 2, "a child's memory");
	stamp(join_room, 0, 8, 3);
	check(join_room, 8, 8, 0, "nothing");
}

/* Memory in front of some, behind some, and between two pieces of it, touched or not. */
static void stop_join(void)
{
	for (u32 touched = 0; touched < 4; touched++) {
		char *room = gap(24);
		put(at(room, 4), 4);
		if (touched & 1)
			stamp(room, 4, 4, 1);
		put(at(room, 12), 4);
		if (touched & 2)
			stamp(room, 12, 4, 1);
		put(at(room, 8), 4);
		check(room, 4, 4, touched & 1, "in front of what joins");
		check(room, 8, 4, 0, "what joins");
		check(room, 12, 4, (touched & 2) >> 1, "behind what joins");
		stamp(room, 4, 12, 2);
		unmap(at(room, 5), 2);
		check(room, 7, 9, 2, "behind a hole");
		unmap(room, 24);
	}
	char *low = gap(64);
	put(at(low, 60), 2);
	stamp(low, 60, 2, 4);
	for (u32 page = 58; page >= 2; page -= 2) {
		put(at(low, page), 2);
		check(low, page, 2, 0, "in front");
		stamp(low, page, 2, 4);
	}
	check(low, 2, 60, 4, "memory that grew to the front");
	/* What was behind is given up, and its slots are used again. */
	unmap(at(low, 20), 42);
	put(low, 2);
	stamp(low, 0, 2, 4);
	check(low, 0, 20, 4, "memory whose end was unmapped");
	unmap(low, 2);
	put(low, 2);
	check(low, 0, 2, 0, "memory whose start was unmapped");
	unmap(low, 64);
	put(at(low, 8), 16);
	stamp(low, 8, 16, 5);
	unmap(at(low, 12), 12);
	put(at(low, 4), 4);
	check(low, 4, 4, 0, "in front of what was longer");
	check(low, 8, 4, 5, "what was longer");
	unmap(low, 64);
}

static void shared_join_child(void)
{
	check(join_room, 8, 4, 2, "shared with the parent");
	put(at(join_room, 4), 4);
	put(at(join_room, 12), 4);
	check(join_room, 4, 4, 0, "in front of what is shared");
	stamp(join_room, 4, 12, 5);
}

static void stop_joinshared(void)
{
	int fd = open_file(12);
	char *file = gap(12);
	char *view;

	join_room = gap(24);
	put(at(join_room, 8), 4);
	stamp(join_room, 8, 4, 2);
	in_child(shared_join_child);
	check(join_room, 8, 4, 2, "what a child wrote");
	unmap(join_room, 24);
	(void)join_child;
	/* Parts of a file, in their order and out of it. */
	map_at(at(file, 0), 2, RW, MAP_SHARED | MAP_FIXED, fd, 0);
	map_at(at(file, 4), 2, RW, MAP_SHARED | MAP_FIXED, fd, 4);
	map_at(at(file, 2), 2, RW, MAP_SHARED | MAP_FIXED, fd, 2);
	map_at(at(file, 8), 2, RW, MAP_SHARED | MAP_FIXED, fd, 8);
	map_at(at(file, 6), 2, RW, MAP_SHARED | MAP_FIXED, fd, 6);
	map_at(at(file, 10), 2, RW, MAP_SHARED | MAP_FIXED, fd, 0);
	stamp(file, 0, 10, 6);
	view = map(12, MAP_SHARED, fd);
	check(view, 0, 10, 6, "a file in parts");
	require(memcmp(view, at(file, 10), 2 * PAGE_BYTES) == 0, "a part out of order");
	unmap(view, 12);
	unmap(file, 12);
	/* Private parts: those that were written have their own pages. */
	file = gap(12);
	map_at(at(file, 4), 2, RW, MAP_PRIVATE | MAP_FIXED, fd, 4);
	stamp(file, 4, 2, 7);
	map_at(at(file, 2), 2, RW, MAP_PRIVATE | MAP_FIXED, fd, 2);
	map_at(at(file, 6), 2, RW, MAP_PRIVATE | MAP_FIXED, fd, 6);
	map_at(at(file, 0), 2, RW, MAP_PRIVATE | MAP_FIXED, fd, 1);
	check(file, 2, 2, 6, "in front of a copy");
	check(file, 4, 2, 7, "a copy");
	check(file, 6, 2, 6, "behind a copy");
	unmap(file, 12);
	close(fd);
}

static u32 *sparse;

static void sparse_child(void)
{
	unmap(at(sparse, 2), 4);
	unmap(at(sparse, 9), 2);
	check(sparse, 0, 1, 1, "a child's part");
	check(sparse, 15, 1, 1, "a child's part");
	stamp(sparse, 6, 2, 2);
}

static void sparse_rest(void)
{
	unmap(at(sparse, 12), 4);
	check(sparse, 8, 4, 0, "a child's part");
}

/* Amaps with few pages, of which parts go away, in one process and in several. */
static void stop_sparse(void)
{
	for (u32 shared = 0; shared < 2; shared++) {
		sparse = map(16, shared ? ANON_SHARED : PRIVATE, -1);
		stamp(sparse, 0, 1, 1);
		stamp(sparse, 5, 1, 1);
		stamp(sparse, 15, 1, 1);
		in_child(sparse_child);
		check(sparse, 5, 1, 1, "what a child unmapped");
		check(sparse, 6, 2, shared ? 2 : 0, "what a child wrote");
		unmap(sparse, 8);
		check(sparse, 8, 7, 0, "what is left");
		check(sparse, 15, 1, 1, "what is left");
		in_child(sparse_rest);
		check(sparse, 15, 1, 1, "what a child unmapped");
		unmap(at(sparse, 8), 8);
	}
}

/* ---- advice ---- */

static void *kept;

static void kept_child(void)
{
	check(kept, 0, 2, 1, "what a child inherits");
	check(kept, 2, 2, 0, "what is wiped");
	advise(kept, 4, MADV_FREE, 0, "FREE of what the parent has, too");
	stamp(kept, 0, 4, 9);
	stamp(kept, 0, 4, 2);
	check(kept, 0, 4, 2, "FREE and written");
}

static void stop_advice(void)
{
	static const int all[] = {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
				  MADV_DONTNEED, MADV_FREE, MADV_DONTFORK, MADV_DOFORK,
				  MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_COLD, MADV_PAGEOUT};
	char *room = gap(12);

	for (u32 i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		put(at(room, 2), 2);
		put(at(room, 5), 2);
		stamp(room, 2, 2, 1);
		stamp(room, 5, 2, 1);
		advise(room, 4, all[i], ENOMEM, "advice that begins in a hole");
		advise(at(room, 2), 10, all[i], ENOMEM, "advice that ends in a hole");
		advise(at(room, 8), 2, all[i], ENOMEM, "advice about a hole");
		unmap(room, 12);
	}
	kept = put(room, 12);
	stamp(kept, 0, 12, 1);
	advise(at(kept, 2), 2, MADV_WIPEONFORK, 0, "WIPEONFORK");
	advise(kept, 2, MADV_KEEPONFORK, 0, "KEEPONFORK of what was kept");
	in_child(kept_child);
	check(kept, 0, 12, 1, "what a child freed");
	/* Sequential reading of what is not in memory. */
	advise(kept, 12, MADV_SEQUENTIAL, 0, "SEQUENTIAL");
	advise(kept, 12, MADV_PAGEOUT, 0, "PAGEOUT");
	check(kept, 0, 12, 1, "SEQUENTIAL");
	advise(kept, 12, MADV_COLD, 0, "COLD");
	check(kept, 0, 12, 1, "COLD");
	expect(mlock(at(kept, 4), PAGE_BYTES), 0, "mlock");
	advise(kept, 12, MADV_FREE, EINVAL, "FREE of locked memory");
	advise(kept, 12, MADV_COLD, EINVAL, "COLD of locked memory");
	advise(kept, 12, MADV_PAGEOUT, EINVAL, "PAGEOUT of locked memory");
	expect(munlock(kept, 12 * PAGE_BYTES), 0, "munlock");
	check(kept, 4, 8, 1, "what was not freed");
	unmap(kept, 12);
	int fd = open_file(12);
	kept = map(12, MAP_SHARED, fd);
	stamp(kept, 0, 12, 2);
	advise(kept, 12, MADV_SEQUENTIAL, 0, "SEQUENTIAL");
	advise(kept, 12, MADV_PAGEOUT, 0, "PAGEOUT of a file");
	check(kept, 0, 12, 2, "SEQUENTIAL reading of a file");
	char *view = map(12, MAP_SHARED, fd);
	advise(view, 12, MADV_SEQUENTIAL, 0, "SEQUENTIAL");
	check(view, 0, 12, 2, "SEQUENTIAL reading of a file");
	expect(mlock(at(view, 4), PAGE_BYTES), 0, "mlock");
	advise(kept, 12, MADV_DONTNEED, 0, "DONTNEED of a file");
	check(kept, 0, 12, 2, "SEQUENTIAL reading round a locked page");
	unmap(view, 12);
	unmap(kept, 12);
	close(fd);
	/* Of shared memory without a file. */
	kept = map(8, ANON_SHARED, -1);
	stamp(kept, 0, 4, 1);
	advise(kept, 8, MADV_COLD, 0, "COLD");
	advise(kept, 8, MADV_DONTNEED, 0, "DONTNEED");
	advise(kept, 8, MADV_PAGEOUT, 0, "PAGEOUT");
	advise(kept, 8, MADV_DONTNEED, 0, "DONTNEED");
	check(kept, 0, 4, 1, "DONTNEED of shared memory");
	check(kept, 4, 4, 0, "DONTNEED of shared memory");
	unmap(kept, 8);
}

static void locker(void)
{
	expect(mlock(kept, 4 * PAGE_BYTES), 0, "mlock");
	turn();
	await();
	check(kept, 0, 2, 1, "locked memory");
	check(kept, 2, 2, 0, "locked memory that another gave up");
}

static void stop_remove(void)
{
	int fd = open_file(8);
	u8 residence[8];
	char *view;

	kept = map_at(gap(16), 12, RW, ANON_SHARED | MAP_FIXED, -1, 0);
	stamp(kept, 0, 12, 1);
	start_other(locker);
	await();
	advise(at(kept, 2), 6, MADV_REMOVE, 0, "REMOVE of what another has locked");
	turn();
	end_other();
	check(kept, 2, 6, 0, "REMOVE");
	advise(at(kept, 4), 6, MADV_REMOVE, 0, "REMOVE of what is not there");
	unmap(at(kept, 2), 2);
	advise(kept, 6, MADV_REMOVE, ENOMEM, "REMOVE with a hole");
	advise(at(kept, 2), 2, MADV_REMOVE, ENOMEM, "REMOVE of a hole");
	advise(at(kept, 10), 6, MADV_REMOVE, ENOMEM, "REMOVE that ends in a hole");
	check(kept, 4, 8, 0, "REMOVE");
	unmap(kept, 12);
	view = map(8, MAP_PRIVATE, fd);
	advise(view, 8, MADV_REMOVE, EACCES, "REMOVE of a private mapping");
	unmap(view, 8);
	view = map_at(NULL, 8, RW, MAP_SHARED, fd, 0);
	stamp(view, 0, 8, 3);
	expect(mlock(at(view, 6), PAGE_BYTES), 0, "mlock");
	advise(at(view, 4), 4, MADV_REMOVE, EINVAL, "REMOVE of a locked file");
	expect(munlock(view, 8 * PAGE_BYTES), 0, "munlock");
	/* Beyond the end of the file. */
	expect(ftruncate(fd, 4 * PAGE_BYTES), 0, "ftruncate");
	advise(view, 8, MADV_WILLNEED, 0, "WILLNEED beyond the end");
	expect(mincore(view, 8 * PAGE_BYTES, residence), 0, "mincore");
	require((residence[7] & 1) == 0, "mincore beyond the end");
	expect(mlock(view, 8 * PAGE_BYTES), ENOMEM, "mlock beyond the end");
	expect(munlock(view, 8 * PAGE_BYTES), 0, "munlock beyond the end");
	check(view, 0, 4, 3, "a file that was cut");
	unmap(at(view, 2), 1);
	expect(mincore(view, 8 * PAGE_BYTES, residence), ENOMEM, "mincore of a hole");
	expect(msync(at(view, 2), PAGE_BYTES, MS_SYNC), ENOMEM, "msync of a hole");
	expect(msync(view, 4 * PAGE_BYTES, MS_SYNC), ENOMEM, "msync with a hole");
	unmap(view, 8);
	close(fd);
	view = map(2, PRIVATE, -1);
	expect(mincore(view, 2 * PAGE_BYTES, residence), 0, "mincore");
	require(((residence[0] | residence[1]) & 1) == 0, "mincore of untouched memory");
	unmap(view, 2);
}

/* ---- locking and protecting ---- */

static char *locked;

static void locked_child(void)
{
	check(locked, 0, 8, 1, "a copy of locked memory");
	stamp(locked, 0, 8, 2);
	check(locked, 0, 8, 2, "a copy of locked memory");
}

static void reader_child(void)
{
	expect(mprotect(locked, 8 * PAGE_BYTES, PROT_READ), 0, "mprotect");
	expect(mlock(locked, 8 * PAGE_BYTES), 0, "mlock of what is the parent's, too");
	expect(mprotect(locked, 8 * PAGE_BYTES, RW), 0, "mprotect");
	stamp(locked, 0, 8, 3);
	check(locked, 0, 8, 3, "a copy of locked memory");
	expect(munlock(locked, 8 * PAGE_BYTES), 0, "munlock");
	advise(locked, 8, MADV_PAGEOUT, 0, "PAGEOUT");
	check(locked, 0, 8, 3, "a copy that was locked");
}

static void limit(int resource, u32 kib)
{
	struct rlimit most = {(rlim_t)kib * 1024, (rlim_t)kib * 1024};

	expect(setrlimit(resource, &most), 0, "setrlimit");
}

static void limited_child(void)
{
	expect(setresuid(NOBODY, NOBODY, NOBODY), 0, "setresuid");
	limit(RLIMIT_MEMLOCK, 16);
	expect(mlockall(MCL_CURRENT), ENOMEM, "mlockall beyond the limit");
	expect(mlock(locked, 8 * PAGE_BYTES), ENOMEM, "mlock beyond the limit");
	expect(mlock(locked, 4 * PAGE_BYTES), 0, "mlock up to the limit");
	require(mremap(locked, 4 * PAGE_BYTES, 6 * PAGE_BYTES, MREMAP_MAYMOVE) == MAP_FAILED &&
			errno == EAGAIN, "mremap beyond the limit");
	expect(munlock(locked, 8 * PAGE_BYTES), 0, "munlock");
	char *none = map_at(NULL, 8, PROT_NONE, PRIVATE, -1, 0);
	expect(mlockall(MCL_FUTURE), 0, "mlockall");
	require(mmap(NULL, 8 * PAGE_BYTES, RW, PRIVATE, -1, 0) == MAP_FAILED && errno == EAGAIN,
		"mmap beyond the limit");
	if (GUEST)
		expect(mprotect(none, 8 * PAGE_BYTES, RW), ENOMEM, "mprotect beyond the limit");
}

static void stop_lock(void)
{
	char *hole = gap(8);
	int fd = open_file(8);

	put(hole, 2);
	put(at(hole, 4), 2);
	expect(mlock(hole, 6 * PAGE_BYTES), ENOMEM, "mlock with a hole");
	expect(munlock(hole, 6 * PAGE_BYTES), ENOMEM, "munlock with a hole");
	expect(mlock(at(hole, 2), PAGE_BYTES), ENOMEM, "mlock of a hole");
	expect(munlock(at(hole, 2), PAGE_BYTES), ENOMEM, "munlock of a hole");
	unmap(hole, 8);
	put(hole, 8);
	expect(mlock2(hole, 8 * PAGE_BYTES, MLOCK_ONFAULT), 0, "mlock2 of untouched memory");
	expect(mprotect(at(hole, 4), 2 * PAGE_BYTES, PROT_NONE), 0, "mprotect");
	expect(mlock2(hole, 8 * PAGE_BYTES, MLOCK_ONFAULT), 0, "mlock2 without access");
	stamp(hole, 0, 2, 1);
	unmap(hole, 8);
	expect(mlock2(hole, PAGE_BYTES, 16), EINVAL, "mlock2 with an unknown flag");
	/* A child of one whose locked pages are not all in memory. */
	locked = put(hole, 8);
	stamp(locked, 0, 8, 1);
	in_child(reader_child);
	check(locked, 0, 8, 1, "what a child locked");
	advise(locked, 8, MADV_PAGEOUT, 0, "PAGEOUT");
	expect(mlock2(locked, 8 * PAGE_BYTES, MLOCK_ONFAULT), 0, "mlock2 of what is in swap");
	in_child(locked_child);
	check(locked, 0, 8, 1, "locked memory");
	expect(munlock(locked, 8 * PAGE_BYTES), 0, "munlock");
	in_child(limited_child);
	unmap(locked, 8);
	/* A copy of a page of a file that is locked for reading. */
	locked = map_at(NULL, 8, RW, MAP_SHARED, fd, 0);
	stamp(locked, 0, 8, 4);
	char *own = map_at(NULL, 8, PROT_READ, MAP_PRIVATE, fd, 0);
	expect(mlock(own, 8 * PAGE_BYTES), 0, "mlock of a file");
	expect(mprotect(own, 8 * PAGE_BYTES, RW), 0, "mprotect");
	check(own, 0, 8, 4, "a locked file");
	stamp(own, 2, 4, 5);
	check(locked, 0, 8, 4, "a file of which a copy is locked");
	unmap(own, 8);
	unmap(locked, 8);
	close(fd);
	/* With a part that allows no access. */
	own = map_at(NULL, 8, PROT_NONE, PRIVATE, -1, 0);
	expect(mlockall(MCL_CURRENT | MCL_FUTURE), 0, "mlockall");
	expect(mprotect(at(own, 2), 2 * PAGE_BYTES, RW), 0, "mprotect under mlockall");
	stamp(own, 2, 2, 1);
	expect(mprotect(own, 8 * PAGE_BYTES, RW), 0, "mprotect under mlockall");
	check(own, 2, 2, 1, "memory under mlockall");
	expect(munlockall(), 0, "munlockall");
	expect(mlockall(8), EINVAL, "mlockall with an unknown flag");
	expect(mlockall(MCL_ONFAULT), EINVAL, "mlockall of nothing");
	unmap(own, 8);
}

static int (*code)(void);

static void run_code(void)
{
	code();
}

static void store_code(void)
{
	*(volatile u32 *)(void *)(uintptr_t)code = 0;
}

/* Code that was written is run, then written again. */
static void stop_code(void)
{
#ifdef RT_NATIVE
	static const u8 seven[] = {0xb8, 7, 0, 0, 0, 0xc3}, nine[] = {0xb8, 9, 0, 0, 0, 0xc3};
#else
	static const u32 seven[] = {0x00700513, 0x00008067}, nine[] = {0x00900513, 0x00008067};
#endif
	char *page = map(3, PRIVATE, -1);

	memcpy(at(page, 1), seven, sizeof(seven));
	code = (int (*)(void))(uintptr_t)at(page, 1);
	dies(run_code, SIGSEGV, "code in memory that may not be executed");
	expect(mprotect(at(page, 1), PAGE_BYTES, PROT_READ | PROT_EXEC), 0, "mprotect");
	__builtin___clear_cache(at(page, 1), at(page, 2));
	require(code() == 7, "code");
	dies(store_code, SIGSEGV, "a store to code");
	expect(mprotect(at(page, 1), PAGE_BYTES, RW), 0, "mprotect");
	memcpy(at(page, 1), nine, sizeof(nine));
	expect(mprotect(page, 3 * PAGE_BYTES, PROT_READ | PROT_EXEC), 0, "mprotect");
	__builtin___clear_cache(at(page, 1), at(page, 2));
	require(code() == 9, "code that was written again");
	unmap(page, 3);
}

/* ---- mremap ---- */

static void *remap(void *old, u32 count, u32 new_count, int flags, void *to)
{
	void *start = mremap(old, count * PAGE_BYTES, new_count * PAGE_BYTES, flags, to);

	require(start != MAP_FAILED, "mremap");
	return start;
}

static void refused(void *old, u32 count, u32 new_count, int flags, void *to, int error,
		    const char *what)
{
	void *start = mremap(old, count * PAGE_BYTES, new_count * PAGE_BYTES, flags, to);

	if (start != MAP_FAILED)
		errno = 0;
	require(start == MAP_FAILED && errno == error, what);
}

static void stop_mremap(void)
{
	const int move = MREMAP_MAYMOVE, fixed = MREMAP_MAYMOVE | MREMAP_FIXED;
	char *room = gap(48);
	char *own = put(room, 4);

	stamp(own, 0, 4, 1);
	/* Locked in part; locked, with no room behind; locked and moved. */
	expect(mlock(own, PAGE_BYTES), 0, "mlock");
	refused(own, 4, 8, move, NULL, EFAULT, "mremap of what is locked in part");
	expect(mlock(own, 4 * PAGE_BYTES), 0, "mlock");
	map_at(at(room, 4), 1, PROT_READ, PRIVATE | MAP_FIXED, -1, 0);
	refused(own, 4, 8, 0, NULL, ENOMEM, "mremap without room");
	check(own, 0, 4, 1, "locked memory that was not moved");
	own = remap(own, 4, 4, fixed, at(room, 8));
	check(own, 0, 4, 1, "locked memory that was moved");
	own = remap(own, 4, 6, 0, NULL);
	check(own, 0, 4, 1, "locked memory that has grown");
	check(own, 4, 2, 0, "locked memory that has grown");
	expect(munlock(own, 6 * PAGE_BYTES), 0, "munlock");
	/* Overlapping; over something else; a part; two mappings; a hole. */
	refused(own, 6, 6, fixed, at(room, 10), EINVAL, "mremap onto itself");
	refused(own, 6, 6, fixed, at(room, 4), EINVAL, "mremap onto itself");
	refused(own, 0, 4, move, NULL, EINVAL, "a second mapping of private memory");
	put(at(room, 20), 4);
	stamp(room, 20, 4, 2);
	remap(at(own, 2), 2, 2, fixed, at(room, 21));
	require(memcmp(at(room, 20), at(room, 23), 4) != 0 && !readable(at(own, 2)), "mremap of a part");
	check_copy(at(room, 21), 2, 2, 1, "mremap over something else");
	map_at(at(room, 30), 2, RW, PRIVATE | MAP_FIXED, -1, 0);
	map_at(at(room, 32), 2, PROT_READ, PRIVATE | MAP_FIXED, -1, 0);
	refused(at(room, 30), 4, 6, move, NULL, EFAULT, "mremap of two mappings");
	refused(at(room, 40), 2, 4, move, NULL, EFAULT, "mremap of a hole");
	refused(at(room, 40), 0, 4, move, NULL, EFAULT, "a second mapping of a hole");
	refused(at(room, 30), 2, 2, 8, NULL, EINVAL, "mremap with an unknown flag");
	unmap(room, 48);
	if (GUEST) {
		own = put(at((void *)0x7bf00000, 0), 4);
		stamp(own, 0, 4, 3);
		map_at(at(own, 4), 1, PROT_READ, PRIVATE | MAP_FIXED, -1, 0);
		refused(own, 4, 0x7ffff, move, NULL, ENOMEM, "mremap to more than there is");
		own = remap(own, 4, 0x1000, move, NULL);
		check(own, 0, 4, 3, "mremap below its old place");
		unmap(own, 0x1000);
		unmap(at((void *)0x7bf00000, 4), 1);
	}
}

static void stop_reshare(void)
{
	const int move = MREMAP_MAYMOVE, keep = MREMAP_MAYMOVE | MREMAP_DONTUNMAP;
	int fd = open_file(16);
	char *room = gap(32);
	char *file = map_at(room, 8, RW, MAP_SHARED | MAP_FIXED, fd, 0);
	char *twin;

	stamp(file, 0, 8, 1);
	/* It has other mappings behind it, and is in parts. */
	map_at(at(room, 8), 2, RW, MAP_SHARED | MAP_FIXED, fd, 1);
	expect(mprotect(at(file, 2), 2 * PAGE_BYTES, PROT_READ), 0, "mprotect");
	expect(mprotect(at(file, 2), 2 * PAGE_BYTES, RW), 0, "mprotect");
	if (GUEST) {
		twin = remap(file, 0, 8, move, NULL);
		check(twin, 0, 8, 1, "a second mapping");
		unmap(twin, 8);
	}
	unmap(at(room, 8), 2);
	twin = remap(at(file, 4), 0, 4, move, NULL);
	require(memcmp(twin, at(file, 4), 4 * PAGE_BYTES) == 0, "a second mapping of a part");
	unmap(twin, 4);
	file = remap(file, 2, 4, move, NULL);
	check(file, 0, 4, 1, "a file that has grown");
	unmap(file, 4);
	unmap(room, 32);
	/* Shared memory without a file. */
	char *shared = map(4, ANON_SHARED, -1);
	stamp(shared, 0, 4, 2);
	twin = remap(shared, 0, 4, move, NULL);
	stamp(twin, 0, 1, 3);
	check(shared, 0, 1, 3, "a second mapping");
	char *third = remap(shared, 4, 4, keep, NULL);
	stamp(third, 1, 1, 3);
	check(twin, 0, 2, 3, "a third mapping");
	check(shared, 0, 2, 3, "what DONTUNMAP leaves");
	if (GUEST)
		refused(third, 4, 8, move, NULL, ENOMEM, "shared memory cannot grow");
	third = remap(third, 4, 2, 0, NULL);
	unmap(third, 2);
	unmap(twin, 4);
	check(shared, 2, 2, 2, "the last mapping");
	unmap(shared, 4);
	/* Private: what is left behind is zero, and joins its neighbours. */
	char *own = put(gap(12), 8);
	stamp(own, 0, 8, 4);
	twin = remap(at(own, 2), 4, 4, keep, NULL);
	check_copy(twin, 2, 4, 4, "DONTUNMAP");
	check(own, 2, 4, 0, "what DONTUNMAP leaves");
	check(own, 6, 2, 4, "behind DONTUNMAP");
	expect(mlock(twin, 4 * PAGE_BYTES), 0, "mlock");
	third = remap(twin, 4, 4, keep, NULL);
	check_copy(third, 2, 4, 4, "DONTUNMAP of locked memory");
	unmap(third, 4);
	unmap(twin, 4);
	unmap(own, 8);
	close(fd);
}

/* A call that may be refused, after which everything is as it was, or changed. */
static bool done(int result, const char *what)
{
	if (result == -1 && !(refusals && errno == ENOMEM))
		wrong(what);
	return result == 0;
}

static void parts_child(void)
{
	check(kept, 0, 10, 1, "a child's copy");
	stamp(kept, 0, 10, 2);
	check(kept, 10, 4, 0, "what a child gets as zeros");
}

/* Each call, of the middle of a mapping: what is refused changes no contents. */
static void stop_parts(void)
{
	static const int flags[] = {MREMAP_MAYMOVE, MREMAP_MAYMOVE | MREMAP_FIXED,
				    MREMAP_MAYMOVE | MREMAP_DONTUNMAP};
	char *room = gap(48);
	int status;

	for (u32 round = 0; round < 24; round++) {
		u32 grown = round % 3 == 2 ? 2 : 2 + round % 2 * 2;
		kept = mmap(room, 14 * PAGE_BYTES, RW, PRIVATE | MAP_FIXED, -1, 0);
		if (!done(kept == MAP_FAILED ? -1 : 0, "mmap"))
			continue;
		stamp(kept, 0, 14, 1);
		done(mprotect(at(kept, 2), 4 * PAGE_BYTES, PROT_READ), "mprotect of a part");
		check(kept, 0, 14, 1, "mprotect of a part");
		done(mlock(at(kept, 3), 4 * PAGE_BYTES), "mlock of a part");
		check(kept, 0, 14, 1, "mlock of a part");
		done(munlock(at(kept, 4), 2 * PAGE_BYTES), "munlock of a part");
		done(munlock(kept, 14 * PAGE_BYTES), "munlock");
		bool writes = done(mprotect(kept, 14 * PAGE_BYTES, RW), "mprotect");
		bool wiped = done(madvise(at(kept, 10), 4 * PAGE_BYTES, MADV_WIPEONFORK), "WIPEONFORK");
		fflush(stdout);
		pid_t pid = writes && wiped ? fork() : 0;
		if (writes && wiped && pid == 0) {
			parts_child();
			_exit(0);
		}
		if (pid > 0 && waitpid(pid, &status, 0) == pid && status != 0 && !refusals)
			wrong("a child failed");
		check(kept, 0, 14, 1, "what a child wrote");
		char *to = mremap(at(kept, 7), 2 * PAGE_BYTES, grown * PAGE_BYTES, flags[round % 3],
				  at(room, 24));
		if (done(to == MAP_FAILED ? -1 : 0, "mremap of a part")) {
			check_copy(to, 7, 2, 1, "mremap of a part");
			check_copy(at(to, 2), 9, grown - 2, 0, "mremap of a part");
			check(kept, 9, 5, 1, "behind what was moved");
			if (!done(munmap(to, grown * PAGE_BYTES), "munmap"))
				check_copy(to, 7, 2, 1, "munmap that was refused");
		} else {
			check(kept, 6, 8, 1, "mremap that was refused");
		}
		check(kept, 0, 7, 1, "in front of what was moved");
		if (!done(munmap(at(kept, 1), PAGE_BYTES), "munmap of a part"))
			check(kept, 1, 1, 1, "munmap that was refused");
		check(kept, 2, 4, 1, "behind what was unmapped");
		unmap(room, 48);
	}
}

/* ---- the stack and the heap ---- */

static u32 deep(u32 levels)
{
	volatile u32 frame[PAGE_WORDS];

	frame[0] = levels;
	frame[PAGE_WORDS - 1] = levels == 0 ? 0 : deep(levels - 1);
	return frame[0] + frame[PAGE_WORDS - 1];
}

static void overflow(void)
{
	limit(RLIMIT_STACK, 256);
	deep(128);
}

static void *fault_at;

static void touch(void)
{
	*(volatile u32 *)fault_at = 1;
}

static void locked_stack(void)
{
	expect(mlockall(MCL_CURRENT), 0, "mlockall");
	require(deep(40) == 40 * 41 / 2, "a locked stack");
	expect(munlockall(), 0, "munlockall");
	require(deep(50) == 50 * 51 / 2, "a stack that was locked");
}

static void unlockable_stack(void)
{
	expect(setresuid(NOBODY, NOBODY, NOBODY), 0, "setresuid");
	expect(mlockall(MCL_CURRENT), 0, "mlockall");
	limit(RLIMIT_MEMLOCK, 64);
	deep(80);
}

static void full_space(void)
{
	limit(RLIMIT_AS, 64);
	require(mmap(NULL, PAGE_BYTES, RW, PRIVATE, -1, 0) == MAP_FAILED && errno == ENOMEM,
		"mmap beyond RLIMIT_AS");
	void *end = sbrk(0);
	require(sbrk(16 * PAGE_BYTES) == (void *)-1 && sbrk(0) == end, "sbrk beyond RLIMIT_AS");
	deep(200);
}

static void stop_stack(void)
{
	in_child(locked_stack);
	if (GUEST)
		dies(unlockable_stack, SIGSEGV, "a stack that may not be locked");
	require(deep(64) == 64 * 65 / 2, "the stack");
	dies(overflow, SIGSEGV, "a stack beyond its limit");
	fault_at = gap(4);
	dies(touch, SIGSEGV, "a store to a hole");
	/* A mapping in the room of the stack ends it there. */
	char here;
	char *wall = &here - ((uintptr_t)&here % PAGE_BYTES) - 256 * PAGE_BYTES;
	map_at(wall, 1, RW, PRIVATE | MAP_FIXED, -1, 0);
	fault_at = wall - PAGE_BYTES;
	dies(touch, SIGSEGV, "a store below a mapping in the room of the stack");
	unmap(wall, 1);
	dies(full_space, SIGSEGV, "a stack beyond RLIMIT_AS");
}

static void stop_heap(void)
{
	char *start = sbrk(0);
	struct rlimit data;

	require(sbrk(3 * PAGE_BYTES + 100) == start, "sbrk");
	memset(start, 1, 3 * PAGE_BYTES + 100);
	require(sbrk(-(intptr_t)(2 * PAGE_BYTES)) != (void *)-1, "sbrk back");
	require(sbrk(2 * PAGE_BYTES) == start + PAGE_BYTES + 100, "sbrk");
	require(start[PAGE_BYTES + 99] == 1 && start[3 * PAGE_BYTES + 99] == 0, "what sbrk gave back");
	char *wall = start + 64 * PAGE_BYTES;
	wall -= (uintptr_t)wall % PAGE_BYTES;
	put(wall, 1);
	require(sbrk(128 * PAGE_BYTES) == (void *)-1 && errno == ENOMEM, "sbrk onto a mapping");
	unmap(wall, 1);
	require(getrlimit(RLIMIT_DATA, &data) == 0, "getrlimit");
	limit(RLIMIT_DATA, 64);
	require(sbrk(128 * PAGE_BYTES) == (void *)-1 && errno == ENOMEM, "sbrk beyond RLIMIT_DATA");
	require(start[100] == 1, "the heap");
}

/* ---- the memory of another process ---- */

static char *theirs;
static int their_file;

static ssize_t move(bool store, void *remote, u32 remote_pages, void *local, u32 local_pages)
{
	struct iovec there = {remote, remote_pages * PAGE_BYTES};
	struct iovec here = {local, local_pages * PAGE_BYTES};

	return store ? process_vm_writev(other.pid, &here, 1, &there, 1, 0)
		     : process_vm_readv(other.pid, &here, 1, &there, 1, 0);
}

/* As many pages were moved as there are before something else. */
static void moved(bool store, u32 page, u32 count, void *local, u32 expected, const char *what)
{
	ssize_t bytes = move(store, at(theirs, page), count, local, count);

	if (bytes >= 0)
		errno = refusals ? ENOMEM : 0;
	if (expected == 0)
		require(bytes == -1 && errno == EFAULT, what);
	else
		require(bytes == (ssize_t)(expected * PAGE_BYTES), what);
}

static void cousin(void)
{
	check(theirs, 0, 8, 1, "a grandchild");
	stamp(theirs, 0, 1, 15);
	turn();
	await();
	check(theirs, 1, 7, 1, "a grandchild of one that is written to");
}

static void target(void)
{
	map_at(theirs, 8, RW, PRIVATE | MAP_FIXED, -1, 0);
	stamp(theirs, 0, 8, 1);
	map_at(at(theirs, 9), 2, RW, PRIVATE | MAP_FIXED, -1, 0);
	stamp(theirs, 9, 2, 1);
	expect(mprotect(at(theirs, 9), 2 * PAGE_BYTES, PROT_READ), 0, "mprotect");
	unmap(at(theirs, 11), 1);
	map_at(at(theirs, 12), 4, RW, PRIVATE | MAP_FIXED, -1, 0);
	map_at(at(theirs, 16), 8, RW, MAP_PRIVATE | MAP_FIXED, their_file, 16);
	map_at(at(theirs, 24), 8, RW, ANON_SHARED | MAP_FIXED, -1, 0);
	stamp(theirs, 24, 8, 4);
	map_at(at(theirs, 36), 60, RW, PRIVATE | MAP_FIXED, -1, 0);
	stamp(theirs, 36, 60, 1);
	map_at(at(theirs, 96), 300, RW, PRIVATE | MAP_FIXED, -1, 0);
	/* Its parts have references of their own now. */
	expect(mprotect(at(theirs, 50), 2 * PAGE_BYTES, PROT_READ), 0, "mprotect");
	expect(mprotect(at(theirs, 50), 2 * PAGE_BYTES, RW), 0, "mprotect");
	turn();
	await();
	check(theirs, 13, 1, 5, "what another stored to untouched memory");
	check(theirs, 17, 1, 6, "what another stored to a copy of a file");
	check(theirs, 24, 8, 7, "what another stored to shared memory");
	/* One that has a copy of the same memory, with most of its pages. */
	typeof(other) parent = other;
	start_other(cousin);
	await();
	typeof(other) child = other;
	other = parent;
	turn();
	await();
	check(theirs, 0, 1, 1, "what a child wrote");
	check(theirs, 1, 1, 8, "what another stored");
	check(theirs, 2, 6, 1, "beside what another stored");
	other = child;
	turn();
	end_other();
	other = parent;
	/* It forks while another reads what is in swap. */
	for (u32 round = 0; round < 3; round++) {
		advise(at(theirs, 36), 60, MADV_PAGEOUT, 0, "PAGEOUT");
		turn();
		for (u32 i = 0; i < 6; i++) {
			pid_t pid = forked();
			if (pid == 0) {
				check(theirs, 36 + i, 1, i < round ? 10 : 1, "a child");
				stamp(theirs, 36 + i, 1, 16);
				_exit(0);
			}
			stamp(theirs, 60 + i, 1, 9);
			require(status_of(pid) == 0, "a child failed");
		}
		check(theirs, 60, 6, 9, "what this process stored meanwhile");
		await();
		stamp(theirs, 36, round + 1, 10);
	}
}

static void stop_peer(void)
{
	char *buffer = map(60, PRIVATE, -1);

	their_file = open_file(32);
	char *view = map(32, MAP_SHARED, their_file);
	stamp(view, 0, 32, 3);
	theirs = map_at(NULL, 400, PROT_NONE, PRIVATE, -1, 0);
	start_other(target);
	await();
	moved(false, 0, 8, buffer, 8, "readv");
	check_copy(buffer, 0, 8, 1, "readv");
	moved(false, 0, 12, buffer, 8, "readv up to what allows no access");
	moved(false, 8, 2, buffer, 0, "readv without access");
	moved(false, 9, 2, buffer, 2, "readv of what may be read");
	moved(true, 9, 2, buffer, 0, "writev to what may be read");
	moved(false, 10, 4, buffer, 1, "readv up to a hole");
	moved(false, 11, 2, buffer, 0, "readv of a hole");
	moved(false, 12, 4, buffer, 4, "readv of untouched memory");
	check_copy(buffer, 12, 4, 0, "readv of untouched memory");
	moved(false, 200, 4, buffer, 4, "readv of much untouched memory");
	check_copy(buffer, 200, 4, 0, "readv of much untouched memory");
	stamp_copy(buffer, 13, 1, 5);
	moved(true, 13, 1, buffer, 1, "writev to untouched memory");
	moved(false, 16, 8, buffer, 8, "readv of a file");
	check_copy(buffer, 16, 8, 3, "readv of a file");
	stamp_copy(buffer, 17, 1, 6);
	moved(true, 17, 1, buffer, 1, "writev to a copy of a file");
	check(view, 0, 32, 3, "a file of which a copy was written to");
	stamp_copy(buffer, 24, 8, 7);
	moved(true, 24, 12, buffer, 8, "writev to shared memory, up to a hole");
	moved(false, 36, 60, buffer, 60, "readv of much");
	check_copy(buffer, 36, 60, 1, "readv of much");
	/* Lists; nothing; addresses that are none; a process that is none. */
	struct iovec there[3] = {{at(theirs, 0), 2 * PAGE_BYTES}, {at(theirs, 36), 100},
				 {at(theirs, 10), 2 * PAGE_BYTES}};
	struct iovec here[2] = {{buffer, PAGE_BYTES + 50}, {buffer + PAGE_BYTES + 50, 6 * PAGE_BYTES}};
	require(process_vm_readv(other.pid, here, 2, there, 3, 0) == (ssize_t)(3 * PAGE_BYTES + 100),
		"readv of a list");
	check(buffer, 0, 2, 1, "readv of a list");
	require(move(false, theirs, 0, buffer, 1) == 0, "readv of nothing");
	require(move(false, theirs, 1, at(theirs, 8), 1) == -1 && errno == EFAULT, "readv to nowhere");
	require(move(true, theirs, 1, at(theirs, 8), 1) == -1 && errno == EFAULT, "writev from nowhere");
	require(move(false, (char *)-(uintptr_t)PAGE_BYTES, 1, buffer, 1) == -1 && errno == EFAULT,
		"readv of the kernel");
	require(process_vm_readv(other.pid, here, 1, there, 1, 1) == -1 && errno == EINVAL,
		"readv with flags");
	require(process_vm_readv(0x3fffff, here, 1, there, 1, 0) == -1 && errno == ESRCH,
		"readv of nobody");
	turn();
	await();
	stamp_copy(buffer, 1, 1, 8);
	moved(true, 1, 1, buffer, 1, "writev to what a grandchild has, too");
	turn();
	for (u32 round = 0; round < 3; round++) {
		await();
		moved(false, 36, 60, buffer, 60, "readv of what is in swap");
		for (u32 page = 36; page < 96; page++)
			require(marked(at(buffer, page - 36), page, page < 36 + round ? 10 : 1) ||
					(page >= 60 && page < 66 && marked(at(buffer, page - 36), page, 9)),
				"readv of what is in swap");
		turn();
	}
	end_other();
	unmap(view, 32);
	close(their_file);
	unmap(theirs, 400);
}

/* ---- pages that a pipe borrows ---- */

enum { LENT = 24 };

static char *lent;
static enum { STAMPED, STAMP_HERE, STAMP_THERE } who; /* stamps what is lent */
static int lent_pipe[2];

static void lender(void)
{
	size_t size = LENT * PAGE_BYTES;

	close(lent_pipe[0]);
	if (who == STAMP_THERE)
		stamp(lent, 0, LENT, 1);
	for (size_t done = 0; done < size;) {
		ssize_t count = write(lent_pipe[1], lent + done, size - done);
		require(count > 0, "write");
		done += (size_t)count;
	}
	turn();
	await();
}

/*
 * The other process writes `lent` to a pipe, and while it waits for a reader `change` is done. A
 * page arrives as it was or as it is then.
 */
static void lend(void *start, int stamper, void (*change)(void), u32 changed, const char *what)
{
	char *buffer = map(LENT, PRIVATE, -1);
	struct timespec moment = {0, 1000000};
	int waiting = 0;
	u32 done = 0;

	lent = start;
	who = stamper;
	if (who == STAMP_HERE)
		stamp(lent, 0, LENT, 1);
	require(pipe(lent_pipe) == 0, "pipe");
	start_other(lender);
	close(lent_pipe[1]);
	while (waiting < 16 * (int)PAGE_BYTES) {
		require(ioctl(lent_pipe[0], FIONREAD, &waiting) == 0, "FIONREAD");
		if (refusals && waitpid(other.pid, NULL, WNOHANG) != 0)
			_exit(REFUSED);
		nanosleep(&moment, NULL);
	}
	change();
	while (done < LENT * PAGE_BYTES) {
		ssize_t count = read(lent_pipe[0], buffer + done, LENT * PAGE_BYTES - done);
		errno = EPIPE;
		require(count > 0, "read");
		done += (u32)count;
	}
	for (u32 page = 0; page < LENT; page++)
		require(marked(at(buffer, page), page, 1) ||
				(page < changed && marked(at(buffer, page), page, 2)), what);
	close(lent_pipe[0]);
	await();
	turn();
	end_other();
	unmap(buffer, LENT);
}

static void change_store(void)
{
	stamp(lent, 0, LENT, 2);
}

static void change_peer(void)
{
	static char page[PAGE_BYTES] __attribute__((aligned(PAGE_BYTES)));

	for (u32 i = 0; i < 4; i++) {
		stamp_copy(page, i, 1, 2);
		require(move(true, at(lent, i), 1, page, 1) == PAGE_BYTES, "writev to what is lent");
		require(move(false, at(lent, i + 4), 1, page, 1) == PAGE_BYTES, "readv of what is lent");
		require(marked(page, i + 4, 1), "readv of what is lent");
	}
}

static void change_lock(void)
{
	expect(mlock(lent, 4 * PAGE_BYTES), 0, "mlock of what is lent");
	advise(at(lent, 4), LENT - 4, MADV_PAGEOUT, 0, "PAGEOUT of what is lent");
	check(lent, 0, LENT, 1, "what is lent");
	expect(munlock(lent, 4 * PAGE_BYTES), 0, "munlock");
}

static void change_unmap(void)
{
	unmap(lent, LENT);
}

static void change_none(void)
{
}

static void lend_again(void)
{
	typeof(other) first = other;
	int ends[2] = {lent_pipe[0], lent_pipe[1]};

	lend(lent, STAMPED, change_none, 0, "a page that is lent twice");
	other = first;
	lent_pipe[0] = ends[0];
	lent_pipe[1] = ends[1];
}

static void stop_lend(void)
{
	int fd = open_file(LENT);
	char *own = map(LENT, PRIVATE, -1);
	char *shared = map(LENT, ANON_SHARED, -1);
	char *file = map(LENT, MAP_SHARED, fd);

	lend(own, STAMP_HERE, change_store, 0, "private memory that another writes to");
	check(own, 0, LENT, 2, "private memory");
	lend(own, STAMP_THERE, change_peer, 4, "private memory that writev writes to");
	lend(shared, STAMP_HERE, change_store, LENT, "shared memory that another writes to");
	check(shared, 0, LENT, 2, "shared memory");
	lend(file, STAMP_HERE, change_store, LENT, "a file that another writes to");
	check(file, 0, LENT, 2, "a file");
	lend(shared, STAMP_HERE, change_lock, 0, "shared memory that another locks");
	lend(file, STAMP_HERE, change_lock, 0, "a file that another locks");
	lend(shared, STAMP_HERE, lend_again, 0, "shared memory that is lent twice");
	stamp(file, 0, LENT, 1);
	advise(file, LENT, MADV_PAGEOUT, 0, "PAGEOUT of a file");
	lend(file, STAMPED, change_store, LENT, "a file in swap that another writes to");
	check(file, 0, LENT, 2, "a file that was in swap");
	lend(file, STAMP_HERE, change_unmap, 0, "a file that another unmaps");
	lend(shared, STAMP_HERE, change_unmap, 0, "shared memory that another unmaps");
	unmap(own, LENT);
	close(fd);
}

static ssize_t sent;

static bool locks; /* the other process locks a page */

static void unlendable(void)
{
	if (locks)
		expect(mlock(at(lent, 20), PAGE_BYTES), 0, "mlock");
	ssize_t count = write(lent_pipe[1], lent, LENT * PAGE_BYTES);

	/* Up to what cannot be read, as Linux does, or nothing. */
	require(count == sent || (sent < (ssize_t)(LENT * PAGE_BYTES) && count == -1 && errno == EFAULT),
		"write of what cannot be read");
	turn();
	await();
}

/* What cannot be lent is copied as far as it can be read. */
static void cannot_lend(void *start, u32 whole, const char *what)
{
	static char *buffer;
	u32 done = 0;
	ssize_t count;

	if (buffer == NULL)
		buffer = map(LENT, PRIVATE, -1);
	lent = start;
	sent = (ssize_t)(whole * PAGE_BYTES);
	require(pipe(lent_pipe) == 0, "pipe");
	start_other(unlendable);
	close(lent_pipe[1]);
	if (whole == LENT) {
		while (done < whole * PAGE_BYTES) {
			count = read(lent_pipe[0], buffer, LENT * PAGE_BYTES);
			errno = EPIPE;
			require(count > 0, what);
			require(done % PAGE_BYTES != 0 || memcmp(buffer, lent + done, 4) == 0, what);
			done += (u32)count;
		}
	}
	await();
	turn();
	close(lent_pipe[0]);
	end_other();
}

static void stop_unlent(void)
{
	char *own = map(LENT, PRIVATE, -1);
	int fd = open_file(LENT / 2);

	stamp(own, 0, LENT, 1);
	advise(own, LENT, MADV_PAGEOUT, 0, "PAGEOUT");
	cannot_lend(own, LENT, "memory in swap");
	locks = true;
	cannot_lend(own, LENT, "locked memory");
	locks = false;
	unmap(own, LENT);
	own = map(LENT, ANON_SHARED, -1);
	cannot_lend(own, LENT, "untouched shared memory");
	expect(mprotect(at(own, 8), PAGE_BYTES, PROT_NONE), 0, "mprotect");
	cannot_lend(own, 8, "memory that may not be read");
	unmap(at(own, 8), 2);
	cannot_lend(own, 8, "memory with a hole");
	unmap(at(own, 0), 1);
	cannot_lend(own, 0, "memory that begins with a hole");
	unmap(own, LENT);
	own = map(LENT, MAP_SHARED, fd);
	cannot_lend(own, LENT / 2, "a file with an end");
	unmap(own, LENT);
	close(fd);
}

/* ---- memory that goes away while it comes from swap ---- */

static void fetcher(void)
{
	for (u32 round = 0; round < 12; round++) {
		await();
		for (u32 page = 0; page < 4; page++)
			readable(at(kept, page)); /* fails on a disk that cannot be read */
		turn();
	}
}

static void race(bool sound)
{
	struct timespec moment = {0, 50000000};

	kept = map(8, ANON_SHARED, -1);
	start_other(fetcher);
	for (u32 round = 0; round < 12; round++) {
		if (!sound || round % 2 == 0)
			stamp(kept, 0, 8, 1);
		advise(kept, 8, MADV_PAGEOUT, 0, "PAGEOUT");
		if (GUEST)
			nanosleep(&moment, NULL); /* until it is written */
		turn();
		for (u32 i = 0; i <= round / 4; i++)
			sched_yield();
		advise(kept, 4, MADV_REMOVE, 0, "REMOVE");
		await();
		check(kept, 0, 4, 0, "REMOVE of what comes from swap");
		if (sound)
			check(kept, 4, 4, 1, "behind REMOVE");
		else
			advise(at(kept, 4), 4, MADV_REMOVE, 0, "REMOVE");
	}
	end_other();
	unmap(kept, 8);
}

static void stop_race(void)
{
	race(true);
}

#ifndef RT_NATIVE

/* ---- the frame buffer ---- */

static void stop_device(void)
{
	int fd = open("/dev/fb0", O_RDWR);
	require(fd != -1, "/dev/fb0");
	u32 *screen = map(LENT, MAP_SHARED, fd);

	for (u32 i = 0; i < LENT * PAGE_WORDS; i += PAGE_WORDS / 4)
		screen[i] = i;
	expect(mlock(screen, LENT * PAGE_BYTES), 0, "mlock of a device");
	require(screen[PAGE_WORDS] == PAGE_WORDS, "a device that is locked");
	expect(munlock(screen, LENT * PAGE_BYTES), 0, "munlock of a device");
	cannot_lend(screen, LENT, "a device");
	require(writable(screen) && *(char *)screen == 'x', "read to a device");
	expect(mprotect(screen, LENT * PAGE_BYTES, PROT_READ), 0, "mprotect of a device");
	require(readable(screen) && !writable(screen), "a device that may be read");
	unmap(screen, LENT);
	close(fd);
}

/* ---- a machine with too little memory ---- */

enum { LOCKED = 40 };

static char *filler;
static u32 filled;
static u32 spare;

/* Takes memory until `spare` pages are left, or as many pages as the machine has. */
static void starve(void)
{
	u64 counters[UVM_COUNTERS];

	uvmctl_counters(counters);
	u32 most = (u32)counters[UVM_npages];
	filler = map(most, PRIVATE, -1);
	for (filled = 0; filled < most && counters[UVM_free] > spare; filled++) {
		stamp(filler, filled, 1, 1);
		uvmctl_counters(counters);
	}
}

static void take_all(void)
{
	spare = 0;
	starve();
	starve();
	starve();
}

static void touch_locked(void)
{
	char *all = map(2048, PRIVATE, -1);

	expect(mlock2(all, 2048 * PAGE_BYTES, MLOCK_ONFAULT), 0, "mlock2 of more than there is");
	stamp(all, 0, 2048, 1);
}

static void short_fork(void)
{
	int status;

	locked = map(LOCKED, PRIVATE, -1);
	expect(mlock(locked, LOCKED * PAGE_BYTES), 0, "mlock");
	stamp(locked, 0, LOCKED, 1);
	starve();
	pid_t pid = fork();
	if (pid == 0) {
		check(locked, 0, LOCKED, 1, "a copy of locked memory");
		stamp(locked, 0, LOCKED, 2);
		_exit(0);
	}
	require(pid != -1 || errno == ENOMEM || errno == EAGAIN, "fork");
	if (pid != -1)
		require(waitpid(pid, &status, 0) == pid &&
				(status == 0 || WTERMSIG(status) == SIGKILL), "a child");
	check(locked, 0, LOCKED, 1, "locked memory");
	check(filler, 0, filled, 1, "memory when there is no more");
}

static void short_stack(void)
{
	starve();
	deep(60);
}

static void short_loan(void)
{
	char *fresh = map(32, PRIVATE, -1);
	int ends[2];

	require(pipe(ends) == 0, "pipe");
	pid_t pid = fork();

	if (pid == 0) {
		starve();
		(void)!write(ends[1], fresh, 32 * PAGE_BYTES);
		_exit(0);
	}
	close(ends[1]);
	char byte[64];
	ssize_t count;
	while ((count = read(ends[0], byte, sizeof(byte))) > 0)
		for (ssize_t i = 0; i < count; i++)
			require(byte[i] == 0, "untouched memory through a pipe");
}

static void change_short(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		starve();
		stamp(lent, 0, LENT, 1);
		_exit(0);
	}
	require(pid == -1 || waitpid(pid, &status, 0) == pid, "waitpid");
}

static void short_lent(void)
{
	lend(map(LENT, ANON_SHARED, -1), STAMP_HERE, change_short, 0, "shared memory that is lent");
	lend(map(LENT, MAP_SHARED, open_file(LENT)), STAMP_HERE, change_short, 0, "a file that is lent");
}

static void short_target(void)
{
	await();
}

static void short_peer(void)
{
	char *here = map(40, PRIVATE, -1);

	theirs = map(40, PRIVATE, -1);
	stamp(here, 0, 40, 1);
	start_other(short_target);
	starve();
	ssize_t stored = move(true, theirs, 40, here, 40);
	require(stored > 0 || errno == ENOMEM, "writev without memory");
	stamp(here, 0, 40, 2);
	ssize_t loaded = move(false, theirs, 40, here, 40);
	for (u32 page = 0; (ssize_t)((page + 1) * PAGE_BYTES) <= loaded; page++)
		require(marked(at(here, page), page, (ssize_t)(page * PAGE_BYTES) < stored),
			"readv without memory");
	turn();
	end_other();
}

/* Some find no memory: the kernel ends them, and the others keep theirs. */
static void stop_short(void)
{
	static void (*const all[])(void) = {short_fork, short_stack, short_loan,
					    short_lent, short_peer,  take_all};
	u32 killed = 0;

	dies(touch_locked, SIGKILL, "more locked pages than there may be");
	for (u32 i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		for (spare = 0; spare < 20; spare += 10) {
			int status;
			pid_t pid = forked();
			if (pid == 0) {
				setpgid(0, 0);
				all[i]();
				_exit(0);
			}
			require(waitpid(pid, &status, 0) == pid, "waitpid");
			errno = (int)i;
			killed += WTERMSIG(status) == SIGKILL;
			require(status == 0 || WTERMSIG(status) == SIGKILL, "without memory");
			kill(-pid, SIGKILL);
		}
	}
	(void)killed;
}

/* ---- a swap disk that cannot be read ---- */

static u32 lost;

static void touch_lost(void)
{
	fault_at = at(kept, lost);
	touch();
}

static void lost_child(void)
{
	char *part = at(kept, lost);

	expect(mlock2(part, PAGE_BYTES, MLOCK_ONFAULT), 0, "mlock2 of what is lost");
	require(fork() == -1 && errno == ENOMEM, "fork with locked memory that is lost");
}

static void stop_broken(void)
{
	u32 count = 0;

	kept = map(32, PRIVATE, -1);
	stamp(kept, 0, 32, 1);
	advise(kept, 32, MADV_PAGEOUT, 0, "PAGEOUT");
	for (u32 page = 0; page < 32; page++) {
		if (!readable(at(kept, page))) {
			count++;
			lost = page;
			require(errno == EFAULT && !readable(at(kept, page)), "a page that is lost");
		} else {
			check(kept, page, 1, 1, "a page that is not lost");
		}
	}
	require(count > 0 && count < 32, "some pages are lost");
	dies(touch_lost, SIGBUS, "a store to a page that is lost");
	in_child(lost_child);
	expect(mlock(kept, 32 * PAGE_BYTES), ENOMEM, "mlock of what is lost");
	theirs = kept;
	advise(kept, 32, MADV_WILLNEED, 0, "WILLNEED of what is lost");
	char *fresh = map(32, PRIVATE, -1);
	stamp(fresh, 0, 32, 2);
	kept = fresh;
	advise(kept, 32, MADV_PAGEOUT, 0, "PAGEOUT");
	expect(mlock(kept, 32 * PAGE_BYTES), ENOMEM, "mlock of what cannot be read");
	expect(munlock(kept, 32 * PAGE_BYTES), 0, "munlock");
	unmap(kept, 32);
	/* A child cannot be made while locked pages come from such a disk. */
	kept = map(32, PRIVATE, -1);
	stamp(kept, 0, 32, 3);
	advise(kept, 32, MADV_PAGEOUT, 0, "PAGEOUT");
	expect(mlock2(kept, 32 * PAGE_BYTES, MLOCK_ONFAULT), 0, "mlock2");
	require(fork() == -1 && errno == ENOMEM, "fork with locked memory that cannot be read");
	unmap(kept, 32);
	race(false);
}

#endif

static const struct stop {
	const char *name;
	void (*tour)(void);
} stops[] = {
	{"enter", stop_enter},   {"join", stop_join},       {"joinshared", stop_joinshared},
	{"sparse", stop_sparse}, {"advice", stop_advice},   {"remove", stop_remove},
	{"lock", stop_lock},     {"code", stop_code},       {"mremap", stop_mremap},
	{"reshare", stop_reshare}, {"parts", stop_parts},     {"stack", stop_stack},   {"heap", stop_heap},
	{"peer", stop_peer},     {"lend", stop_lend},       {"unlent", stop_unlent},
	{"race", stop_race},
#ifndef RT_NATIVE
	{"device", stop_device}, {"short", stop_short},     {"broken", stop_broken},
#endif
};

static void visit(const struct stop *stop)
{
	int status;
	pid_t pid;

	stop_name = stop->name;
	fflush(stdout);
	for (u32 tries = 0; (pid = fork()) == -1; tries++)
		require(refusals && tries < 1000, "fork");
	if (pid == 0) {
		while (pipe(probe_ends) == -1)
			require(refusals, "pipe");
		signal(SIGPIPE, SIG_IGN);
		stop->tour();
		_exit(0);
	}
	while (waitpid(pid, &status, 0) == -1)
		require(refusals, "waitpid");
	bool refused_it = WEXITSTATUS(status) == REFUSED || WTERMSIG(status) == SIGKILL;
	if (status != 0 && !(refusals && refused_it))
		fail("maptour: %s: status %x", stop->name, status);
	printf("%s: %s\n", stop->name, status == 0 ? "done" : "refused");
}

int main(int argc, char **argv)
{
	const char *only = argc > 2 ? argv[2] : NULL;

	if (argc > 3)
		return usage("maptour [strict|refused] [stop]");
	refusals = argc > 1 && strcmp(argv[1], "refused") == 0;
	for (u32 i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
		if (only == NULL ? strcmp(stops[i].name, "short") != 0 && strcmp(stops[i].name, "broken") != 0
				 : strcmp(stops[i].name, only) == 0)
			visit(&stops[i]);
	return 0;
}
