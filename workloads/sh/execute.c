/*
 * Commands to processes. What changes the shell itself runs in it; everything else in a child.
 */
#include "sh.h"

/* Descriptors of the shell itself are kept at or above this, out of the way of redirections. */
#define FIRST_OWN_FD 10

struct saved_fd {
	struct saved_fd *next;
	int fd;
	int copy; /* -1: it was closed */
};

static int run_in_child(struct node *node);

/* What is buffered would otherwise be written by both. */
pid_t fork_flushed(void)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == -1)
		dprintf(2, "sh: cannot fork: %s\n", strerror(errno));
	return pid;
}

static bool fail_redirect(const char *target)
{
	dprintf(2, "sh: %s: %s\n", target, strerror(errno));
	return false;
}

static bool duplicate(const struct redirect *redirect, const char *target)
{
	u32 from;

	if (strcmp(target, "-") == 0) {
		close(redirect->fd);
		return true;
	}
	if (!parse_u32(target, &from)) {
		errno = EBADF;
		return fail_redirect(target);
	}
	return dup2((int)from, redirect->fd) != -1 || fail_redirect(target);
}

bool apply_redirects(struct redirect *redirects)
{
	for (struct redirect *redirect = redirects; redirect != NULL; redirect = redirect->next) {
		const char *target = expand_single(redirect->target);
		int flags = O_RDONLY;
		if (redirect->operator == '&') {
			if (!duplicate(redirect, target))
				return false;
			continue;
		}
		if (redirect->operator == '>')
			flags = O_WRONLY | O_CREAT | O_TRUNC;
		else if (redirect->operator == 'a')
			flags = O_WRONLY | O_CREAT | O_APPEND;
		else if (redirect->operator == '+')
			flags = O_RDWR | O_CREAT;
		int fd = open(target, flags, 0666);
		if (fd == -1)
			return fail_redirect(target);
		if (fd != redirect->fd) {
			dup2(fd, redirect->fd);
			close(fd);
		}
	}
	return true;
}

static struct saved_fd *save_fds(struct redirect *redirects)
{
	struct saved_fd *saved = NULL;

	for (; redirects != NULL; redirects = redirects->next) {
		struct saved_fd *one = allocate(sizeof(struct saved_fd));
		one->next = saved;
		one->fd = redirects->fd;
		one->copy = fcntl(redirects->fd, F_DUPFD_CLOEXEC, FIRST_OWN_FD);
		saved = one;
	}
	return saved;
}

/* The last that was saved comes first, so a descriptor redirected twice ends as it was. */
static void restore_fds(struct saved_fd *saved)
{
	fflush(stdout);
	for (; saved != NULL; saved = saved->next) {
		if (saved->copy == -1) {
			close(saved->fd);
			continue;
		}
		dup2(saved->copy, saved->fd);
		close(saved->copy);
	}
}

static void assign(const struct list *assignments, bool for_export)
{
	for (size_t i = 0; i < assignments->count; i++) {
		const char *word = assignments->items[i];
		size_t length = assignment_name(word);
		char *name = allocate_text(word, length);
		set_variable(name, expand_single(word + length + 1));
		if (for_export)
			export_variable(name);
	}
}

static struct list expand_all(const struct list *words)
{
	struct list fields = {0};

	for (size_t i = 0; i < words->count; i++)
		expand_word(words->items[i], &fields);
	return fields;
}

static void trace(const struct list *arguments)
{
	if (!shell.trace || arguments->count == 0)
		return;
	dprintf(2, "+");
	for (size_t i = 0; i < arguments->count; i++)
		dprintf(2, " %s", arguments->items[i]);
	dprintf(2, "\n");
}

/* A file that the kernel does not know is a script for this shell, run by this process. */
static void try_execute(const char *path, char **argv, char **environment)
{
	execve(path, argv, environment);
	if (errno != ENOEXEC)
		return;
	shell.interactive = shell.job_control = false;
	shell.loops = 0;
	shell.name = argv[0];
	shell.arguments = argv + 1;
	for (shell.argument_count = 0; argv[1 + shell.argument_count] != NULL;)
		shell.argument_count++;
	leave(run_file(path));
}

_Noreturn void execute(char **argv)
{
	const char *directory = get_variable("PATH");
	char **environment = export_environment();
	int error = ENOENT;

	fflush(stdout);
	if (directory == NULL)
		directory = "/bin";
	if (strchr(argv[0], '/') != NULL) {
		try_execute(argv[0], argv, environment);
		error = errno;
		directory = "";
	}
	while (*directory != '\0') {
		struct text path = {0};
		while (*directory != '\0' && *directory != ':')
			text_add(&path, *directory++);
		if (path.length > 0)
			text_add(&path, '/');
		text_add_all(&path, argv[0]);
		try_execute(text_end(&path), argv, environment);
		if (errno != ENOENT && errno != ENOTDIR)
			error = errno;
		directory += *directory == ':';
	}
	bool unknown = error == ENOENT && strchr(argv[0], '/') == NULL;
	dprintf(2, "sh: %s: %s\n", argv[0], unknown ? "not found" : strerror(error));
	_exit(error == ENOENT ? 127 : 126);
}

static int run_builtin(builtin *function, const struct list *arguments, struct redirect *redirects)
{
	struct saved_fd *saved = save_fds(redirects);
	int status = 1;

	if (apply_redirects(redirects)) {
		/* exec without a command: its redirections are there to stay. */
		bool keep = arguments->count == 1 && strcmp(arguments->items[0], "exec") == 0;
		if (keep) {
			for (; saved != NULL; saved = saved->next)
				close(saved->copy);
			return 0;
		}
		status = function((int)arguments->count, arguments->items);
	}
	restore_fds(saved);
	return status;
}

/* In a child: never comes back from a command that is a file. */
static int execute_simple(struct node *node, const struct list *arguments)
{
	if (!apply_redirects(node->redirects))
		return 1;
	assign(&node->assignments, arguments->count > 0);
	if (arguments->count == 0)
		return 0;
	builtin *function = find_builtin(arguments->items[0]);
	if (function != NULL)
		return function((int)arguments->count, arguments->items);
	execute(arguments->items);
}

/* Assignments alone, or with a builtin, change the shell. */
static int run_simple(struct node *node)
{
	struct list arguments = {0};

	shell.status = node->words.count == 0 ? 0 : shell.status;
	arguments = expand_all(&node->words);
	trace(&arguments);
	builtin *function = arguments.count > 0 ? find_builtin(arguments.items[0]) : NULL;
	if (function != NULL) {
		assign(&node->assignments, false);
		return run_builtin(function, &arguments, node->redirects);
	}
	if (arguments.count == 0) {
		struct saved_fd *saved = save_fds(node->redirects);
		bool good = apply_redirects(node->redirects);
		restore_fds(saved);
		assign(&node->assignments, false);
		return good ? shell.status : 1;
	}
	struct job *job = new_job(node->text == NULL ? arguments.items[0] : node->text, true);
	pid_t pid = fork_into(job);
	if (pid == 0)
		leave(execute_simple(node, &arguments));
	return pid == -1 ? 2 : finish_launch(job);
}

/* The child's side of a stage, background command or subshell. */
static int run_in_child(struct node *node)
{
	if (node->kind == SUBSHELL) {
		if (!apply_redirects(node->redirects))
			return 1;
		return run(node->left);
	}
	if (node->kind == SIMPLE) {
		struct list arguments = expand_all(&node->words);
		trace(&arguments);
		return execute_simple(node, &arguments);
	}
	return run(node);
}

static int run_in_job(struct node *node, bool foreground)
{
	struct job *job = new_job(node->text == NULL ? "" : node->text, foreground);
	pid_t pid = fork_into(job);

	if (pid == 0)
		leave(run_in_child(node));
	return pid == -1 ? 2 : finish_launch(job);
}

static void connect(int from, int to)
{
	if (from != to && from != -1) {
		dup2(from, to);
		close(from);
	}
}

static int run_pipeline(struct node *node, bool foreground)
{
	struct job *job = new_job(node->text, foreground);
	int input = -1;

	for (struct node *stage = node->left; stage != NULL; stage = stage->next) {
		int ends[2] = {-1, -1};
		if (stage->next != NULL && pipe(ends) == -1) {
			dprintf(2, "sh: cannot make a pipe: %s\n", strerror(errno));
			break;
		}
		pid_t pid = fork_into(job);
		if (pid == 0) {
			if (ends[0] != -1)
				close(ends[0]);
			connect(input, 0);
			connect(ends[1], 1);
			leave(run_in_child(stage));
		}
		if (input != -1)
			close(input);
		if (ends[1] != -1)
			close(ends[1]);
		input = ends[0];
		if (pid == -1)
			break;
	}
	if (input != -1)
		close(input);
	return finish_launch(job);
}

static int run_background(struct node *node)
{
	if (node->kind == PIPELINE)
		return run_pipeline(node, false);
	return run_in_job(node, false);
}

static bool stop_looping(void)
{
	if (interrupted)
		return true;
	if (shell.breaking == 0)
		return false;
	if (shell.breaking == 1 && shell.continuing) {
		shell.breaking = 0;
		shell.continuing = false;
		return false;
	}
	return true;
}

static void end_loop(void)
{
	shell.loops--;
	if (shell.breaking > 0)
		shell.breaking--;
}

static int run_while(struct node *node)
{
	int status = 0;

	shell.loops++;
	while (!interrupted) {
		struct mark mark = arena_mark();
		bool holds = run(node->condition) == 0;
		if (holds == (node->kind == UNTIL) || stop_looping()) {
			arena_release(mark);
			break;
		}
		status = run(node->left);
		arena_release(mark);
		if (stop_looping())
			break;
	}
	end_loop();
	return status;
}

static int run_for(struct node *node)
{
	struct list values = expand_all(&node->words);
	int status = 0;

	shell.loops++;
	for (size_t i = 0; i < values.count; i++) {
		struct mark mark = arena_mark();
		set_variable(node->name, values.items[i]);
		status = run(node->left);
		arena_release(mark);
		if (stop_looping())
			break;
	}
	end_loop();
	return status;
}

static void print_seconds(long microseconds, const char *what)
{
	long hundredths = (microseconds + 5000) / 10000;

	dprintf(2, "%9d.%02d %s", (int)(hundredths / 100), (int)(hundredths % 100), what);
}

static long microseconds_between(const struct timeval *from, const struct timeval *to)
{
	return (to->tv_sec - from->tv_sec) * 1000000 + to->tv_usec - from->tv_usec;
}

static int run_timed(struct node *node)
{
	struct timespec start;
	struct timespec end;
	struct rusage before;
	struct rusage after;

	clock_gettime(CLOCK_MONOTONIC, &start);
	getrusage(RUSAGE_CHILDREN, &before);
	int status = run(node->left);
	clock_gettime(CLOCK_MONOTONIC, &end);
	getrusage(RUSAGE_CHILDREN, &after);
	long real = (long)(end.tv_sec - start.tv_sec) * 1000000 +
		    ((long)end.tv_nsec - (long)start.tv_nsec) / 1000;
	print_seconds(real, "real");
	print_seconds(microseconds_between(&before.ru_utime, &after.ru_utime), "user");
	print_seconds(microseconds_between(&before.ru_stime, &after.ru_stime), "sys\n");
	return status;
}

static int run_compound(struct node *node)
{
	switch (node->kind) {
	case GROUP:
		return run(node->left);
	case IF:
		if (run(node->condition) == 0)
			return run(node->left);
		return node->right == NULL ? 0 : run(node->right);
	case WHILE:
	case UNTIL:
		return run_while(node);
	default:
		return run_for(node);
	}
}

static int run_redirected(struct node *node)
{
	struct saved_fd *saved = save_fds(node->redirects);
	int status = apply_redirects(node->redirects) ? run_compound(node) : 1;

	restore_fds(saved);
	return status;
}

static int run_kind(struct node *node)
{
	int status;

	switch (node->kind) {
	case SIMPLE:
		return run_simple(node);
	case PIPELINE:
		return run_pipeline(node, true);
	case AND:
	case OR:
		status = run(node->left);
		if (shell.breaking > 0 || (status == 0) != (node->kind == AND))
			return status;
		return run(node->right);
	case SEQUENCE:
		status = run(node->left);
		return shell.breaking > 0 || interrupted ? status : run(node->right);
	case BACKGROUND:
		return run_background(node->left);
	case NOT:
		return run(node->left) == 0;
	case TIME:
		return run_timed(node);
	case SUBSHELL:
		return run_in_job(node, true);
	default:
		return node->redirects == NULL ? run_compound(node) : run_redirected(node);
	}
}

int run(struct node *node)
{
	struct mark mark = arena_mark();

	if (node == NULL)
		return 0;
	shell.status = run_kind(node);
	arena_release(mark);
	if (shell.status != 0 && shell.exit_on_error && !shell.interactive &&
	    (node->kind == SIMPLE || node->kind == PIPELINE || node->kind == SUBSHELL) &&
	    shell.loops == 0)
		leave(shell.status);
	return shell.status;
}

/* $( command ): its output without the newlines at the end. */
int substitute(const char *command, struct text *output)
{
	char buffer[512];
	int ends[2];
	int status = 0;
	ssize_t size;

	if (pipe(ends) == -1)
		return 2;
	pid_t pid = fork_flushed();
	if (pid == -1) {
		close(ends[0]);
		close(ends[1]);
		return 2;
	}
	if (pid == 0) {
		close(ends[0]);
		connect(ends[1], 1);
		default_signals();
		forget_jobs();
		shell.interactive = shell.job_control = false;
		leave(run_text(command));
	}
	close(ends[1]);
	while ((size = read(ends[0], buffer, sizeof(buffer))) > 0 || (size == -1 && errno == EINTR)) {
		for (ssize_t i = 0; i < size; i++)
			text_add(output, buffer[i]);
	}
	close(ends[0]);
	while (output->length > 0 && output->start[output->length - 1] == '\n')
		output->length--;
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
