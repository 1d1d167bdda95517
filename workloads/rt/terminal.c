/*
 * Terminals.
 */
#include "unix.h"

#define TCGETS 0x5401
#define TCSETS 0x5402 /* and the two behind it: after output, and also without input */
#define TIOCGPGRP 0x540f
#define TIOCSPGRP 0x5410

_Static_assert(sizeof(struct termios) == 36, "as the kernel has it");

int tcgetattr(int fd, struct termios *state)
{
	return ioctl(fd, TCGETS, state);
}

int tcsetattr(int fd, int when, const struct termios *state)
{
	return ioctl(fd, TCSETS + (unsigned long)when, state);
}

int isatty(int fd)
{
	struct termios state;

	return tcgetattr(fd, &state) == 0;
}

pid_t tcgetpgrp(int fd)
{
	pid_t group;

	return ioctl(fd, TIOCGPGRP, &group) == -1 ? -1 : group;
}

int tcsetpgrp(int fd, pid_t group)
{
	return ioctl(fd, TIOCSPGRP, &group);
}
