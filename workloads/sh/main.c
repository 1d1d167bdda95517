/*
 * sh [-eix] [-c command [name [argument...]] | file [argument...]]: the shell.
 *
 * Commands come from the text of -c, from a file, or from standard input; if that is a terminal
 * the shell prompts and controls jobs. The language is that of the POSIX shell without functions,
 * here-documents, case and aliases.
 *
 * Exit code: that of the last command; 2 for a mistake in the text, 127 for a missing file.
 */
#include "sh.h"

struct shell shell = {.name = "sh"};
volatile int interrupted;

static void note_interrupt(int signal_number)
{
	(void)signal_number;
	interrupted = INTERRUPTED_SHELL;
}

_Noreturn void leave(int status)
{
	fflush(stdout);
	_exit(status);
}

static const char *prompt(bool first)
{
	const char *text = get_variable(first ? "PS1" : "PS2");

	return text != NULL ? text : first ? "$ " : "> ";
}

/*
 * Makes the next line the text to be looked at. A byte is read at a time, for a command that the
 * line starts may read on from the same place. => false: the end, or an interrupt.
 */
bool fill_line(struct input *input, bool first)
{
	size_t length = 0;
	char c = '\0';

	if (input->fd == -1) {
		input->at_end = true;
		return false;
	}
	if (input->prompts && isatty(input->fd) && isatty(2))
		return edit_line(input, prompt(first));
	if (input->prompts)
		dprintf(2, "%s", prompt(first));
	while (c != '\n') {
		if (length + 2 > input->room) {
			input->room = input->room == 0 ? 128 : 2 * input->room;
			input->line = realloc(input->line, input->room);
			if (input->line == NULL)
				fail("sh: out of memory");
		}
		ssize_t count = read(input->fd, &c, 1);
		if (count == -1 && errno == EINTR && !interrupted)
			continue;
		if (count != 1) {
			if (interrupted)
				return false;
			input->at_end = true;
			if (length == 0)
				return false;
			break; /* a last line without an end */
		}
		if (c != '\0')
			input->line[length++] = c;
	}
	input->line[length] = '\0';
	input->at = input->line;
	return true;
}

static void begin_command(const struct input *input)
{
	if (!input->prompts)
		return;
	interrupted = NOT_INTERRUPTED;
	shell.breaking = 0;
	shell.continuing = false;
	report_jobs(false);
}

int run_input(struct input *input)
{
	for (;;) {
		struct mark mark = arena_mark();
		struct node *command;
		begin_command(input);
		enum parsed parsed = parse(input, &command);
		if (parsed == COMMAND) {
			shell.status = run(command);
			fflush(stdout);
			if (input->prompts && interrupted == INTERRUPTED_SHELL)
				dprintf(2, "\n");
		} else if (parsed == INTERRUPTED) {
			shell.status = 128 + SIGINT;
			input->at = "";
			if (input->prompts)
				dprintf(2, "\n");
		} else if (parsed == WRONG) {
			shell.status = 2;
		}
		arena_release(mark);
		bool leaves = !input->prompts && (parsed == WRONG || shell.breaking > 0 || interrupted);
		if (parsed == FINISHED || leaves)
			break;
	}
	free(input->line);
	input->line = NULL;
	input->room = 0;
	return shell.status;
}

int run_text(const char *text)
{
	struct input input = {.fd = -1, .at = text};

	shell.status = 0;
	return run_input(&input);
}

int run_file(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd == -1) {
		dprintf(2, "sh: %s: %s\n", path, strerror(errno));
		return 127;
	}
	/* Out of the way of redirections, and of the commands it starts. */
	struct input input = {.fd = fcntl(fd, F_DUPFD_CLOEXEC, 10), .at = ""};
	close(fd);
	int status = run_input(&input);
	close(input.fd);
	return status;
}

static int run_standard_input(void)
{
	struct input input = {.prompts = shell.interactive, .at = ""};

	for (;;) {
		int status = run_input(&input);
		/* The end of input must not lose what is stopped, the first time. */
		if (!shell.interactive || !any_stopped_job())
			return status;
		dprintf(2, "There are stopped jobs.\n");
		poll_jobs();
		forget_jobs();
		input.at_end = false;
	}
}

static void set_signals(void)
{
	struct sigaction action = {.sa_handler = note_interrupt};

	sigaction(SIGINT, &action, NULL); /* without SA_RESTART: the read of a line must end */
	setup_terminal();
}

int main(int argc, char **argv)
{
	const char *command = NULL;
	bool wants_command = false;
	int first = 1;

	for (; first < argc && argv[first][0] == '-' && argv[first][1] != '\0'; first++) {
		for (const char *option = argv[first] + 1; *option != '\0'; option++) {
			if (*option == 'c')
				wants_command = true;
			else if (*option == 'e')
				shell.exit_on_error = true;
			else if (*option == 'i')
				shell.interactive = true;
			else if (*option == 'x')
				shell.trace = true;
			else
				return usage("sh [-eix] [-c command [name [argument...]] | file [argument...]]");
		}
	}
	if (wants_command) {
		if (first == argc)
			return usage("sh -c command [name [argument...]]");
		command = argv[first++];
	}
	const char *file = NULL;
	if (first < argc) {
		shell.name = argv[first++];
		if (!wants_command)
			file = shell.name;
	}
	shell.arguments = argv + first;
	shell.argument_count = argc - first;
	shell.pid = getpid();
	import_environment(environ);
	if (command == NULL && file == NULL && isatty(0))
		shell.interactive = true;
	if (shell.interactive)
		set_signals();
	if (command != NULL)
		leave(run_text(command));
	leave(file != NULL ? run_file(file) : run_standard_input());
}
