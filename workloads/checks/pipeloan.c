/*
 * pipeloan MiB piece touch: how fast a pipe is, and which pages it borrows.
 *
 * A parent writes MiB MiB in pieces of so many KiB to its child, which reads 64 KiB at a time and
 * verifies a word of each page. Word 0 of page i of piece k is 1024 * k + i if `touch` is 1, so that
 * the writer stores to each page between two writes; otherwise it is i.
 *
 * Output:
 *   pipeloan: 4096 pages, 4096 loans, 0 copied
 *   pipeloan: 12345 us                                   of virtual time
 */
#include "../rt/program.h"
#include "../rt/unix.h"
#include "../rt/uvmctl.h"

enum { READ_SIZE = 64 * 1024, PIECE_MAX = 1024 * 1024 };

static u32 pages[PIECE_MAX / 4] __attribute__((aligned(PAGE_BYTES)));

static u64 microseconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (u64)time.tv_sec * 1000000 + (u32)time.tv_nsec / 1000;
}

static void consume(int fd, u32 total, u32 piece, bool touch)
{
	static char buffer[READ_SIZE] __attribute__((aligned(PAGE_BYTES)));
	u32 piece_pages = piece / PAGE_BYTES;
	u32 done = 0;
	ssize_t count;

	while ((count = read(fd, buffer, READ_SIZE)) > 0) {
		/* The words at the start of pages that begin in what was read. */
		for (u32 at = -done % PAGE_BYTES; at < (u32)count; at += PAGE_BYTES) {
			u32 page = (done + at) / PAGE_BYTES;
			u32 word = page % piece_pages + (touch ? page / piece_pages * 1024 : 0);
			if (at + 4 <= (u32)count && *(u32 *)(void *)(buffer + at) != word)
				fail("pipeloan: page %u is wrong", page);
		}
		done += (u32)count;
	}
	if (count != 0 || done != total)
		fail("pipeloan: read %u of %u bytes, error %d", done, total, errno);
}

static void produce(int fd, u32 total, u32 piece, bool touch)
{
	for (u32 i = 0; i < piece / PAGE_BYTES; i++)
		pages[i * PAGE_WORDS] = i;
	for (u32 k = 0; k < total / piece; k++) {
		for (u32 i = 0; touch && i < piece / PAGE_BYTES; i++)
			pages[i * PAGE_WORDS] = 1024 * k + i;
		if (write(fd, pages, piece) != (ssize_t)piece)
			fail("pipeloan: write: error %d", errno);
	}
}

int main(int argc, char **argv)
{
	u32 mib = 1;
	u32 piece = 1024;
	u32 touch = 0;
	u64 counters[UVM_COUNTERS];
	u64 loans;
	u64 start;
	int ends[2];
	int status;

	if (!argument(argc, argv, 1, 1, 1024, &mib) || !argument(argc, argv, 2, 4, 1024, &piece) ||
	    !argument(argc, argv, 3, 0, 1, &touch))
		return usage("pipeloan MiB piece touch");
	piece *= 1024;
	u32 total = mib * 1024 * 1024 / piece * piece;
	uvmctl_counters(counters);
	loans = counters[UVM_loans];
	if (pipe(ends) == -1)
		fail("pipeloan: pipe: error %d", errno);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[1]);
		consume(ends[0], total, piece, touch != 0);
		return 0;
	}
	close(ends[0]);
	start = microseconds();
	produce(ends[1], total, piece, touch != 0);
	close(ends[1]);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		fail("pipeloan: the reader failed");
	start = microseconds() - start;
	uvmctl_counters(counters);
	printf("pipeloan: %u pages, %u loans, %u copied\n", total / PAGE_BYTES,
	       (u32)(counters[UVM_loans] - loans), (u32)counters[UVM_loanbreaks]);
	printf("pipeloan: %u us\n", (u32)start);
	return 0;
}
