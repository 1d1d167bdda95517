/*
 * fork [n=16] [pages] [rounds=3]: a tree of n processes that all write the same pages, each of
 * which must see its own writes and those of its ancestors from before its birth, and no others.
 *
 * n is 1..1000, pages 1..65536 (unless given 2048 / n, but 8 to 128), rounds 0..100.
 * Process 1 is the program; the children of process k are 2k and 2k + 1 as far as they are at most
 * n. Only 64 words of each page are used: its words 0, 16, 32, ...; w counts them through all pages from 0. Process k makes its write number r so:
 * it visits each page p for which nth(stream(2, k * 1000 + r), p) is odd (rt/random.h, modulo 2^32)
 * and there stores nth(stream(1, k * 1000 + r), w) in each word w.
 *
 * Before everything process 1 fills all pages as write 0 of a process 0. Process k then
 *   verifies what it was born with, makes its write 0, gives birth to its children,
 *   makes its writes 1..rounds, verifying all words after each, and ends with its children's end.
 * Its record is rt/random.h's checksum of the words that it sees in the end; the exit code is the
 * low 7 bits of that.
 *
 * Output:
 *   fork: 16 processes, 128 pages, 3 rounds
 *   tree: 16 processes verified their views
 *   vfork: exit code 42
 *   killed: signal 9
 *   checksum XXXXXXXX                     of the records of processes 1..n
 */
#include "rt/program.h"
#include "rt/random.h"
#include "rt/unix.h"

enum { MAX_PROCESSES = 1000, STRIDE = 16, PAGE_USED = PAGE_WORDS / STRIDE };

/* Shared by all: the records, and behind them how many processes have ended. */
static volatile u32 *records;

static u32 *words;
static u32 processes;
static u32 pages;
static u32 rounds;

static u32 writer(u32 process, u32 write_number)
{
	return process * 1000 + write_number;
}

static bool is_written(u32 who, u32 page)
{
	return who == 0 || (nth(stream(2, who), page) & 1) != 0;
}

static void make_write(u32 who)
{
	u32 contents = stream(1, who);

	for (u32 page = 0; page < pages; page++) {
		if (!is_written(who, page))
			continue;
		for (u32 i = 0; i < PAGE_USED; i++)
			words[page * PAGE_WORDS + i * STRIDE] = nth(contents, page * PAGE_USED + i);
	}
}

/* Who wrote a page last, as process k sees it after `done` of its writes; 0: who filled it. */
static u32 last_writer(u32 process, u32 done, u32 page)
{
	while (done > 0) {
		if (is_written(writer(process, --done), page))
			return writer(process, done);
	}
	for (process /= 2; process > 0; process /= 2) {
		if (is_written(writer(process, 0), page))
			return writer(process, 0);
	}
	return 0;
}

static u32 verify(u32 process, u32 done)
{
	u32 checksum = CHECKSUM_START;

	for (u32 page = 0; page < pages; page++) {
		u32 contents = stream(1, last_writer(process, done, page));
		for (u32 i = 0; i < PAGE_USED; i++) {
			u32 actual = words[page * PAGE_WORDS + i * STRIDE];
			u32 expected = nth(contents, page * PAGE_USED + i);
			if (actual != expected)
				fail("fork: process %u after %u writes: word %u of page %u reads "
				     "%08x, not %08x",
				     process, done, i * STRIDE, page, actual, expected);
			checksum = checksum_word(checksum, actual);
		}
	}
	return checksum;
}

static void live(u32 process);

static pid_t give_birth(u32 process)
{
	pid_t pid = fork();

	if (pid == -1)
		fail("fork: birth of process %u: error %d", process, errno);
	if (pid == 0) {
		live(process);
		_exit((int)(records[process] & 0x7f));
	}
	return pid;
}

static int wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		fail("fork: wait for a child: error %d", errno);
	return status;
}

static void await(u32 process, pid_t pid)
{
	int status = wait_for(pid);
	int expected = (int)(records[process] & 0x7f);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != expected)
		fail("fork: process %u ended with status %04x, not exit code %d", process,
		     (u32)status, expected);
}

static void live(u32 process)
{
	pid_t children[2] = {0, 0};

	verify(process, 0);
	make_write(writer(process, 0));
	for (u32 i = 0; i < 2 && 2 * process + i <= processes; i++)
		children[i] = give_birth(2 * process + i);
	u32 checksum = verify(process, 1);
	for (u32 round = 1; round <= rounds; round++) {
		make_write(writer(process, round));
		checksum = verify(process, round + 1);
		sched_yield();
	}
	for (u32 i = 0; i < 2 && children[i] != 0; i++)
		await(2 * process + i, children[i]);
	if (verify(process, rounds + 1) != checksum)
		fail("fork: the view of process %u changed while it waited", process);
	records[process] = checksum;
	__atomic_fetch_add(&records[0], 1, __ATOMIC_SEQ_CST);
}

static void try_vfork(void)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(42);
	if (pid == -1)
		fail("fork: vfork: error %d", errno);
	int status = wait_for(pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 42)
		fail("fork: the child of vfork ended with status %04x", (u32)status);
	printf("vfork: exit code 42\n");
}

static void try_kill(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			sched_yield();
	}
	if (waitpid(pid, &status, WNOHANG) != 0)
		fail("fork: a child that runs on is reported as ended");
	kill(pid, SIGKILL);
	status = wait_for(pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		fail("fork: the killed child ended with status %04x", (u32)status);
	if (waitpid(-1, &status, 0) != -1 || errno != ECHILD)
		fail("fork: a child is left that nobody made");
	printf("killed: signal 9\n");
}

static void *map(size_t size, int sharing)
{
	void *start = mmap(NULL, size, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);

	if (start == MAP_FAILED)
		fail("fork: mmap: error %d", errno);
	return start;
}

/* So that all processes together have at most some 8 MiB, however many they are. */
static u32 default_pages(void)
{
	u32 share = 2048 / processes;

	return share > 128 ? 128 : share < 8 ? 8 : share;
}

int main(int argc, char **argv)
{
	processes = 16;
	pages = 0;
	rounds = 3;
	if (argc > 4 || !argument(argc, argv, 1, 1, MAX_PROCESSES, &processes) ||
	    !argument(argc, argv, 2, 1, 65536, &pages) || !argument(argc, argv, 3, 0, 100, &rounds))
		return usage("fork [n=16] [pages] [rounds=3]");
	if (pages == 0)
		pages = default_pages();

	printf("fork: %u processes, %u pages, %u rounds\n", processes, pages, rounds);
	fflush(stdout);
	records = map((MAX_PROCESSES + 1) * sizeof(u32), MAP_SHARED);
	words = map(pages * PAGE_BYTES, MAP_PRIVATE);
	make_write(0);
	live(1);
	if (records[0] != processes)
		fail("fork: %u processes came to their end", records[0]);
	printf("tree: %u processes verified their views\n", processes);
	fflush(stdout);
	try_vfork();
	fflush(stdout);
	try_kill();
	u32 checksum = CHECKSUM_START;
	for (u32 process = 1; process <= processes; process++)
		checksum = checksum_word(checksum, records[process]);
	printf("checksum %08x\n", checksum);
	return 0;
}
