/*
 * Signals. A handler returns into code that the kernel provides.
 */
#include "unix.h"
#include "call.h"

_Static_assert(sizeof(siginfo_t) == 128 && offsetof(siginfo_t, si_addr) == 12, "as in the kernel");
_Static_assert(sizeof(struct sigaction) == 16, "as in the kernel");

int kill(pid_t pid, int signal_number)
{
	return call3(SYS_kill, pid, signal_number, 0);
}

int raise(int signal_number)
{
	return kill(getpid(), signal_number);
}

int sigaction(int signal_number, const struct sigaction *action, struct sigaction *old)
{
	return call5(SYS_rt_sigaction, signal_number, (long)action, (long)old, SIGSET_BYTES, 0);
}

sighandler_t signal(int signal_number, sighandler_t handler)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
	struct sigaction old;

	return sigaction(signal_number, &action, &old) == -1 ? SIG_ERR : old.sa_handler;
}

int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	return call5(SYS_rt_sigprocmask, how, (long)set, (long)old, SIGSET_BYTES, 0);
}

int sigpending(sigset_t *set)
{
	return call3(SYS_rt_sigpending, (long)set, SIGSET_BYTES, 0);
}

int sigsuspend(const sigset_t *mask)
{
	return call3(SYS_rt_sigsuspend, (long)mask, SIGSET_BYTES, 0);
}

static u32 bit(int signal_number)
{
	return 1u << ((signal_number - 1) % 32);
}

static int word(int signal_number)
{
	return (signal_number - 1) / 32;
}

int sigemptyset(sigset_t *set)
{
	*set = (sigset_t){{0, 0}};
	return 0;
}

int sigfillset(sigset_t *set)
{
	*set = (sigset_t){{~0u, ~0u}};
	return 0;
}

int sigaddset(sigset_t *set, int signal_number)
{
	set->bits[word(signal_number)] |= bit(signal_number);
	return 0;
}

int sigdelset(sigset_t *set, int signal_number)
{
	set->bits[word(signal_number)] &= ~bit(signal_number);
	return 0;
}

int sigismember(const sigset_t *set, int signal_number)
{
	return (set->bits[word(signal_number)] & bit(signal_number)) != 0;
}
