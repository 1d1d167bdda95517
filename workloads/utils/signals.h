/*
 * Signals by name.
 */
#ifndef SIGNALS_H
#define SIGNALS_H

#include "../rt/program.h"
#include "../rt/unix.h"

static const struct {
	int number;
	const char *name;
	const char *text;
} signal_names[] = {
	{SIGHUP, "HUP", "Hangup"},
	{SIGINT, "INT", "Interrupt"},
	{SIGQUIT, "QUIT", "Quit"},
	{SIGILL, "ILL", "Illegal instruction"},
	{SIGTRAP, "TRAP", "Trace/BPT trap"},
	{SIGABRT, "ABRT", "Abort trap"},
	{SIGBUS, "BUS", "Bus error"},
	{SIGFPE, "FPE", "Arithmetic exception"},
	{SIGKILL, "KILL", "Killed"},
	{SIGUSR1, "USR1", "User defined signal 1"},
	{SIGSEGV, "SEGV", "Segmentation fault"},
	{SIGUSR2, "USR2", "User defined signal 2"},
	{SIGPIPE, "PIPE", "Broken pipe"},
	{SIGALRM, "ALRM", "Alarm clock"},
	{SIGTERM, "TERM", "Terminated"},
	{SIGCHLD, "CHLD", "Child exited"},
	{SIGCONT, "CONT", "Continued"},
	{SIGSTOP, "STOP", "Stopped (signal)"},
	{SIGTSTP, "TSTP", "Stopped"},
	{SIGTTIN, "TTIN", "Stopped (tty input)"},
	{SIGTTOU, "TTOU", "Stopped (tty output)"},
	{SIGURG, "URG", "Urgent I/O condition"},
	{SIGWINCH, "WINCH", "Window size changed"},
};

enum { SIGNAL_NAMES = sizeof(signal_names) / sizeof(signal_names[0]) };

/* A number, or a name with or without SIG. => -1: neither. */
static inline int signal_by_name(const char *name)
{
	u32 number;

	if (parse_u32(name, &number))
		return number < 65 ? (int)number : -1;
	if (strncmp(name, "SIG", 3) == 0)
		name += 3;
	for (int i = 0; i < SIGNAL_NAMES; i++) {
		if (strcmp(signal_names[i].name, name) == 0)
			return signal_names[i].number;
	}
	return -1;
}

static inline const char *signal_text(int number)
{
	for (int i = 0; i < SIGNAL_NAMES; i++) {
		if (signal_names[i].number == number)
			return signal_names[i].text;
	}
	return "Unknown signal";
}

static inline void print_signal_names(void)
{
	for (int i = 0; i < SIGNAL_NAMES; i++)
		printf("%2d %s\n", signal_names[i].number, signal_names[i].name);
}

#endif
