/*
 * Pages that a pipe borrows.
 */
#include "tour.h"

char *lent;
static enum stamper who; /* stamps what is lent */
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
void lend(void *start, int stamper, void (*change)(void), u32 changed, const char *what)
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
	struct other first = other;
	int ends[2] = {lent_pipe[0], lent_pipe[1]};

	lend(lent, STAMPED, change_none, 0, "a page that is lent twice");
	other = first;
	lent_pipe[0] = ends[0];
	lent_pipe[1] = ends[1];
}

void stop_lend(void)
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
void cannot_lend(void *start, u32 whole, const char *what)
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

void stop_unlent(void)
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
