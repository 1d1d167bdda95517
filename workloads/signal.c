/*
 * signal [pages=64] [epochs=8] [masks=1]: signals for what programs use them for, a garbage collector's
 * write barrier first.
 *
 * pages is 1..65536, epochs 1..1000. Word i of the heap is nth(stream(1, 0), i) at first
 * (rt/random.h, modulo 2^32). Each epoch makes all pages read-only and stores 2 * pages words:
 * store s (counted over all epochs) goes to word nth(stream(1, 1), s) mod W of the W words and has
 * the value nth(stream(1, 2), s). The SIGSEGV handler makes the page writable and notes it.
 *
 *   barrier   as said: the handler must be called once for each page that an epoch stores in
 *   unmapped  a load from nowhere says SEGV_MAPERR; the handler maps a page there
 *   nested    a handler that raises another signal is interrupted by its handler
 *   deferred  unless sa_mask holds that signal back until the first handler returns
 *   blocked   a blocked signal is pending and comes when it is unblocked, once
 *   restart   a read that a signal interrupts fails with EINTR, or goes on under SA_RESTART
 *   suspend   sigsuspend waits for the signals of a child, one after the other
 *   timer     setitimer's SIGALRM comes again and again until it is turned off
 *   child     SIGCHLD tells who ended and how; SIGSTOP and SIGCONT show in waitpid
 *
 * With masks 0 the phase deferred is left out: QEMU's user mode (7.2 at least) takes sa_mask from
 * behind a restorer, which RISC-V does not have.
 *
 * Output:
 *   signal: 64 pages, 8 epochs
 *   barrier: 451 faults
 *   unmapped: done                        and so for each phase behind
 *   checksum XXXXXXXX                     rt/random.h's, over the words of the heap
 */
#include "rt/program.h"
#include "rt/random.h"
#include "rt/unix.h"

enum { LOG_LETTERS = 16 };

static u32 *heap;
static u32 pages;
static u8 *dirty;

/* What handlers leave for the program. */
static volatile u32 faults;
static volatile u32 bad_faults;
static void *volatile unmapped;
static volatile int fault_code;
static volatile int received;
static char log_text[LOG_LETTERS];
static volatile int log_length;
static int pipe_ends[2];
static volatile int child_pid;
static volatile int child_status;

static void require(bool holds, const char *what)
{
	if (!holds)
		fail("signal: %s", what);
}

static void handle(int signal_number, void (*handler)(int, siginfo_t *, void *), int flags,
		   int held_back)
{
	struct sigaction action = {.sa_sigaction = handler};

	action.sa_flags = SA_SIGINFO | flags;
	sigemptyset(&action.sa_mask);
	if (held_back != 0)
		sigaddset(&action.sa_mask, held_back);
	if (sigaction(signal_number, &action, NULL) == -1)
		fail("signal: sigaction: error %d", errno);
}

static void on_barrier(int signal_number, siginfo_t *info, void *context)
{
	u32 page = (u32)((uintptr_t)info->si_addr - (uintptr_t)heap) / PAGE_BYTES;

	(void)context;
	faults++;
	if (signal_number != SIGSEGV || info->si_signo != SIGSEGV || info->si_code != SEGV_ACCERR ||
	    page >= pages || dirty[page])
		bad_faults++;
	/* Another fault on this page would go on for ever. */
	if (bad_faults > 0 ||
	    mprotect(heap + page * PAGE_WORDS, PAGE_BYTES, PROT_READ | PROT_WRITE) == -1)
		_exit(1);
	dirty[page] = 1;
}

static u32 run_epoch(u32 epoch)
{
	u32 distinct = 0;
	u32 before = faults;
	volatile u32 *words = heap;

	memset(dirty, 0, pages);
	if (mprotect(heap, pages * PAGE_BYTES, PROT_READ) == -1)
		fail("signal: mprotect: error %d", errno);
	for (u32 i = 0; i < 2 * pages; i++) {
		u32 s = epoch * 2 * pages + i;
		u32 index = nth(stream(1, 1), s) % (pages * PAGE_WORDS);
		bool expected = !dirty[index / PAGE_WORDS];
		u32 already = faults;
		words[index] = nth(stream(1, 2), s);
		require(faults == already + expected, "a store was not caught as it should");
		require(words[index] == nth(stream(1, 2), s), "a caught store was lost");
	}
	for (u32 page = 0; page < pages; page++)
		distinct += dirty[page];
	require(faults - before == distinct, "not a fault for each dirty page");
	return distinct;
}

static void try_barrier(u32 epochs)
{
	u32 total = 0;

	handle(SIGSEGV, on_barrier, 0, 0);
	for (u32 epoch = 0; epoch < epochs; epoch++)
		total += run_epoch(epoch);
	printf("barrier: %u faults\n", total);
}

static void on_unmapped(int signal_number, siginfo_t *info, void *context)
{
	(void)signal_number;
	(void)context;
	fault_code = info->si_code;
	void *page = (void *)((uintptr_t)info->si_addr & ~(uintptr_t)(PAGE_BYTES - 1));
	if (page != unmapped || mmap(page, PAGE_BYTES, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != page)
		_exit(1);
}

static void *map(u32 size)
{
	void *start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (start == MAP_FAILED)
		fail("signal: mmap: error %d", errno);
	return start;
}

static void try_unmapped(void)
{
	volatile u32 *page = map(PAGE_BYTES);

	*page = 1;
	if (munmap((void *)page, PAGE_BYTES) == -1)
		fail("signal: munmap: error %d", errno);
	unmapped = (void *)page;
	handle(SIGSEGV, on_unmapped, 0, 0);
	require(page[3] == 0 && page[0] == 0, "unmapped: a new page is not zero");
	require(fault_code == SEGV_MAPERR, "unmapped: si_code is not SEGV_MAPERR");
	signal(SIGSEGV, SIG_DFL);
	printf("unmapped: done\n");
}

static void note(char letter)
{
	if (log_length < LOG_LETTERS - 1)
		log_text[log_length++] = letter;
	log_text[log_length] = '\0';
}

static void on_inner(int signal_number, siginfo_t *info, void *context)
{
	(void)signal_number;
	(void)info;
	(void)context;
	note('i');
}

static void on_outer(int signal_number, siginfo_t *info, void *context)
{
	(void)signal_number;
	(void)info;
	(void)context;
	note('<');
	raise(SIGUSR2);
	raise(SIGUSR1); /* held back while its own handler runs */
	note('>');
	handle(SIGUSR1, on_inner, 0, 0);
}

static void try_nested(int held_back, const char *expected, const char *what)
{
	log_length = 0;
	handle(SIGUSR2, on_inner, 0, 0);
	handle(SIGUSR1, on_outer, 0, held_back);
	raise(SIGUSR1);
	require(strcmp(log_text, expected) == 0, log_text);
	printf("%s: done\n", what);
}

static sigset_t only(int signal_number)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal_number);
	return set;
}

static void try_blocked(void)
{
	sigset_t set = only(SIGUSR1);
	sigset_t old;
	sigset_t pending;

	log_length = 0;
	handle(SIGUSR1, on_inner, 0, 0);
	sigprocmask(SIG_BLOCK, &set, &old);
	raise(SIGUSR1);
	raise(SIGUSR1);
	require(log_length == 0, "blocked: a blocked signal came");
	sigpending(&pending);
	require(sigismember(&pending, SIGUSR1) == 1, "blocked: the signal is not pending");
	sigprocmask(SIG_SETMASK, &old, NULL);
	require(log_length == 1, "blocked: the signal did not come once");
	printf("blocked: done\n");
}

static void on_alarm(int signal_number, siginfo_t *info, void *context)
{
	(void)signal_number;
	(void)info;
	(void)context;
	received++;
	if (pipe_ends[1] != 0)
		(void)!write(pipe_ends[1], "x", 1);
}

static void set_timer(long microseconds, long interval)
{
	struct itimerval timer = {{0, interval}, {0, microseconds}};

	if (setitimer(ITIMER_REAL, &timer, NULL) == -1)
		fail("signal: setitimer: error %d", errno);
}

/* The handler itself writes what the read is waiting for. */
static void try_restart(void)
{
	char c = 0;

	if (pipe(pipe_ends) == -1)
		fail("signal: pipe: error %d", errno);
	received = 0;
	handle(SIGALRM, on_alarm, 0, 0);
	set_timer(20000, 0);
	require(read(pipe_ends[0], &c, 1) == -1 && errno == EINTR, "restart: no EINTR");
	require(read(pipe_ends[0], &c, 1) == 1 && c == 'x', "restart: what was written is lost");
	handle(SIGALRM, on_alarm, SA_RESTART, 0);
	c = 0;
	set_timer(20000, 0);
	require(read(pipe_ends[0], &c, 1) == 1 && c == 'x', "restart: the read was not restarted");
	require(received == 2, "restart: not a signal for each read");
	close(pipe_ends[0]);
	close(pipe_ends[1]);
	pipe_ends[1] = 0;
	printf("restart: done\n");
}

static pid_t start_child(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == -1)
		fail("signal: fork: error %d", errno);
	return pid;
}

static int wait_for(pid_t pid, int options)
{
	int status = 0;

	if (waitpid(pid, &status, options) != pid)
		fail("signal: wait: error %d", errno);
	return status;
}

/* Parent and child each wait for the other's signal, ten times. */
static void answer(pid_t other, const sigset_t *mask, bool begins)
{
	for (int i = 0; i < 10; i++) {
		if (begins)
			kill(other, SIGUSR1);
		received = 0;
		while (received == 0)
			require(sigsuspend(mask) == -1 && errno == EINTR, "suspend: no EINTR");
		if (!begins)
			kill(other, SIGUSR1);
	}
}

static void try_suspend(void)
{
	sigset_t set = only(SIGUSR1);
	sigset_t old;

	received = 0;
	handle(SIGUSR1, on_alarm, 0, 0);
	sigprocmask(SIG_BLOCK, &set, &old);
	pid_t pid = start_child();
	if (pid == 0) {
		answer(getppid(), &old, true);
		_exit(0);
	}
	answer(pid, &old, false);
	require(wait_for(pid, 0) == 0, "suspend: the child failed");
	sigprocmask(SIG_SETMASK, &old, NULL);
	printf("suspend: done\n");
}

static void try_timer(void)
{
	sigset_t set = only(SIGALRM);
	sigset_t old;

	sigprocmask(SIG_BLOCK, &set, &old);
	handle(SIGALRM, on_alarm, 0, 0);
	received = 0;
	set_timer(1000, 1000);
	while (received < 5)
		sigsuspend(&old);
	set_timer(0, 0);
	/* One may be pending still; after that none may come. */
	sigprocmask(SIG_SETMASK, &old, NULL);
	int total = received;
	struct timespec pause = {0, 5000000};
	nanosleep(&pause, NULL);
	require(received == total, "timer: it goes on after it was turned off");
	printf("timer: done\n");
}

static void on_child(int signal_number, siginfo_t *info, void *context)
{
	(void)signal_number;
	(void)context;
	child_pid = info->si_pid;
	child_status = info->si_status;
	received++;
}

static void try_child(void)
{
	sigset_t set = only(SIGCHLD);
	sigset_t old;

	handle(SIGCHLD, on_child, 0, 0);
	sigprocmask(SIG_BLOCK, &set, &old);
	received = 0;
	pid_t pid = start_child();
	if (pid == 0)
		_exit(7);
	while (received == 0)
		sigsuspend(&old);
	require(child_pid == pid && child_status == 7, "child: SIGCHLD tells of another");
	int status = wait_for(pid, 0);
	require(WIFEXITED(status) && WEXITSTATUS(status) == 7, "child: not exit code 7");
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_SETMASK, &old, NULL);

	pid = start_child();
	if (pid == 0) {
		for (;;)
			sched_yield();
	}
	kill(pid, SIGSTOP);
	status = wait_for(pid, WUNTRACED);
	require(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP, "child: it did not stop");
	kill(pid, SIGTERM);
	kill(pid, SIGCONT);
	status = wait_for(pid, 0);
	require(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "child: it did not end");
	printf("child: done\n");
}

int main(int argc, char **argv)
{
	u32 epochs = 8;
	u32 masks = 1;

	pages = 64;
	if (argc > 4 || !argument(argc, argv, 1, 1, 65536, &pages) ||
	    !argument(argc, argv, 2, 1, 1000, &epochs) || !argument(argc, argv, 3, 0, 1, &masks))
		return usage("signal [pages=64] [epochs=8] [masks=1]");
	printf("signal: %u pages, %u epochs\n", pages, epochs);
	heap = map(pages * PAGE_BYTES);
	dirty = malloc(pages);
	if (dirty == NULL)
		fail("signal: out of memory");
	for (u32 i = 0; i < pages * PAGE_WORDS; i++)
		heap[i] = nth(stream(1, 0), i);
	try_barrier(epochs);
	try_unmapped();
	try_nested(0, "<i>i", "nested");
	if (masks != 0)
		try_nested(SIGUSR2, "<>ii", "deferred");
	try_blocked();
	try_restart();
	try_suspend();
	try_timer();
	try_child();
	u32 checksum = CHECKSUM_START;
	for (u32 i = 0; i < pages * PAGE_WORDS; i++)
		checksum = checksum_word(checksum, heap[i]);
	printf("checksum %08x\n", checksum);
	return 0;
}
