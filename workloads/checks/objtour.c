/*
 * objtour [KiB=512] [rounds=2] [lost|short]: shared objects that change while their pages are on the way.
 *
 * KiB is 256..16384. Word i of an object in generation g is nth(stream(0, g), i)   (rt/random.h,
 * modulo 2^32).
 *
 *   exit      a process ends while its own pages are being written
 *   grow      a file in /tmp whose pages are in swap becomes longer, much longer, shorter
 *   unmap     the last mapping of an object goes while its pages are being written
 *   remove    so do some pages of a file, and of a file that another process has locked or lent
 *   window    a swap disk is taken out while an object is freed, written, locked, cut
 *   share     many processes write, remove and lock pages while swap disks are taken out
 *   lost      where a disk cannot be read: readers get SIGBUS together, and nothing else is lost
 *
 * "lost": reads of swap may fail, and that is the tour. "short": calls may fail for lack of memory
 * and are made again.
 *
 * Output:
 *   exit: done                             and so for each
 */
#include "../rt/program.h"
#include "../rt/random.h"
#include "../rt/unix.h"
#include "../rt/uvmctl.h"

enum { RW = PROT_READ | PROT_WRITE, PRIVATE = MAP_PRIVATE | MAP_ANONYMOUS };
enum { WORKERS = 4, LOST = 3, NO_DEVICE = 6 };

static const char *const path = "/tmp/objtour";
static u32 pages;
static bool may_lose;
static bool may_fail;
static volatile u32 *stop; /* tells the workers to end */

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	if (stop != NULL)
		*stop = 1;
	fail("objtour: %s (error %d)", what, errno);
}

/* Makes a call until it succeeds; at once, unless memory is short. */
#define must(call)                                                             \
	for (u32 tries = 0; !(call); tries++)                                  \
	require(may_fail && tries < 1000, #call)

static void *at(void *start, u32 page)
{
	return (char *)start + page * PAGE_BYTES;
}

static void *map(u32 count, int flags, int fd)
{
	void *start;

	must((start = mmap(NULL, count * PAGE_BYTES, RW, flags, fd, 0)) != MAP_FAILED);
	return start;
}

/* An object of its own, which goes with its last mapping. */
static void *object(u32 count)
{
	int id;
	void *start;

	must((id = shmget(IPC_PRIVATE, count * PAGE_BYTES, IPC_CREAT | 0600)) != -1);
	must((start = shmat(id, NULL, 0)) != MAP_FAILED);
	must(shmctl(id, IPC_RMID, NULL) == 0);
	return start;
}

static void drop(void *start)
{
	must(shmdt(start) == 0);
}

static void unmap(void *start, u32 count)
{
	must(munmap(start, count * PAGE_BYTES) == 0);
}

static void advise(void *start, u32 count, int advice)
{
	must(madvise(start, count * PAGE_BYTES, advice) == 0);
}

static void fill(void *start, u32 from, u32 count, u32 generation)
{
	u32 *words = start;

	for (u32 i = from * PAGE_WORDS; i < (from + count) * PAGE_WORDS; i++)
		words[i] = nth(stream(0, generation), i);
}

static void verify(void *start, u32 from, u32 count, u32 generation, const char *what)
{
	const volatile u32 *words = start;

	for (u32 i = from * PAGE_WORDS; i < (from + count) * PAGE_WORDS; i++)
		if (words[i] != nth(stream(0, generation), i))
			fail("objtour: %s: page %u has other contents", what, i / PAGE_WORDS);
}

static void verify_zero(void *start, u32 from, u32 count, const char *what)
{
	const volatile u32 *words = start;

	for (u32 i = from * PAGE_WORDS; i < (from + count) * PAGE_WORDS; i++)
		if (words[i] != 0)
			fail("objtour: %s: page %u is not zero", what, i / PAGE_WORDS);
}

static void nap(u32 microseconds)
{
	struct timespec pause = {0, (long)microseconds * 1000};

	nanosleep(&pause, NULL);
}

static pid_t start_child(void)
{
	pid_t pid;

	fflush(stdout);
	must((pid = fork()) != -1);
	return pid;
}

static void wait_for(pid_t pid)
{
	int status;

	require(waitpid(pid, &status, 0) == pid, "waitpid");
	if (status != 0 && !(may_lose && WIFEXITED(status) && WEXITSTATUS(status) == LOST))
		fail("objtour: a child ended with %x", status);
}

static int open_file(u32 count)
{
	int fd;

	must((fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600)) != -1);
	must(ftruncate(fd, count * PAGE_BYTES) == 0);
	return fd;
}

/* Pages out in another process, which waits for the disk while this one goes on. */
static pid_t page_out(void *start, u32 from, u32 count)
{
	pid_t pid = start_child();

	if (pid == 0) {
		advise(at(start, from), count, MADV_PAGEOUT);
		_exit(0);
	}
	nap(50);
	return pid;
}

/* ---- the tour ---- */

static void tour_grow(void)
{
	static const u32 sizes[] = {40, 30, 60, 200, 900, 100, 120};
	u32 filled = 32;
	int fd = open_file(filled);
	u32 *words = map(1000, MAP_SHARED, fd);

	fill(words, 0, filled, 1);
	for (u32 i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		advise(words, filled, MADV_PAGEOUT);
		must(ftruncate(fd, sizes[i] * PAGE_BYTES) == 0);
		if (sizes[i] < filled)
			filled = sizes[i];
		verify(words, 0, filled, 1, "grow");
		verify_zero(words, filled, sizes[i] - filled, "grow: the new part");
		u32 more = sizes[i] < filled + 40 ? sizes[i] - filled : 40;
		fill(words, filled, more, 1);
		filled += more;
	}
	unmap(words, 1000);
	close(fd);
}

static void tour_unmap(void)
{
	for (u32 delay = 0; delay < 5; delay++) {
		u32 *words = object(pages);
		fill(words, 0, pages, 2);
		advise(words, pages, MADV_PAGEOUT);
		nap(delay * 100);
		drop(words);
	}
}

static void tour_remove(void)
{
	int fd = open_file(pages);
	u32 *words = map(pages, MAP_SHARED, fd);

	for (u32 round = 0; round < 3; round++) {
		fill(words, 0, pages, 3);
		pid_t pid = page_out(words, 4, 32);
		advise(at(words, 8), 2, MADV_REMOVE);
		wait_for(pid);
		verify(words, 0, 8, 3, "in front of what was removed");
		verify_zero(words, 8, 2, "removed");
		verify(words, 10, pages - 10, 3, "behind what was removed");
	}
	/* Others have locked a page, and lent some to a pipe that nobody reads. */
	int ends[2];
	must(pipe(ends) == 0);
	fill(words, 0, pages, 4);
	pid_t owner = start_child();
	if (owner == 0) {
		must(mlock(words, 2 * PAGE_BYTES) == 0);
		_exit(write(ends[1], at(words, 8), 24 * PAGE_BYTES) < 0);
	}
	nap(2000);
	advise(words, 16, MADV_PAGEOUT);
	advise(words, pages, MADV_REMOVE);
	verify_zero(words, 0, pages, "removed while it is locked, or lent");
	kill(owner, SIGKILL);
	require(waitpid(owner, NULL, 0) == owner, "waitpid");
	close(ends[0]);
	close(ends[1]);
	unmap(words, pages);
	close(fd);
}

static void tour_exit(void)
{
	for (u32 round = 0; round < 6; round++) {
		pid_t pid = start_child();
		if (pid == 0) {
			u32 *words = map(pages / 2, PRIVATE, -1);
			fill(words, 0, pages / 2, 5);
			advise(words, pages / 2, MADV_PAGEOUT);
			_exit(0);
		}
		wait_for(pid);
	}
}

static void take_out(const char *device)
{
	if (swapoff(device) == 0) {
		nap(3000);
		must(swapon(device, 0) == 0);
	} else {
		/* There may be no such disk, or slots that are just being written or freed. */
		require(errno == ENOMEM || errno == EBUSY || errno == NO_DEVICE, "swapoff");
	}
}

/* What this process does while another takes the swap disk out, on a disk that takes its time. */
static void tour_window(void)
{
	enum { UNMAP, WRITE, LOCK, CUT, WINDOWS = CUT + 4 };
	static const u32 delays[WINDOWS] = {100, 100, 100, 500, 1000, 3000, 9000};
	u32 count = pages / 2;
	char byte = 0;
	int ends[2];

	for (u32 window = 0; window < WINDOWS; window++) {
		must(pipe(ends) == 0);
		pid_t pid = start_child();
		if (pid == 0) {
			require(read(ends[0], &byte, 1) == 1, "read from a pipe");
			nap(window < CUT ? delays[window] : 0);
			take_out("/dev/ld0");
			_exit(0);
		}
		int fd = open_file(count);
		u32 *words = window >= CUT ? map(count, MAP_SHARED, fd) : object(count);
		fill(words, 0, count, 8);
		advise(words, count, MADV_PAGEOUT);
		if (window != UNMAP)
			nap(200000);
		require(write(ends[1], &byte, 1) == 1, "write to a pipe");
		if (window == WRITE)
			words[0] = words[0];
		if (window == LOCK)
			must(mlock(words, 4 * PAGE_BYTES) == 0);
		if (window >= CUT) {
			nap(delays[window]);
			must(ftruncate(fd, 4 * PAGE_BYTES) == 0);
		}
		if (window != UNMAP)
			verify(words, 0, window >= CUT ? 4 : count, 8, "the window");
		if (window >= CUT)
			unmap(words, count);
		else
			drop(words);
		wait_for(pid);
		close(fd);
		close(ends[0]);
		close(ends[1]);
	}
}

static void worker(u32 *words, u32 number)
{
	u32 share = pages / WORKERS;
	u32 from = number * share;

	for (u32 round = 0; *stop == 0 || round < 2; round++) {
		fill(words, from, share, 6 + round);
		if (number == 0) {
			must(mlock(at(words, from), 4 * PAGE_BYTES) == 0);
			must(munlock(at(words, from), 4 * PAGE_BYTES) == 0);
		} else if (number == 1) {
			advise(at(words, from), share, MADV_PAGEOUT);
		} else if (number == 2) {
			advise(at(words, from), share / 2, MADV_REMOVE);
			verify_zero(words, from, share / 2, "removed by a worker");
			fill(words, from, share / 2, 6 + round);
		} else {
			u32 *own = object(share);
			fill(own, 0, share, 6);
			verify(own, 0, share, 6, "an object of a worker");
			drop(own);
		}
		verify(words, from, share, 6 + round, "what a worker wrote");
	}
}

static void tour_share(u32 rounds)
{
	u32 *words = object(pages);
	pid_t pids[WORKERS];

	stop = object(1);
	for (u32 i = 0; i < WORKERS; i++) {
		pids[i] = start_child();
		if (pids[i] == 0) {
			worker(words, i);
			_exit(0);
		}
	}
	/* A locked page that has not been written since it was read keeps its slot. */
	u32 *locked = object(8);
	fill(locked, 0, 8, 30);
	advise(locked, 8, MADV_PAGEOUT);
	must(mprotect(locked, 8 * PAGE_BYTES, PROT_READ) == 0);
	must(mlock(locked, 8 * PAGE_BYTES) == 0);
	for (u32 round = 0; round < rounds; round++) {
		nap(20000);
		take_out("/dev/ld0");
		nap(20000);
		take_out("/dev/ld1");
		verify(locked, 0, 8, 30, "locked memory");
	}
	*stop = 1;
	for (u32 i = 0; i < WORKERS; i++)
		wait_for(pids[i]);
	drop(locked);
	drop(words);
}

static void lost(int signal_number)
{
	(void)signal_number;
	_exit(LOST);
}

/* Two processes wait for each page; then others come for what was lost. */
static void tour_lost(void)
{
	u32 *words = object(pages);
	pid_t pids[4];

	fill(words, 0, pages, 7);
	advise(words, pages, MADV_PAGEOUT);
	for (u32 round = 0; round < 2; round++) {
		for (u32 i = 0; i < 4; i++) {
			pids[i] = start_child();
			if (pids[i] == 0) {
				verify(words, 0, pages, 7, "what was read");
				_exit(0);
			}
		}
		for (u32 i = 0; i < 4; i++)
			wait_for(pids[i]);
	}
	take_out("/dev/ld0");
	advise(words, pages, MADV_REMOVE);
	verify_zero(words, 0, pages, "what was lost and removed");
	drop(words);
}

int main(int argc, char **argv)
{
	u32 kib = 512;
	u32 rounds = 2;

	if (argc > 4 || !argument(argc, argv, 1, 256, 16384, &kib) ||
	    !argument(argc, argv, 2, 0, 100, &rounds) ||
	    (argc > 3 && strcmp(argv[3], "lost") != 0 && strcmp(argv[3], "short") != 0))
		return usage("objtour [KiB=512] [rounds=2] [lost|short]");
	pages = kib * 1024 / PAGE_BYTES;
	may_lose = argc > 3 && strcmp(argv[3], "lost") == 0;
	may_fail = argc > 3 && !may_lose;
	if (may_lose) {
		signal(SIGBUS, lost);
	} else {
		tour_exit();
		printf("exit: done\n");
		tour_grow();
		printf("grow: done\n");
		tour_unmap();
		printf("unmap: done\n");
		tour_remove();
		printf("remove: done\n");
		tour_window();
		printf("window: done\n");
		tour_share(rounds);
		printf("share: done\n");
	}
	tour_lost();
	printf("lost: done\n");
	unlink(path);
	return 0;
}
