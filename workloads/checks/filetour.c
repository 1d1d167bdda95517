/*
 * filetour KiB stop[=argument]...: files, devices, shared memory and swap, as far as they are
 * memory.
 *
 * KiB (64..65536) is the size of what a stop works on. The stops:
 *
 *   tmp            a file in /tmp: holes, odd offsets, mappings, pages that a pipe borrows
 *   shm            a segment that is locked and unlocked
 *   spaces=N       N processes that run one after the other, again and again
 *   disk=FILE      a file of KiB KiB and 100 bytes at least, on a disk
 *   faulty=FILE    the same on a disk that fails: what is there is right, the rest is EIO
 *   lost           memory in swap on a disk that fails
 *   device         the frame buffer, mapped in parts
 *   raw=DISK       a disk, bypassing the cache; memory that a disk is written to; the kernel's
 *   swap=DISK      a disk that becomes swap space; DISK is followed by a digit in its name, and the
 *                  next two disks are used, too; the last of them is too small
 *   swapfile=FILE  a file on a disk that becomes swap space
 *   vm             the tunables of the page daemon
 *   full           pages that a pipe borrows while no memory is free; there must be no swap space
 *
 * The first three give the same results on Linux. Word i of generation g is nth(stream(7, g), i)
 * (rt/random.h, modulo 2^32).
 *
 * Output:
 *   filetour: 64 pages
 *   tmp: done                                    and so for each stop
 */
#include "../rt/program.h"
#include "../rt/random.h"
#include "../rt/unix.h"

enum { RW = PROT_READ | PROT_WRITE, PRIVATE = MAP_PRIVATE | MAP_ANONYMOUS };
enum { TAIL = 100, LARGE = 24 };

#ifdef RT_NATIVE
#define punch(fd, from, size) fallocate(fd, 3, from, size)
#else
#include "../rt/call.h"
#include "../rt/uvmctl.h"

enum { SYS_fallocate = 47, SYS_process_vm_readv = 270, SYS_process_vm_writev, SHM_LOCK = 11, SHM_UNLOCK = 12 };
enum { MOST = 4096 };
enum { ENOTSUP = 95, ETXTBSY = 26, ENXIO = 6, MADV_COLD = 20 };

/* struct iovec */
struct part {
	void *base;
	size_t size;
};

/* FALLOC_FL_PUNCH_HOLE and FALLOC_FL_KEEP_SIZE. */
static int punch(int fd, u32 from, u32 size)
{
	return checked(kernel_call(SYS_fallocate, fd, 3, (long)from, 0, (long)size, 0));
}
#endif

static u32 pages;
static u32 *pressure;
static u32 rounds;
static int probe_ends[2];
static u32 buffer[2 * PAGE_WORDS];
static const char path[] = "/tmp/filetour";

/* ---- what is checked ---- */

static void require(bool holds, const char *what)
{
	if (!holds)
		fail("filetour: %s (error %d)", what, errno);
}

/* The call returned 0, or failed with `error`. */
static void expect(long result, int error, const char *what)
{
	if (error == 0 ? result == 0 : result == -1 && errno == error)
		return;
	fail("filetour: %s: %ld, error %d; expected %d", what, result, errno, error);
}

static void *at(void *start, u32 page)
{
	return (char *)start + page * PAGE_BYTES;
}

static void fill(void *start, u32 from, u32 count, u32 generation)
{
	u32 *words = start;

	for (u32 i = from * PAGE_WORDS; i < (from + count) * PAGE_WORDS; i++)
		words[i] = nth(stream(7, generation), i);
}

/* Does the page in memory hold page `page` of the generation? */
static bool holds(const void *memory, u32 page, u32 generation)
{
	const volatile u32 *words = memory;

	for (u32 i = 0; i < PAGE_WORDS; i++)
		if (words[i] != nth(stream(7, generation), page * PAGE_WORDS + i))
			return false;
	return true;
}

static void verify(void *start, u32 from, u32 count, u32 generation, const char *what)
{
	for (u32 page = from; page < from + count; page++)
		if (!holds(at(start, page), page, generation))
			fail("filetour: %s: page %u has other contents", what, page);
}

static void zeros(const void *start, u32 from, u32 bytes, const char *what)
{
	const volatile u8 *memory = start;

	for (u32 i = from; i < from + bytes; i++)
		if (memory[i] != 0)
			fail("filetour: %s: byte %u is not zero", what, i);
}

/* Can the kernel read from there? */
static bool readable(void *address)
{
	char byte;

	if (write(probe_ends[1], address, 1) != 1)
		return false;
	return read(probe_ends[0], &byte, 1) == 1;
}

static void *map_file(u32 count, int protection, int flags, int fd, u32 page)
{
	void *start = mmap(NULL, count * PAGE_BYTES, protection, flags, fd, page * PAGE_BYTES);

	require(start != MAP_FAILED, "mmap");
	return start;
}

static void *map(u32 count, int flags, int fd)
{
	return map_file(count, RW, flags, fd, 0);
}

static void unmap(void *start, u32 count)
{
	expect(munmap(start, count * PAGE_BYTES), 0, "munmap");
}

/* Make memory short. */
static void press(void)
{
	if (pressure == NULL)
		pressure = map(pages, PRIVATE, -1);
	rounds++;
	for (u32 i = 0; i < pages * PAGE_WORDS; i += PAGE_WORDS / 2)
		pressure[i] = i + rounds;
	for (u32 i = 0; i < pages * PAGE_WORDS; i += PAGE_WORDS / 2)
		require(pressure[i] == i + rounds, "memory of the pressure has other contents");
}

static void relax(void)
{
	if (pressure != NULL)
		unmap(pressure, pages);
	pressure = NULL;
}

static pid_t start_child(void)
{
	fflush(stdout);
	pid_t pid = fork();
	require(pid != -1, "fork");
	return pid;
}

static void join(pid_t pid, const char *what)
{
	int status;

	require(waitpid(pid, &status, 0) == pid && status == 0, what);
}

static void pause_ms(u32 ms)
{
	struct timespec time = {0, (long)ms * 1000000};

	nanosleep(&time, NULL);
}

static int open_new(u32 count)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	require(fd != -1, path);
	expect(ftruncate(fd, count * PAGE_BYTES), 0, "ftruncate");
	return fd;
}

/* Page `page` of the file as pread has it. */
static u32 *page_of(int fd, u32 page)
{
	require(pread(fd, buffer, PAGE_BYTES, page * PAGE_BYTES) == (ssize_t)PAGE_BYTES, "pread");
	return buffer;
}

/* A child that writes `count` pages to a pipe that is full in between, so that they are lent. */
static pid_t lend(void *start, u32 count, int *end)
{
	int ends[2];

	require(pipe(ends) == 0, "pipe");
	pid_t pid = start_child();
	if (pid == 0) {
		close(ends[0]);
		for (u32 done = 0; done < count * PAGE_BYTES;) {
			ssize_t n = write(ends[1], (char *)start + done, count * PAGE_BYTES - done);
			if (n <= 0)
				_exit(1);
			done += (u32)n;
		}
		_exit(0);
	}
	close(ends[1]);
	*end = ends[0];
	pause_ms(50);
	return pid;
}

/* What the pipe carries is page by page of one generation or the other, or of zeros. */
static void receive(pid_t pid, int end, u32 first, u32 count, u32 old, u32 new)
{
	for (u32 page = first; page < first + count; page++) {
		for (u32 done = 0; done < PAGE_BYTES;) {
			ssize_t n = read(end, (char *)buffer + done, PAGE_BYTES - done);
			require(n > 0, "a pipe ends early");
			done += (u32)n;
		}
		if (!holds(buffer, page, old) && !holds(buffer, page, new))
			zeros(buffer, 0, PAGE_BYTES, "a page from a pipe");
	}
	close(end);
	join(pid, "a child that writes to a pipe");
}

/* ---- the tour: what Linux does, too ---- */

static void odd_offsets(int fd)
{
	char *bytes = (char *)buffer;
	struct stat status;

	/* Nothing has been written yet: a hole. */
	zeros(page_of(fd, 3), 0, PAGE_BYTES, "a hole");
	memset(bytes, 0x41, 2 * PAGE_BYTES);
	require(pwrite(fd, bytes, PAGE_BYTES + 200, 4 * PAGE_BYTES - 100) == (ssize_t)PAGE_BYTES + 200,
		"pwrite over two borders");
	press();
	memset(bytes, 0, 2 * PAGE_BYTES);
	require(pread(fd, bytes, PAGE_BYTES + 300, 4 * PAGE_BYTES - 150) == (ssize_t)PAGE_BYTES + 300,
		"pread over two borders");
	zeros(bytes, 0, 50, "in front of what was written");
	for (u32 i = 50; i < PAGE_BYTES + 250; i++)
		require(bytes[i] == 0x41, "what was written over two borders");
	zeros(bytes, PAGE_BYTES + 250, 50, "behind what was written");
	/* The end, and beyond it. */
	require(pread(fd, bytes, 500, pages * PAGE_BYTES - 100) == 100, "pread at the end");
	require(pread(fd, bytes, 500, pages * PAGE_BYTES) == 0, "pread beyond the end");
	bytes[0] = 0x42;
	require(pwrite(fd, bytes, 1, (pages + 1) * PAGE_BYTES + 10) == 1, "pwrite beyond the end");
	expect(fstat(fd, &status), 0, "fstat");
	require(status.st_size == (off_t)((pages + 1) * PAGE_BYTES + 11), "a file that has grown");
	require(pread(fd, bytes, PAGE_BYTES, (pages + 1) * PAGE_BYTES) == 11 && bytes[10] == 0x42,
		"what was written beyond the end");
	zeros(bytes, 0, 10, "in front of what was written beyond the end");
	expect(ftruncate(fd, pages * PAGE_BYTES), 0, "ftruncate");
}

static void punch_holes(int fd, u32 *shared)
{
	fill(shared, 0, pages, 1);
	press();
	expect(punch(fd, PAGE_BYTES + 64, 2 * PAGE_BYTES), 0, "a hole between pages");
	verify(shared, 0, 1, 1, "in front of a hole");
	require(shared[PAGE_WORDS + 15] == nth(stream(7, 1), PAGE_WORDS + 15), "before a hole");
	zeros(shared, PAGE_BYTES + 64, 2 * PAGE_BYTES, "a hole");
	require(shared[3 * PAGE_WORDS + 16] == nth(stream(7, 1), 3 * PAGE_WORDS + 16), "after a hole");
	/* Locked pages stay where they are. */
	expect(mlock(at(shared, 4), 2 * PAGE_BYTES), 0, "mlock of a file");
	expect(punch(fd, 4 * PAGE_BYTES, 2 * PAGE_BYTES), 0, "a hole of locked pages");
	zeros(shared, 4 * PAGE_BYTES, 2 * PAGE_BYTES, "a hole of locked pages");
	expect(munlock(at(shared, 4), 2 * PAGE_BYTES), 0, "munlock of a file");
	press();
	zeros(shared, 4 * PAGE_BYTES, 2 * PAGE_BYTES, "a hole of pages that were locked");
	expect(punch(fd, (pages - 1) * PAGE_BYTES + 1, 9 * PAGE_BYTES), 0, "a hole beyond the end");
	zeros(shared, (pages - 1) * PAGE_BYTES + 1, PAGE_BYTES - 1, "a hole at the end");
	verify(shared, 6, pages - 7, 1, "behind a hole");
	fill(shared, 0, pages, 1);
}

static void stop_tmp(const char *argument)
{
	int end;
	int fd = open_new(pages);
	u32 many = pages < LARGE + 32 ? pages : LARGE + 32;

	(void)argument;
	odd_offsets(fd);
	u32 *shared = map(pages, MAP_SHARED, fd);
	punch_holes(fd, shared);
	/* Read and write see the mapping, a private one keeps what it has. */
	u32 *own = map(pages, MAP_PRIVATE, fd);
	fill(own, 0, 2, 2);
	fill(buffer, 0, 1, 3);
	require(pwrite(fd, buffer, PAGE_BYTES, 0) == (ssize_t)PAGE_BYTES, "pwrite");
	verify(shared, 0, 1, 3, "a mapping of what was written");
	verify(own, 0, 2, 2, "a private mapping");
	fill(shared, 1, 1, 4);
	require(holds(page_of(fd, 1), 1, 4), "pread of a mapping");
	expect(madvise(own, 2 * PAGE_BYTES, MADV_DONTNEED), 0, "DONTNEED");
	verify(own, 0, 1, 3, "a private mapping that was dropped");
	unmap(own, pages);
	/* Pages that a pipe borrows. */
	for (u32 round = 0; round < 3; round++) {
		fill(shared, 0, pages, 5);
		pid_t pid = lend(shared, many, &end);
		if (round == 1)
			press();
		if (round == 2)
			expect(punch(fd, (many - 8) * PAGE_BYTES, 4 * PAGE_BYTES + 5), 0, "a hole, lent");
		for (u32 page = many - 4; page < many; page++) {
			fill(buffer, 0, 0, 0);
			for (u32 i = 0; i < PAGE_WORDS; i++)
				buffer[i] = nth(stream(7, 6), page * PAGE_WORDS + i);
			require(pwrite(fd, buffer, PAGE_BYTES, page * PAGE_BYTES) == (ssize_t)PAGE_BYTES,
				"pwrite of a page that is lent");
		}
		if (round == 2) {
			zeros(shared, (many - 8) * PAGE_BYTES, 4 * PAGE_BYTES, "a hole, lent");
			close(end);
			kill(pid, SIGKILL);
			require(waitpid(pid, NULL, 0) == pid, "waitpid");
		} else {
			receive(pid, end, 0, many, 5, 6);
		}
		verify(shared, many - 4, 4, 6, "what was written to lent pages");
		verify(shared, 0, many - 8, 5, "what was lent");
	}
	/* What is cut off does not come back. */
	expect(ftruncate(fd, 2 * PAGE_BYTES + TAIL), 0, "ftruncate");
	require(!readable(at(shared, 3)), "a page behind the end");
	press();
	expect(ftruncate(fd, pages * PAGE_BYTES), 0, "ftruncate");
	zeros(shared, 2 * PAGE_BYTES + TAIL, (pages - 2) * PAGE_BYTES - TAIL, "what was cut off");
	verify(shared, 0, 2, 5, "what was not cut off");
	unmap(shared, pages);
	close(fd);
	unlink(path);
}

static void stop_shm(const char *argument)
{
	int segment = shmget(IPC_PRIVATE, pages * PAGE_BYTES, IPC_CREAT | 0600);
	u8 residence[64];
	u32 many = pages < 64 ? pages : 64;
	int end;

	(void)argument;
	require(segment != -1, "shmget");
	u32 *shared = shmat(segment, NULL, 0);
	require(shared != (void *)-1, "shmat");
	fill(shared, 0, pages, 8);
	press();
	/* A part has never been touched, or no longer is. */
	expect(madvise(at(shared, 2), 2 * PAGE_BYTES, MADV_REMOVE), 0, "REMOVE");
	for (u32 round = 0; round < 2; round++) {
		expect(shmctl(segment, SHM_LOCK, NULL), 0, "SHM_LOCK");
		expect(shmctl(segment, SHM_LOCK, NULL), 0, "SHM_LOCK twice");
		press();
		zeros(shared, 2 * PAGE_BYTES, 2 * PAGE_BYTES, "REMOVE");
		expect(mincore(shared, many * PAGE_BYTES, residence), 0, "mincore");
		for (u32 page = 0; page < many; page++)
			require((residence[page] & 1) != 0, "a locked page is not in memory");
		verify(shared, 4, pages - 4, 8, "a locked segment");
		pid_t pid = start_child();
		if (pid == 0) {
			u32 *other = shmat(segment, NULL, 0);
			require(other != (void *)-1, "shmat in a child");
			fill(other, pages - 1, 1, 9);
			expect(shmdt(shared), 0, "shmdt in a child");
			_exit(0);
		}
		join(pid, "a child with a locked segment");
		verify(shared, pages - 1, 1, 9, "what a child wrote");
		fill(shared, pages - 1, 1, 8);
		expect(madvise(at(shared, 2), 2 * PAGE_BYTES, MADV_REMOVE), 0, "REMOVE of locked memory");
		expect(shmctl(segment, SHM_UNLOCK, NULL), 0, "SHM_UNLOCK");
		expect(shmctl(segment, SHM_UNLOCK, NULL), 0, "SHM_UNLOCK twice");
		press();
		verify(shared, 4, pages - 4, 8, "a segment that was locked");
	}
	fill(shared, 0, pages, 8);
	expect(shmctl(segment, SHM_LOCK + 100, NULL), EINVAL, "shmctl: unknown");
	/* Locked while a pipe has pages of it. */
	u32 count = pages < LARGE + 32 ? pages : LARGE + 32;
	for (u32 round = 0; round < 2; round++) {
		pid_t pid = lend(shared, count, &end);
		if (round == 1)
			press();
		expect(shmctl(segment, SHM_LOCK, NULL), 0, "SHM_LOCK of lent memory");
		fill(shared, count - 1, 1, 10);
		receive(pid, end, 0, count, 8, 10);
		verify(shared, 0, count - 1, 8, "a segment that was lent");
		fill(shared, count - 1, 1, 8);
		expect(shmctl(segment, SHM_UNLOCK, NULL), 0, "SHM_UNLOCK");
	}
	/* Mappings that allow nothing, and are locked. */
	expect(mlock(shared, 4 * PAGE_BYTES), 0, "mlock");
	expect(mprotect(shared, 2 * PAGE_BYTES, PROT_NONE), 0, "mprotect");
	expect(munlock(shared, 4 * PAGE_BYTES), 0, "munlock without access");
	require(!readable(shared), "no access");
	expect(mprotect(shared, 2 * PAGE_BYTES, RW), 0, "mprotect");
	verify(shared, 0, 4, 8, "after munlock without access");
	/* The last to detach unlocks what is removed. */
	expect(shmctl(segment, SHM_LOCK, NULL), 0, "SHM_LOCK");
	expect(shmctl(segment, IPC_RMID, NULL), 0, "IPC_RMID");
	verify(shared, 0, pages, 8, "a segment that is removed");
	expect(shmdt(shared), 0, "shmdt");
	expect(shmctl(segment, SHM_LOCK, NULL), EINVAL, "SHM_LOCK of nothing");
}

/*
 * A token goes round, and the first process gets word of each step, so that it runs between any two
 * others.
 */
static void stop_spaces(const char *argument)
{
	enum { TURNS = 3, MAX = 2000 };
	static pid_t pids[MAX];
	static u32 own[2 * PAGE_WORDS];
	int first[2];
	int answers[2];
	int next[2];
	u32 processes;
	u32 token = 0;

	require(parse_u32(argument, &processes) && processes <= MAX, "spaces: how many?");
	require(pipe(first) == 0 && pipe(answers) == 0, "pipe");
	int from = first[0];
	for (u32 i = 0; i < processes; i++) {
		require(pipe(next) == 0, "pipe");
		fflush(stdout);
		own[PAGE_WORDS] = i;
		pids[i] = fork();
		require(pids[i] != -1, "fork");
		if (pids[i] == 0) {
			close(next[0]);
			for (u32 turn = 0; turn < TURNS; turn++) {
				if (read(from, &token, 4) != 4 || token != turn * processes + i ||
				    own[PAGE_WORDS] != i + turn)
					_exit(1);
				own[PAGE_WORDS]++;
				token++;
				if (write(answers[1], &token, 4) != 4 || write(next[1], &token, 4) != 4)
					_exit(1);
			}
			_exit(0);
		}
		close(from);
		close(next[1]);
		from = next[0];
	}
	own[0] = 77;
	for (u32 turn = 0; turn < TURNS; turn++) {
		require(write(first[1], &token, 4) == 4, "write of the token");
		for (u32 i = 0; i < processes; i++)
			require(read(answers[0], &token, 4) == 4 &&
					token == turn * processes + i + 1 && own[0] == 77,
				"the token is wrong");
		require(read(from, &token, 4) == 4 && token == (turn + 1) * processes, "the token");
		/* Those that sleep lose their page tables. */
		press();
	}
	for (u32 i = 0; i < processes; i++)
		join(pids[i], "a process had other memory");
	close(from);
	close(first[1]);
	close(answers[0]);
	close(answers[1]);
}

#ifndef RT_NATIVE

/* ---- the rest of the tour ---- */

static bool writable(void *address)
{
	char byte;

	require(write(probe_ends[1], "x", 1) == 1, "write to a pipe");
	if (read(probe_ends[0], address, 1) == 1)
		return true;
	require(read(probe_ends[0], &byte, 1) == 1, "read from a pipe");
	return false;
}

static int open_file(const char *name)
{
	int fd = open(name, O_RDWR);

	require(fd != -1, name);
	return fd;
}

static void stop_disk(const char *name)
{
	struct stat status;
	int fd = open_file(name);
	int end;

	expect(fstat(fd, &status), 0, "fstat");
	u32 size = (u32)status.st_size;
	require(size >= pages * PAGE_BYTES + TAIL, "disk: the file is too small");
	u32 whole = size / PAGE_BYTES;
	/* Read and write, the file from one end to the other. */
	for (u32 page = 0; page < whole; page++) {
		for (u32 i = 0; i < PAGE_WORDS; i++)
			buffer[i] = nth(stream(7, 20), page * PAGE_WORDS + i);
		require(pwrite(fd, buffer, PAGE_BYTES, page * PAGE_BYTES) == (ssize_t)PAGE_BYTES,
			"pwrite of a file on a disk");
	}
	for (u32 page = whole; page-- > 0;)
		require(holds(page_of(fd, page), page, 20), "pread of a file on a disk");
	/* Its size is fixed. */
	require(pread(fd, buffer, PAGE_BYTES, whole * PAGE_BYTES) == (ssize_t)(size % PAGE_BYTES),
		"pread at the end of a file");
	require(pwrite(fd, buffer, PAGE_BYTES, whole * PAGE_BYTES) == (ssize_t)(size % PAGE_BYTES),
		"pwrite at the end of a file");
	require(pread(fd, buffer, 1, size) == 0, "pread beyond the end of a file");
	require(pwrite(fd, buffer, 1, size) == -1 && errno == EFBIG, "pwrite beyond the end");
	expect(ftruncate(fd, size + 1), EFBIG, "ftruncate of a file on a disk");
	require(punch(fd, 0, PAGE_BYTES) == -1, "a hole on a disk");
	/* The mapping: one page more than there is. */
	u32 *shared = map(whole + 2, MAP_SHARED, fd);
	u32 *own = map(whole + 2, MAP_PRIVATE, fd);
	verify(shared, 0, whole, 20, "a mapping of a file on a disk");
	zeros(shared, size, (whole + 1) * PAGE_BYTES - size, "behind the end of a file");
	require(!readable(at(shared, whole + 1)), "a page beyond the end of a file");
	require(madvise(at(shared, whole), 2 * PAGE_BYTES, MADV_WILLNEED) == 0, "WILLNEED");
	*(u8 *)at(shared, whole) = 1;
	/* One page alone, none, and one that somebody else is about to write. */
	for (u32 round = 21; round < 24; round++) {
		fill(shared, 0, whole, round);
		expect(msync(at(shared, 3), PAGE_BYTES, MS_SYNC), 0, "MS_SYNC of a page");
		expect(msync(at(shared, 3), PAGE_BYTES, MS_ASYNC), 0, "MS_ASYNC of a clean page");
		expect(msync(shared, whole * PAGE_BYTES, MS_ASYNC), 0, "MS_ASYNC");
		expect(msync(shared, whole * PAGE_BYTES, MS_SYNC | MS_INVALIDATE), 0, "MS_INVALIDATE");
		fill(shared, 2, 4, round);
		/* Whole clusters go, and what is read meanwhile waits. */
		expect(madvise(shared, whole * PAGE_BYTES, MADV_FREE), 0, "FREE of a file");
		pid_t pid = start_child();
		if (pid == 0) {
			for (u32 page = whole; page-- > 0;)
				require(holds(page_of(fd, page), page, round), "pread in a child");
			_exit(0);
		}
		verify(shared, 0, whole, round, "a file that was freed");
		join(pid, "a child that reads");
		fill(shared, 0, 3, round);
		expect(madvise(shared, whole * PAGE_BYTES, MADV_COLD), 0, "COLD");
		expect(msync(at(shared, 1), PAGE_BYTES, MS_SYNC), 0, "MS_SYNC of a cold page");
		press();
		expect(madvise(at(shared, 5), PAGE_BYTES, MADV_FREE), 0, "FREE of a page");
		expect(msync(at(shared, 5), PAGE_BYTES, MS_SYNC), 0, "MS_SYNC of no page");
		verify(own, 0, whole, round, "a private mapping");
	}
	expect(mlock(at(shared, 2), PAGE_BYTES), 0, "mlock of a file");
	fill(shared, 1, 3, 24);
	expect(madvise(at(shared, 3), PAGE_BYTES, MADV_FREE), 0, "FREE beside a locked page");
	expect(madvise(shared, whole * PAGE_BYTES, MADV_FREE), EINVAL, "FREE of a locked page");
	expect(msync(shared, whole * PAGE_BYTES, MS_INVALIDATE), EBUSY, "msync of a locked page");
	expect(munlock(at(shared, 2), PAGE_BYTES), 0, "munlock of a file");
	verify(shared, 1, 3, 24, "pages round a locked one");
	/* Lent pages are written, and not freed. */
	fill(shared, 0, whole, 25);
	u32 many = whole < LARGE + 32 ? whole : LARGE + 32;
	pid_t pid = lend(shared, many, &end);
	expect(msync(shared, whole * PAGE_BYTES, MS_SYNC), 0, "MS_SYNC of lent pages");
	expect(madvise(shared, whole * PAGE_BYTES, MADV_FREE), 0, "FREE of lent pages");
	for (u32 page = many - 2; page < many; page++) {
		for (u32 i = 0; i < PAGE_WORDS; i++)
			buffer[i] = nth(stream(7, 26), page * PAGE_WORDS + i);
		require(pwrite(fd, buffer, PAGE_BYTES, page * PAGE_BYTES) == (ssize_t)PAGE_BYTES,
			"pwrite of a lent page");
	}
	receive(pid, end, 0, many, 25, 26);
	verify(shared, many - 2, 2, 26, "lent pages of a file");
	/* Two processes write and flush the same pages; each has a word of its own. */
	pid = start_child();
	for (u32 round = 0; round < 12; round++) {
		u32 word = pid == 0 ? 1 : 2;
		for (u32 page = 0; page < whole; page += 3)
			((u32 *)at(shared, page))[word] = round;
		expect(msync(shared, whole * PAGE_BYTES, round % 3 == 0 ? MS_ASYNC : MS_SYNC), 0,
		       "msync of two processes");
		if (round % 4 == 1)
			expect(madvise(shared, whole * PAGE_BYTES, MADV_FREE), 0, "FREE of a file");
		for (u32 page = 0; page < whole; page += 3)
			require(((u32 *)at(shared, page))[word] == round, "what one of two wrote");
	}
	if (pid == 0)
		_exit(0);
	join(pid, "a child that writes the same file");
	expect(fsync(fd), 0, "fsync");
	unmap(own, whole + 2);
	unmap(shared, whole + 2);
	close(fd);
}

/* Until the errors of earlier writes are all told. */
static u32 flush(int fd)
{
	u32 errors = 0;

	for (u32 i = 0; i < 4; i++)
		if (fsync(fd) == -1) {
			require(errno == EIO, "fsync");
			errors++;
		}
	return errors;
}

static void stop_faulty(const char *name)
{
	int fd = open_file(name);
	u32 lost = 0;

	u32 *shared = map(pages, MAP_SHARED, fd);
	for (u32 page = 0; page < pages; page++) {
		ssize_t n = pread(fd, buffer, 2 * PAGE_BYTES, page * PAGE_BYTES);
		if (n == -1) {
			require(errno == EIO && !readable(at(shared, page)), "pread on a bad disk");
			lost++;
		} else {
			require(n == (ssize_t)PAGE_BYTES || n == 2 * (ssize_t)PAGE_BYTES, "pread: how much");
			require(readable(at(shared, page)), "what can be read and not mapped");
		}
	}
	require(madvise(shared, pages * PAGE_BYTES, MADV_WILLNEED) == 0, "WILLNEED on a bad disk");
	/* Two processes wait for the same page, which never comes. */
	expect(madvise(shared, pages * PAGE_BYTES, MADV_FREE), 0, "FREE of a file");
	pid_t pid = start_child();
	for (u32 page = 0; page < pages; page++)
		if (pread(fd, buffer, PAGE_BYTES, page * PAGE_BYTES) == -1)
			require(errno == EIO, "pread by two processes");
	if (pid == 0)
		_exit(0);
	join(pid, "a child that reads what is bad");
	/* What can be written in memory stays there, whatever the disk says. */
	for (u32 round = 30; round < 36; round++) {
		for (u32 page = 0; page < pages; page++)
			if (writable(at(shared, page)))
				fill(shared, page, 1, round);
		if (round % 2 == 0)
			require(msync(shared, pages * PAGE_BYTES, MS_ASYNC) == 0 || errno == EIO, "MS_ASYNC");
		else
			require(msync(shared, pages * PAGE_BYTES, MS_SYNC) == 0 || errno == EIO, "MS_SYNC");
		/* Again and again, so that the page daemon gives up. */
		for (u32 i = 0; i < 12; i++) {
			fill(shared, pages / 2, 1, round);
			require(madvise(shared, pages * PAGE_BYTES, i % 2 ? MADV_PAGEOUT : MADV_FREE) == 0,
				"PAGEOUT and FREE on a bad disk");
			pause_ms(2);
		}
		press();
		for (u32 page = 0; page < pages; page++)
			if (readable(at(shared, page)))
				verify(shared, page, 1, round, "a page of a bad disk");
		lost += flush(fd);
	}
	require(lost > 0, "the disk did not fail");
	/* The page daemon leaves a file alone that cannot be written at all. */
	u32 bad = 0;
	while (bad < pages) {
		if (writable(at(shared, bad)) && msync(at(shared, bad), PAGE_BYTES, MS_SYNC) == -1)
			break;
		bad++;
	}
	if (bad < pages) {
		fill(shared, bad, 1, 37);
		for (u32 i = 0; i < 24; i++) {
			expect(madvise(at(shared, bad), PAGE_BYTES, MADV_PAGEOUT), 0, "PAGEOUT");
			pause_ms(2);
		}
		press();
		press();
		verify(shared, bad, 1, 37, "a page that cannot be written");
		flush(fd);
	}
	unmap(shared, pages);
	close(fd);
}

static void stop_lost(const char *argument)
{
	int fd = open_new(pages);
	u32 *shared = map(pages, MAP_SHARED, fd);
	u32 *own = map(pages, PRIVATE, -1);
	int segment = shmget(IPC_PRIVATE, pages * PAGE_BYTES, IPC_CREAT | 0600);
	u32 *locked = shmat(segment, NULL, 0);
	u32 lost = 0;

	(void)argument;
	require(locked != (void *)-1, "shmat");
	for (u32 round = 0; round < 4; round++) {
		fill(own, 0, pages, 40);
		for (u32 page = 0; page < pages; page++) {
			if (writable(at(shared, page)))
				fill(shared, page, 1, 41);
			if (writable(at(locked, page)))
				fill(locked, page, 1, 42);
		}
		press();
		expect(madvise(shared, pages * PAGE_BYTES, MADV_PAGEOUT), 0, "PAGEOUT");
		expect(madvise(locked, pages * PAGE_BYTES, MADV_PAGEOUT), 0, "PAGEOUT");
		press();
		for (u32 page = 0; page + 1 < pages; page++) {
			ssize_t n = pread(fd, buffer, 2 * PAGE_BYTES, page * PAGE_BYTES);
			require(n == -1 ? errno == EIO : n % (ssize_t)PAGE_BYTES == 0, "pread of lost pages");
			if (n == -1)
				lost++;
			else
				require(holds(buffer, page, 41), "pread: what is not lost");
			if (n == -1) {
				require(pwrite(fd, "x", 1, page * PAGE_BYTES) == -1, "pwrite to a lost page");
				require(punch(fd, page * PAGE_BYTES, 10) == -1 && errno == EIO,
					"a hole in a lost page");
			}
			if (readable(at(own, page)))
				verify(own, page, 1, 40, "memory that is not lost");
			else
				lost++;
		}
		if (shmctl(segment, SHM_LOCK, NULL) == -1) {
			require(errno == EIO || errno == ENOMEM, "SHM_LOCK of lost pages");
		} else {
			verify(locked, 0, pages, 42, "a segment of which nothing is lost");
			expect(shmctl(segment, SHM_UNLOCK, NULL), 0, "SHM_UNLOCK");
		}
		expect(madvise(own, pages * PAGE_BYTES, MADV_DONTNEED), 0, "DONTNEED of lost pages");
		expect(punch(fd, 0, pages * PAGE_BYTES), 0, "a hole where pages are lost");
		zeros(shared, 0, pages * PAGE_BYTES, "a hole where pages were lost");
		expect(madvise(locked, pages * PAGE_BYTES, MADV_REMOVE), 0, "REMOVE of lost pages");
	}
	printf("lost: %u\n", lost);
	expect(shmctl(segment, IPC_RMID, NULL), 0, "IPC_RMID");
	expect(shmdt(locked), 0, "shmdt");
	unmap(own, pages);
	unmap(shared, pages);
	close(fd);
	unlink(path);
}

static void stop_device(const char *argument)
{
	enum { SCREEN = 64 };
	struct part local = {buffer, PAGE_BYTES};
	struct part remote;
	int fd = open_file("/dev/fb0");

	(void)argument;
	/* From page 2 on, and far beyond the end. */
	u32 *part = map_file(SCREEN, RW, MAP_SHARED, fd, 2);
	u32 *view = map_file(SCREEN, PROT_READ, MAP_SHARED, fd, 0);
	fill(part, 0, 8, 50);
	require(pread(fd, buffer, PAGE_BYTES, 3 * PAGE_BYTES) == (ssize_t)PAGE_BYTES &&
			holds(buffer, 1, 50),
		"pread of the frame buffer");
	require(holds(at(view, 2), 0, 50), "a second mapping of the frame buffer");
	require(!writable(view), "a mapping for reading");
	expect(mprotect(view, 4 * PAGE_BYTES, RW), 0, "mprotect of a device");
	view[0] = 51;
	view[PAGE_WORDS] = 52;
	expect(mprotect(view, SCREEN * PAGE_BYTES, PROT_READ), 0, "mprotect of a device");
	require(!writable(view) && view[0] == 51, "mprotect of a device");
	expect(mprotect(view, SCREEN * PAGE_BYTES, PROT_NONE), 0, "mprotect of a device");
	require(!readable(view), "a device without access");
	expect(mprotect(view, SCREEN * PAGE_BYTES, RW), 0, "mprotect of a device");
	require(view[0] == 51, "a device with access");
	expect(msync(part, SCREEN * PAGE_BYTES, MS_SYNC), 0, "msync of a device");
	expect(madvise(part, SCREEN * PAGE_BYTES, MADV_COLD), 0, "COLD of a device");
	expect(madvise(part, SCREEN * PAGE_BYTES, MADV_PAGEOUT), 0, "PAGEOUT of a device");
	expect(madvise(part, SCREEN * PAGE_BYTES, MADV_WILLNEED), 0, "WILLNEED of a device");
	expect(madvise(part, PAGE_BYTES, MADV_DONTNEED), 0, "DONTNEED of a device");
	require(holds(part, 0, 50), "a device that is not needed");
	require(madvise(part, PAGE_BYTES, MADV_REMOVE) == -1, "REMOVE of a device");
	pid_t pid = start_child();
	if (pid == 0) {
		require(holds(at(part, 7), 7, 50), "a device in a child");
		fill(part, 7, 1, 51);
		_exit(0);
	}
	join(pid, "a child with a device");
	require(holds(at(part, 7), 7, 51), "what a child wrote to a device");
	fill(part, 7, 1, 50);
	/* Locked from the first access on. */
	expect(mlock(part, 8 * PAGE_BYTES), 0, "mlock of a device");
	press();
	require(holds(at(part, 6), 6, 50), "a locked device");
	expect(munlock(part, 8 * PAGE_BYTES), 0, "munlock of a device");
	/* Through a pipe, and for a debugger. */
	int end;
	pid = lend(part, 8, &end);
	receive(pid, end, 0, 8, 50, 50);
	remote.base = at(part, 1);
	remote.size = PAGE_BYTES;
	require(kernel_call(SYS_process_vm_readv, getpid(), (long)&local, 1, (long)&remote, 1, 0) ==
			-EFAULT,
		"process_vm_readv of a device");
	void *moved = mremap(at(part, 4), 4 * PAGE_BYTES, 8 * PAGE_BYTES, MREMAP_MAYMOVE, NULL);
	require(moved != MAP_FAILED && holds(at(moved, 1), 5, 50), "mremap of a device");
	unmap(moved, 8);
	unmap(part, 4);
	/* Beyond the end there is nothing, nor anything to execute. */
	struct stat status;
	require(fstat(fd, &status) == 0, "fstat");
	u32 last = 0;
	while (pread(fd, buffer, 1, (off_t)last * PAGE_BYTES) == 1)
		last++;
	void *edge = map_file(8, RW, MAP_SHARED, fd, last - 4);
	require(readable(at(edge, 3)) && !readable(at(edge, 4)), "the end of a device");
	unmap(edge, 8);
	void *code = map_file(1, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	require(!readable(code), "code in a device");
	unmap(code, 1);
	require(mmap(NULL, PAGE_BYTES, RW, MAP_PRIVATE, fd, 0) == MAP_FAILED && errno == EINVAL,
		"a private mapping of a device");
	unmap(view, SCREEN);
	/* Many page tables, for which there may be no memory: then it waits. */
	u32 *tables[24];
	for (u32 i = 0; i < 24; i++) {
		tables[i] = mmap((void *)(0x20000000 + i * 0x400000), PAGE_BYTES, RW, MAP_SHARED, fd, 0);
		require(tables[i] != MAP_FAILED, "mmap");
		require(writable(tables[i]), "a page table for a device");
	}
	for (u32 i = 0; i < 24; i++)
		unmap(tables[i], 1);
	close(fd);
	int null = open("/dev/null", O_RDWR);
	require(mmap(NULL, PAGE_BYTES, RW, MAP_SHARED, null, 0) == MAP_FAILED && errno == ENODEV,
		"a mapping of /dev/null");
	close(null);
}

/* The rest of the file is cut off while a disk is written to its pages. */
static void cut_meanwhile(int disk)
{
	int fd = open_new(5);
	u32 *shared = map_file(5, RW, MAP_SHARED, fd, 0);
	fill(shared, 0, 5, 59);
	pid_t pid = start_child();
	if (pid == 0)
		_exit(ftruncate(fd, PAGE_BYTES));
	ssize_t n;
	do
		n = pread(disk, shared, 5 * PAGE_BYTES, 0);
	while (n == -1 && errno == ENOMEM);
	require(n == 5 * (ssize_t)PAGE_BYTES || (n == -1 && errno == EFAULT), "pread while a file is cut");
	join(pid, "a file is cut");
	require(n == -1 || holds(shared, 0, 63), "pread while a file was cut");
	unmap(shared, 5);
	close(fd);
}

/* A transfer straight to memory that is locked, absent, in a device, or just short of the limit. */
static void odd_memory(int disk, u32 *own)
{
	require(pread(disk, (void *)0x70000000, PAGE_BYTES, 0) == -1 && errno == EFAULT,
		"pread to a hole");
	if (mlock(own, 2 * PAGE_BYTES) == 0) {
		require(pread(disk, own, 3 * PAGE_BYTES, 0) == 3 * (ssize_t)PAGE_BYTES &&
				holds(at(own, 2), 2, 63),
			"pread to locked memory");
		expect(munlock(own, 2 * PAGE_BYTES), 0, "munlock");
	}
	u32 locked = 0;
	while (locked + 16 < pages && mlock(at(own, locked), PAGE_BYTES) == 0)
		locked++;
	require(pread(disk, at(own, locked), 16 * PAGE_BYTES, 0) == 16 * (ssize_t)PAGE_BYTES &&
			holds(at(own, locked + 15), 0, 63),
		"pread where much is locked");
	expect(munlock(own, locked * PAGE_BYTES), 0, "munlock");
	int fb = open("/dev/fb0", O_RDWR);
	if (fb >= 0) {
		u32 *screen = map_file(5, RW, MAP_SHARED, fb, 0);
		require(pread(disk, screen, 5 * PAGE_BYTES, 0) == 5 * (ssize_t)PAGE_BYTES &&
				holds(at(screen, 4), 4, 63),
			"pread to a device");
		unmap(screen, 5);
		close(fb);
	}
}

/* What the kernel has mapped for itself, and nothing else. */
static void kernel_memory(void)
{
	u32 there = 0;
	int fd = open("/dev/kmem", O_RDONLY);

	for (u32 page = 0; page < 2048; page++) {
		long from = (long)(0xc0000000 + page * PAGE_BYTES);
		if (kernel_call(SYS_pread64, fd, (long)buffer, PAGE_BYTES, from, 0, 0) > 0)
			there++;
	}
	require(there > 0 && there < 2048, "memory of the kernel");
	require(pread(fd, buffer, 1, 0x10000) == -1 && errno == EFAULT, "user memory in /dev/kmem");
	require(open("/dev/kmem", O_RDWR) == -1 && errno == EPERM, "/dev/kmem for writing");
	close(fd);
}

static void stop_raw(const char *name)
{
	u32 *own = map(pages, PRIVATE, -1);
	int fd = open_file(name);

	for (u32 round = 60; round < 64; round++) {
		fill(own, 0, 5, round);
		for (u32 part = 0; part < 8; part++) {
			ssize_t n;
			do
				n = pwrite(fd, own, 5 * PAGE_BYTES, part * 5 * PAGE_BYTES);
			while (n == -1 && errno == ENOMEM);
			require(n == 5 * (ssize_t)PAGE_BYTES, "pwrite of a disk");
			if (part == 3)
				press();
		}
		for (u32 part = 8; part-- > 0;) {
			ssize_t n;
			memset(own, 0, 5 * PAGE_BYTES);
			do
				n = pread(fd, own, 5 * PAGE_BYTES, part * 5 * PAGE_BYTES);
			while (n == -1 && errno == ENOMEM);
			require(n == 5 * (ssize_t)PAGE_BYTES, "pread of a disk");
			verify(own, 0, 5, round, "pread of a disk");
		}
	}
	require(pread(fd, own, 100, 0) == -1 && errno == EINVAL, "pread of a part of a sector");
	off_t size = lseek(fd, 0, SEEK_END);
	require(size > 0 && pread(fd, own, PAGE_BYTES, size) == 0, "pread behind a disk");
	require(pread(fd, own, PAGE_BYTES, size - 512) == 512, "pread at the end of a disk");
	require(pwrite(fd, own, PAGE_BYTES, size) == -1, "pwrite behind a disk");
	cut_meanwhile(fd);
	odd_memory(fd, own);
	kernel_memory();
	unmap(own, pages);
	close(fd);
}

/* Pages in use of a swap device, or -1. */
static int in_use(const char *name)
{
	size_t size;
	int found = -1;
	struct swap_entry *entries = uvmctl_table(UVMCTL_SWAP, &size);

	require(entries != NULL, "the table of swap devices");
	for (size_t i = 0; i < size / sizeof(struct swap_entry); i++)
		if (strcmp(entries[i].path, name) == 0)
			found = (int)entries[i].inuse;
	free(entries);
	return found;
}

static u32 *anons[2];
static u32 *object;
static int object_fd;

static void swap_begin(void)
{
	object_fd = open_new(pages);
	object = map(pages, MAP_SHARED, object_fd);
	for (u32 i = 0; i < 2; i++) {
		anons[i] = map(pages, PRIVATE, -1);
		fill(anons[i], 0, pages, 70 + i);
	}
	fill(object, 0, pages, 72);
	press();
}

static void swap_verify(const char *what)
{
	for (u32 i = 0; i < 2; i++)
		if (anons[i] != NULL)
			verify(anons[i], 0, pages, 70 + i, what);
	verify(object, 0, pages, 72, what);
}

static void swap_end(void)
{
	for (u32 i = 0; i < 2; i++)
		if (anons[i] != NULL)
			unmap(anons[i], pages);
	unmap(object, pages);
	close(object_fd);
	unlink(path);
	relax();
}

static void swap_errors(const char *one, const char *small)
{
	expect(swapon(one, 1 << 20), EINVAL, "swapon: unknown flag");
	expect(swapon("/nowhere", 0), ENOENT, "swapon of nothing");
	expect(swapon("/dev/null", 0), EINVAL, "swapon of a device that is no disk");
	expect(swapon(path, 0), ENOENT, "swapon of no file");
	expect(swapon(small, 0), EINVAL, "swapon of a small disk");
	expect(swapoff("/nowhere"), ENOENT, "swapoff of nothing");
	require(swapoff(one) == -1, "swapoff of a disk that is not in use");
	int fd = open_new(4);
	expect(swapon(path, 0), EINVAL, "swapon of a file in memory");
	require(swapoff(path) == -1, "swapoff of a file that is not in use");
	close(fd);
}

/* swapoff may come while a write is under way. */
static int off(const char *name)
{
	for (u32 i = 0;; i++) {
		if (swapoff(name) == 0)
			return 0;
		if (errno != EBUSY || i == 100)
			return errno;
		pause_ms(5);
	}
}

static void stop_swap(const char *first)
{
	enum { PREFER = 0x8000 };
	char names[3][32];

	for (u32 i = 0; i < 3; i++) {
		strcpy(names[i], first);
		names[i][strlen(first) - 1] = (char)(first[strlen(first) - 1] + (char)i);
	}
	const char *one = names[0];
	const char *two = names[1];
	swap_errors(one, names[2]);
	/* Two of one priority are used in turn, and before the one of the system. */
	expect(swapon(one, PREFER | 5), 0, "swapon");
	expect(swapon(one, 0), EBUSY, "swapon twice");
	expect(swapon(two, PREFER | 5), 0, "swapon");
	swap_begin();
	require(in_use(one) > 0 && in_use(two) > 0, "two disks of one priority are not used in turn");
	swap_verify("two disks");
	/* More than memory and the rest of swap can hold? Then it is refused, and nothing is lost. */
	for (u32 round = 0; round < 3; round++) {
		int error = off(one);
		require(error == 0 || error == ENOMEM, "swapoff");
		swap_verify("swapoff");
		printf("swapoff: %s\n", error == 0 ? "done" : "refused");
		if (error == 0) {
			require(in_use(one) == -1, "swapoff and the table disagree");
			expect(swapon(one, round == 1 ? 0 : PREFER | 7), 0, "swapon again");
		}
		if (round == 0)
			relax();
		if (round == 1) {
			unmap(anons[0], pages);
			anons[0] = NULL;
		}
		swap_verify("swapoff and swapon");
	}
	/* Two at once, by two processes, in which memory is shared after a fork. */
	pid_t pid = start_child();
	if (pid == 0) {
		int error = swapoff(two) == 0 ? 0 : errno;
		require(error == 0 || error == EBUSY || error == ENOMEM || error == ENXIO ||
				error == EINVAL,
			"swapoff in a child");
		swap_verify("swapoff in a child");
		_exit(0);
	}
	sched_yield();
	int error = swapoff(one) == 0 ? 0 : errno;
	require(error == 0 || error == EBUSY || error == ENOMEM, "swapoff");
	swap_verify("two times swapoff");
	join(pid, "swapoff in a child");
	/* The hole in the drum is used again. */
	if (in_use(one) >= 0)
		expect(off(one), 0, "swapoff");
	if (in_use(two) < 0)
		expect(swapon(two, PREFER | 1), 0, "swapon");
	expect(swapon(one, PREFER | 9), 0, "swapon of what was there before");
	press();
	swap_verify("swapon again");
	if (anons[0] != NULL) {
		unmap(anons[0], pages);
		anons[0] = NULL;
	}
	relax();
	expect(off(two), 0, "swapoff");
	expect(off(one), 0, "swapoff");
	swap_verify("without the disks");
	swap_end();
}

static void stop_swapfile(const char *name)
{
	int fd = open_file(name);
	void *mapped = map(1, MAP_SHARED, fd);

	expect(swapon(name, 0), EBUSY, "swapon of a file that is mapped");
	unmap(mapped, 1);
	require(pwrite(fd, "dirty", 5, 0) == 5, "pwrite");
	expect(swapon(name, 0x8000 | 3), 0, "swapon of a file");
	expect(swapon(name, 0), EBUSY, "swapon of a file, twice");
	require(pwrite(fd, "x", 1, 0) == -1 && errno == ETXTBSY, "pwrite to a swap file");
	require(mmap(NULL, PAGE_BYTES, RW, MAP_SHARED, fd, 0) == MAP_FAILED && errno == ETXTBSY,
		"mmap of a swap file");
	expect(ftruncate(fd, 0), ETXTBSY, "ftruncate of a swap file");
	swap_begin();
	require(in_use(name) > 0, "a swap file is not used");
	swap_verify("a swap file");
	require(pread(fd, buffer, PAGE_BYTES, 0) == (ssize_t)PAGE_BYTES, "pread of a swap file");
	relax();
	unmap(anons[0], pages);
	anons[0] = NULL;
	expect(off(name), 0, "swapoff of a file");
	swap_verify("swapoff of a file");
	require(pwrite(fd, "x", 1, 0) == 1, "pwrite to a file that was a swap file");
	swap_end();
	close(fd);
}

static int tune(const char *text)
{
	return uvmctl(UVMCTL_SETVM, (void *)(uintptr_t)text, strlen(text));
}

static void stop_vm(const char *argument)
{
	static const char *const rounds_of[][2] = {
		{"vm.anonmax=10", "vm.anonmax=80"}, {"vm.filemax=5", "vm.filemax=50"},
		{"vm.execmax=0", "vm.execmax=30"},  {"vm.anonmin=80", "vm.anonmin=10"},
		{"vm.filemin=80", "vm.filemin=10"}, {"vm.execmin=75", "vm.execmin=5"},
		{"vm.anonmax=0", "vm.anonmax=80"},
	};
	int fd = open_file(argument);
	u32 *own = map(pages, PRIVATE, -1);
	u32 *file = map(pages, MAP_SHARED, fd);
	u64 counters[UVM_COUNTERS];

	fill(own, 0, pages, 80);
	fill(file, 0, pages, 81);
	expect(tune("vm.none=1"), EINVAL, "a tunable that is none");
	expect(tune("vm.anonmin=101"), EINVAL, "more than all");
	expect(tune("vm.anonmin=90"), EINVAL, "minima of more than 95 percent together");
	expect(tune("vm.anonmin"), EINVAL, "a tunable without a value");
	for (u32 i = 0; i < sizeof(rounds_of) / sizeof(rounds_of[0]); i++) {
		expect(tune(rounds_of[i][0]), 0, rounds_of[i][0]);
		require(uvmctl_counters(counters), "counters");
		press();
		verify(own, 0, pages, 80, "memory");
		verify(file, 0, pages, 81, "a file");
		press();
		expect(tune(rounds_of[i][1]), 0, rounds_of[i][1]);
	}
	unmap(own, pages);
	unmap(file, pages);
	close(fd);
}

/* Memory until there is none: process_vm_writev says so, where a store would end the program. */
static u32 *use_up(void)
{
	u32 *start = map(MOST, PRIVATE, -1);
	struct part local = {buffer, 4};

	for (u32 page = 0;; page++) {
		struct part remote = {at(start, page), 4};
		require(page < MOST, "full: there is no end of memory");
		if (kernel_call(SYS_process_vm_writev, getpid(), (long)&local, 1, (long)&remote, 1, 0) != 4)
			return start;
	}
}

static void stop_full(const char *argument)
{
	enum { LENT = LARGE + 16 };
	int fd = open_new(LENT);
	u32 *shared = map(LENT, MAP_SHARED, fd);
	int segment = shmget(IPC_PRIVATE, LENT * PAGE_BYTES, IPC_CREAT | 0600);
	u32 *locked = shmat(segment, NULL, 0);
	int ends[2];

	(void)argument;
	require(locked != (void *)-1, "shmat");
	fill(shared, 0, LENT, 90);
	fill(locked, 0, LENT, 91);
	pid_t first = lend(at(shared, 1), LENT - 1, &ends[0]);
	pid_t second = lend(at(locked, 1), LENT - 1, &ends[1]);
	/* What is written below must not have to be copied first. */
	memset(buffer, 0, sizeof(buffer));
	errno = 0;
	u32 *all = use_up();
	/* Nothing can become free, so a copy of a lent page cannot be made. */
	require(pwrite(fd, buffer, PAGE_BYTES, (LENT - 2) * PAGE_BYTES) == -1 && errno == ENOSPC,
		"pwrite to a lent page without memory");
	/* A write that ends at the first page that is lent. */
	u32 shorter = 0;
	for (u32 page = 0; page + 1 < LENT; page++) {
		for (u32 i = 0; i < 2 * PAGE_WORDS; i++)
			buffer[i] = nth(stream(7, 90), page * PAGE_WORDS + i);
		ssize_t n = pwrite(fd, buffer, 2 * PAGE_BYTES, page * PAGE_BYTES);
		require(n != -1 || errno == ENOSPC, "pwrite without memory");
		if (n == (ssize_t)PAGE_BYTES)
			shorter++;
	}
	require(shorter == 1, "a write that is cut short");
	expect(shmctl(segment, SHM_LOCK, NULL), ENOMEM, "SHM_LOCK without memory");
	require(holds(page_of(fd, LENT - 2), LENT - 2, 90), "what could not be written");
	unmap(all, MOST);
	receive(first, ends[0], 1, LENT - 1, 90, 90);
	receive(second, ends[1], 1, LENT - 1, 91, 91);
	verify(locked, 0, LENT, 91, "a segment that was lent");
	expect(shmctl(segment, SHM_LOCK, NULL), 0, "SHM_LOCK with memory");
	expect(shmctl(segment, IPC_RMID, NULL), 0, "IPC_RMID");
	expect(shmdt(locked), 0, "shmdt");
	unmap(shared, LENT);
	close(fd);
	unlink(path);
}

#endif

static const struct stop {
	const char *name;
	void (*tour)(const char *argument);
} stops[] = {
	{"tmp", stop_tmp},
	{"shm", stop_shm},
	{"spaces", stop_spaces},
#ifndef RT_NATIVE
	{"disk", stop_disk},
	{"faulty", stop_faulty},
	{"lost", stop_lost},
	{"device", stop_device},
	{"raw", stop_raw},
	{"swap", stop_swap},
	{"swapfile", stop_swapfile},
	{"vm", stop_vm},
	{"full", stop_full},
#endif
};

static bool make_stop(const char *name)
{
	for (u32 i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
		size_t length = strlen(stops[i].name);
		if (strncmp(stops[i].name, name, length) != 0)
			continue;
		if (name[length] != '\0' && name[length] != '=')
			continue;
		stops[i].tour(name[length] == '=' ? name + length + 1 : "");
		relax();
		printf("%s: done\n", stops[i].name);
		fflush(stdout);
		return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	u32 kib = 0;

	if (argc < 3 || !argument(argc, argv, 1, 64, 65536, &kib))
		return usage("filetour KiB stop[=argument]...");
	pages = kib * 1024 / PAGE_BYTES;
	require(pipe(probe_ends) == 0, "pipe");
	printf("filetour: %u pages\n", pages);
	fflush(stdout);
	for (int i = 2; i < argc; i++)
		if (!make_stop(argv[i]))
			return usage("filetour KiB stop[=argument]...");
	return 0;
}
