/*
 * A machine with too little memory.
 */
#include "tour.h"

#ifndef RT_NATIVE

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
void stop_short(void)
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

#endif
