/*
 * Processes, their limits and their time.
 */
#include "unix.h"
#include "call.h"

_Static_assert(sizeof(struct rusage) == 72, "as the kernel writes it");

static const char default_path[] = "/bin";

pid_t fork(void)
{
	return call5(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

int execve(const char *path, char *const argv[], char *const envp[])
{
	return call3(SYS_execve, (long)path, (long)argv, (long)envp);
}

int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

/* A file that is there but cannot be run explains more than one that is nowhere. */
int execvp(const char *name, char *const argv[])
{
	const char *directory = getenv("PATH");
	char path[256];
	int error = ENOENT;

	if (strchr(name, '/') != NULL)
		return execv(name, argv);
	if (directory == NULL)
		directory = default_path;
	while (*directory != '\0') {
		const char *end = directory;
		while (*end != '\0' && *end != ':')
			end++;
		size_t length = (size_t)(end - directory);
		if (length + strlen(name) + 2 <= sizeof(path)) {
			memcpy(path, directory, length);
			path[length] = '/';
			strcpy(path + length + (length > 0), name);
			execv(path, argv);
			if (errno != ENOENT && errno != ENOTDIR)
				error = errno;
		}
		directory = *end == '\0' ? end : end + 1;
	}
	errno = error;
	return -1;
}

#define P_ALL 0
#define P_PID 1
#define P_PGID 2
#define WEXITED 4
#define CLD_EXITED 1
#define CLD_STOPPED 5
#define CLD_CONTINUED 6

static int status_of(const siginfo_t *info)
{
	switch (info->si_code) {
	case CLD_EXITED:
		return (info->si_status & 0xff) << 8;
	case CLD_STOPPED:
		return info->si_status << 8 | 0x7f;
	case CLD_CONTINUED:
		return 0xffff;
	default:
		return info->si_status & 0x7f;
	}
}

/* What Linux has instead of wait4 where time is 64 bits wide. */
static pid_t wait_by_id(pid_t pid, int *status, int options, struct rusage *usage)
{
	siginfo_t info = {0};
	int type = pid == -1 ? P_ALL : pid > 0 ? P_PID : P_PGID;
	pid_t id = pid < 0 ? -pid : pid;

	if (call5(SYS_waitid, type, id, (long)&info, options | WEXITED, (long)usage) == -1)
		return -1;
	if (info.si_pid != 0 && status != NULL)
		*status = status_of(&info);
	return info.si_pid;
}

pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
	pid_t child = call5(SYS_wait4, pid, (long)status, options, (long)usage, 0);

	if (child == -1 && errno == ENOSYS)
		return wait_by_id(pid, status, options, usage);
	return child;
}

pid_t waitpid(pid_t pid, int *status, int options)
{
	return wait4(pid, status, options, NULL);
}

pid_t getppid(void)
{
	return call3(SYS_getppid, 0, 0, 0);
}

uid_t geteuid(void)
{
	return (uid_t)call3(SYS_geteuid, 0, 0, 0);
}

int setresuid(uid_t real, uid_t effective, uid_t saved)
{
	return call3(SYS_setresuid, (long)real, (long)effective, (long)saved);
}

int setpgid(pid_t pid, pid_t group)
{
	return call3(SYS_setpgid, pid, group, 0);
}

pid_t getpgid(pid_t pid)
{
	return call3(SYS_getpgid, pid, 0, 0);
}

pid_t getpgrp(void)
{
	return getpgid(0);
}

pid_t setsid(void)
{
	return call3(SYS_setsid, 0, 0, 0);
}

int sched_yield(void)
{
	return call3(SYS_sched_yield, 0, 0, 0);
}

int nanosleep(const struct timespec *time, struct timespec *rest)
{
	return call5(SYS_clock_nanosleep64, CLOCK_REALTIME, 0, (long)time, (long)rest, 0);
}

int setitimer(int which, const struct itimerval *value, struct itimerval *old)
{
	return call3(SYS_setitimer, which, (long)value, (long)old);
}

int getrusage(int who, struct rusage *usage)
{
	return call3(SYS_getrusage, who, (long)usage, 0);
}

int getrlimit(int resource, struct rlimit *limit)
{
	return call5(SYS_prlimit64, 0, resource, 0, (long)limit, 0);
}

int setrlimit(int resource, const struct rlimit *limit)
{
	return call5(SYS_prlimit64, 0, resource, (long)limit, 0, 0);
}

int uname(struct utsname *name)
{
	return call3(SYS_uname, (long)name, 0, 0);
}
