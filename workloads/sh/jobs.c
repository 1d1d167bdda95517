/*
 * Jobs: the processes of a pipeline, in a process group of their own if the shell controls jobs.
 * The group in the foreground owns the terminal, so that its keys reach the job and not the shell.
 */
#include "../utils/signals.h"
#include "sh.h"

enum { MOST_PROCESSES = 16, TERMINAL = 0 };

struct process {
	pid_t pid;
	int status;
	bool stopped;
	bool done;
};

struct job {
	struct job *next; /* by number */
	int number;
	pid_t group; /* 0: the shell's own */
	bool foreground;
	bool reported; /* its present state has been shown */
	bool has_modes;
	struct termios modes; /* of the terminal when it stopped */
	int count;
	struct process processes[MOST_PROCESSES];
	char text[];
};

static struct job *jobs;
static struct termios shell_modes;

void default_signals(void)
{
	static const int caught[] = {SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU};

	if (!shell.interactive)
		return; /* they are as the shell found them */
	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		signal(caught[i], SIG_DFL);
}

/* Waits until it is in the foreground itself, then makes a group of its own the foreground. */
void setup_terminal(void)
{
	static const int ignored[] = {SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU};
	pid_t owner = tcgetpgrp(TERMINAL);

	/* A few attempts: nobody may be there to continue a shell that stopped. */
	for (int i = 0; i < 3 && owner > 0 && owner != getpgrp(); i++) {
		kill(0, SIGTTIN);
		owner = tcgetpgrp(TERMINAL);
	}
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	tcgetattr(TERMINAL, &shell_modes);
	if (owner == -1)
		return;
	/* The leader of a session leads its group already and may not ask for it. */
	setpgid(0, 0);
	shell.job_control = tcsetpgrp(TERMINAL, getpgrp()) == 0;
}

struct job *new_job(const char *text, bool foreground)
{
	size_t size = sizeof(struct job) + strlen(text) + 1;
	struct job *job = malloc(size);
	struct job **link = &jobs;

	if (job == NULL)
		fail("sh: out of memory");
	memset(job, 0, size);
	job->foreground = foreground;
	strcpy(job->text, text);
	job->number = 1;
	for (; *link != NULL; link = &(*link)->next) {
		if ((*link)->number >= job->number)
			job->number = (*link)->number + 1;
	}
	*link = job;
	return job;
}

static void remove_job(struct job *job)
{
	struct job **link = &jobs;

	while (*link != job)
		link = &(*link)->next;
	*link = job->next;
	free(job);
}

/* A subshell has no jobs: they are its parent's. */
void forget_jobs(void)
{
	while (jobs != NULL)
		remove_job(jobs);
}

/* Both sides set the group, for neither knows who runs first. */
pid_t fork_into(struct job *job)
{
	bool controls = shell.job_control;
	bool foreground = job->foreground;
	pid_t group = job->group;

	if (job->count == MOST_PROCESSES) {
		dprintf(2, "sh: too many processes in a pipeline\n");
		return -1;
	}
	pid_t pid = fork_flushed();
	if (pid == -1)
		return -1;
	if (pid > 0) {
		if (controls) {
			if (job->group == 0)
				job->group = pid;
			setpgid(pid, job->group);
		}
		job->processes[job->count++] = (struct process){.pid = pid};
		return pid;
	}
	if (controls) {
		pid_t own = getpid();
		setpgid(0, group == 0 ? own : group);
		if (foreground)
			tcsetpgrp(TERMINAL, group == 0 ? own : group);
	}
	default_signals();
	if (!foreground && !controls) {
		/* Keys of the terminal and its input belong to others. */
		signal(SIGINT, SIG_IGN);
		signal(SIGQUIT, SIG_IGN);
		if (group == 0) {
			int null = open("/dev/null", O_RDONLY);
			if (null > 0) {
				dup2(null, 0);
				close(null);
			}
		}
	}
	forget_jobs();
	shell.interactive = shell.job_control = false;
	shell.loops = 0;
	interrupted = NOT_INTERRUPTED;
	return 0;
}

static void note(pid_t pid, int status)
{
	for (struct job *job = jobs; job != NULL; job = job->next) {
		for (int i = 0; i < job->count; i++) {
			struct process *process = &job->processes[i];
			if (process->pid != pid || process->done)
				continue;
			process->status = status;
			process->stopped = WIFSTOPPED(status);
			process->done = !process->stopped && !WIFCONTINUED(status);
			job->reported = false;
			return;
		}
	}
}

static bool job_done(const struct job *job)
{
	for (int i = 0; i < job->count; i++) {
		if (!job->processes[i].done)
			return false;
	}
	return true;
}

bool job_stopped(const struct job *job)
{
	bool stopped = false;

	for (int i = 0; i < job->count; i++) {
		if (!job->processes[i].done && !job->processes[i].stopped)
			return false;
		stopped |= job->processes[i].stopped;
	}
	return stopped;
}

static int last_status(const struct job *job)
{
	return job->count == 0 ? 0 : job->processes[job->count - 1].status;
}

/* What $? becomes. */
static int exit_status(const struct job *job)
{
	int status = last_status(job);

	for (int i = 0; i < job->count; i++) {
		if (job->processes[i].stopped)
			return 128 + WSTOPSIG(job->processes[i].status);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void describe(const struct job *job, char *text, size_t size)
{
	const char *state = "Running";
	int status = last_status(job);

	if (job_stopped(job))
		state = "Stopped";
	else if (job_done(job) && WIFSIGNALED(status))
		state = signal_text(WTERMSIG(status));
	else if (job_done(job))
		state = "Done";
	text[0] = '\0';
	if (strlen(state) + 8 < size)
		strcpy(text, state);
	if (job_done(job) && WIFEXITED(status) && WEXITSTATUS(status) != 0) {
		char code[] = "(000)";
		for (int i = 3, rest = WEXITSTATUS(status); i > 0; i--, rest /= 10)
			code[i] = (char)('0' + rest % 10);
		strcat(text, code);
	}
}

static void report(struct job *job, int fd)
{
	char state[64];

	describe(job, state, sizeof(state));
	job->reported = true;
	dprintf(fd, "[%d] %-24s %s\n", job->number, state, job->text);
}

/* => false: there is nothing to wait for. */
static bool wait_any(int options)
{
	int status;
	pid_t pid = waitpid(-1, &status, options | WUNTRACED);

	if (pid > 0)
		note(pid, status);
	return pid > 0 || (pid == -1 && errno == EINTR);
}

void poll_jobs(void)
{
	while (wait_any(WNOHANG))
		;
}

static void mark_lost(struct job *job)
{
	for (int i = 0; i < job->count; i++) {
		if (!job->processes[i].done)
			job->processes[i] = (struct process){.done = true, .status = 127 << 8};
	}
}

/* Says what a key did to the job, or what killed it. */
static void tell_end(struct job *job)
{
	int status = last_status(job);

	if (job_stopped(job)) {
		dprintf(2, "\n");
		report(job, 2);
		return;
	}
	if (!WIFSIGNALED(status) || WTERMSIG(status) == SIGPIPE)
		return;
	if (WTERMSIG(status) == SIGINT) {
		if (shell.interactive) {
			interrupted = INTERRUPTED_JOB; /* also the list that the job was part of */
			dprintf(2, "\n");
		}
		return;
	}
	dprintf(2, "%s\n", signal_text(WTERMSIG(status)));
}

int wait_foreground(struct job *job, bool resume)
{
	job->foreground = true;
	if (shell.job_control) {
		tcsetpgrp(TERMINAL, job->group);
		if (resume && job->has_modes)
			tcsetattr(TERMINAL, TCSADRAIN, &job->modes);
	}
	if (resume) {
		dprintf(2, "%s\n", job->text);
		for (int i = 0; i < job->count; i++)
			job->processes[i].stopped = false;
		kill(-job->group, SIGCONT);
	}
	while (!job_done(job) && !job_stopped(job)) {
		if (!wait_any(0))
			mark_lost(job);
	}
	if (shell.job_control) {
		tcsetpgrp(TERMINAL, getpgrp());
		if (job_stopped(job))
			job->has_modes = tcgetattr(TERMINAL, &job->modes) == 0;
		/* A program that was killed may have left the terminal in any state. */
		if (job_stopped(job) || WIFSIGNALED(last_status(job)))
			tcsetattr(TERMINAL, TCSADRAIN, &shell_modes);
		else
			tcgetattr(TERMINAL, &shell_modes);
	}
	int status = exit_status(job);
	job->foreground = false;
	tell_end(job);
	if (!job_stopped(job))
		remove_job(job);
	return status;
}

int finish_launch(struct job *job)
{
	if (job->foreground)
		return wait_foreground(job, false);
	if (job->count > 0)
		shell.background = job->processes[job->count - 1].pid;
	if (shell.interactive)
		dprintf(2, "[%d] %d\n", job->number, (int)shell.background);
	job->reported = true;
	return 0;
}

void resume_background(struct job *job)
{
	for (int i = 0; i < job->count; i++)
		job->processes[i].stopped = false;
	job->reported = true;
	dprintf(2, "[%d] %s\n", job->number, job->text);
	kill(-job->group, SIGCONT);
}

/* For the builtin wait: a job that ends is forgotten. */
int wait_job(struct job *job)
{
	while (!job_done(job) && !job_stopped(job)) {
		if (interrupted)
			return 128 + SIGINT;
		if (!wait_any(0))
			mark_lost(job);
	}
	int status = exit_status(job);
	if (job_done(job))
		remove_job(job);
	return status;
}

pid_t job_group(const struct job *job)
{
	return job->group;
}

struct job *first_job(void)
{
	return jobs;
}

struct job *following_job(struct job *job)
{
	return job->next;
}

/* The last one, a stopped one first: what fg means without an argument. */
static struct job *current_job(void)
{
	struct job *current = NULL;

	for (struct job *job = jobs; job != NULL; job = job->next) {
		if (current == NULL || job_stopped(job) || !job_stopped(current))
			current = job;
	}
	return current;
}

struct job *find_job(const char *name)
{
	u32 number;

	if (name == NULL || strcmp(name, "%") == 0 || strcmp(name, "%%") == 0 ||
	    strcmp(name, "%+") == 0)
		return current_job();
	bool by_number = *name == '%';
	bool is_number = parse_u32(name + by_number, &number);
	for (struct job *job = jobs; job != NULL; job = job->next) {
		if (by_number && (is_number ? job->number == (int)number
					    : strncmp(job->text, name + 1, strlen(name + 1)) == 0))
			return job;
		for (int i = 0; i < job->count && !by_number && is_number; i++) {
			if (job->processes[i].pid == (pid_t)number)
				return job;
		}
	}
	return NULL;
}

bool any_stopped_job(void)
{
	for (struct job *job = jobs; job != NULL; job = job->next) {
		if (job_stopped(job))
			return true;
	}
	return false;
}

bool jobs_changed(void)
{
	poll_jobs();
	for (struct job *job = jobs; job != NULL; job = job->next) {
		if (!job->reported)
			return true;
	}
	return false;
}

/* Those whose state has changed, or all; those that are done are forgotten. */
void report_jobs(bool all)
{
	struct job *next;

	poll_jobs();
	for (struct job *job = jobs; job != NULL; job = next) {
		next = job->next;
		if (all || (!job->reported && shell.interactive))
			report(job, all ? 1 : 2);
		/* In a script the status is kept for wait. */
		if (job_done(job) && (all || shell.interactive))
			remove_job(job);
	}
}
