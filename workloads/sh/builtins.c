/*
 * Commands that change the shell, and a few that are too short for a process.
 */
#include "../utils/signals.h"
#include "sh.h"

static int complain(const char *command, const char *subject, const char *reason)
{
	dprintf(2, "sh: %s: %s: %s\n", command, subject, reason);
	return 1;
}

static int do_nothing(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

static int do_false(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 1;
}

static int do_cd(int argc, char **argv)
{
	char path[512];
	const char *target = argc > 1 ? argv[1] : get_variable("HOME");

	if (target == NULL)
		target = "/";
	bool back = strcmp(target, "-") == 0;
	if (back) {
		target = get_variable("OLDPWD");
		if (target == NULL)
			return complain("cd", "-", "OLDPWD not set");
	}
	char *old = getcwd(path, sizeof(path)) == NULL ? "" : allocate_text(path, strlen(path));
	if (chdir(target) == -1)
		return complain("cd", target, strerror(errno));
	set_variable("OLDPWD", old);
	if (getcwd(path, sizeof(path)) != NULL)
		set_variable("PWD", path);
	if (back)
		printf("%s\n", path);
	return 0;
}

static int do_pwd(int argc, char **argv)
{
	char path[512];

	(void)argc;
	(void)argv;
	if (getcwd(path, sizeof(path)) == NULL)
		return complain("pwd", ".", strerror(errno));
	printf("%s\n", path);
	return 0;
}

static int do_echo(int argc, char **argv)
{
	bool newline = argc < 2 || strcmp(argv[1], "-n") != 0;
	int first = newline ? 1 : 2;

	for (int i = first; i < argc; i++)
		printf("%s%s", i > first ? " " : "", argv[i]);
	if (newline)
		printf("\n");
	return 0;
}

static int do_exit(int argc, char **argv)
{
	static bool warned;

	if (shell.interactive && any_stopped_job() && !warned) {
		dprintf(2, "There are stopped jobs.\n");
		warned = true;
		return 1;
	}
	leave(argc > 1 ? atoi(argv[1]) & 0xff : shell.status);
}

static int do_export(int argc, char **argv)
{
	int status = 0;

	if (argc == 1)
		print_variables(true);
	for (int i = 1; i < argc; i++) {
		size_t length = assignment_name(argv[i]);
		char *name = length == 0 ? argv[i] : allocate_text(argv[i], length);
		if (!is_name(name, strlen(name))) {
			status = complain("export", argv[i], "not a name");
			continue;
		}
		if (length > 0)
			set_variable(name, argv[i] + length + 1);
		export_variable(name);
	}
	return status;
}

static int do_unset(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		unset_variable(argv[i]);
	return 0;
}

static int do_set(int argc, char **argv)
{
	static char **kept;
	int first = 1;

	if (argc == 1)
		print_variables(false);
	for (; first < argc && (argv[first][0] == '-' || argv[first][0] == '+'); first++) {
		bool on = argv[first][0] == '-';
		if (strcmp(argv[first], "--") == 0)
			break;
		for (const char *option = argv[first] + 1; *option != '\0'; option++) {
			if (*option == 'e')
				shell.exit_on_error = on;
			else if (*option == 'x')
				shell.trace = on;
			else
				return complain("set", argv[first], "unknown option");
		}
	}
	if (first == argc)
		return 0;
	first += strcmp(argv[first], "--") == 0;
	char **arguments = malloc((size_t)(argc - first + 1) * sizeof(char *));
	if (arguments == NULL)
		return complain("set", "arguments", strerror(errno));
	shell.argument_count = argc - first;
	for (int i = first; i <= argc; i++)
		arguments[i - first] = i == argc ? NULL : strdup(argv[i]);
	for (int i = 0; kept != NULL && kept[i] != NULL; i++)
		free(kept[i]);
	free(kept);
	kept = shell.arguments = arguments;
	return 0;
}

static int do_shift(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 1;

	if (count < 0 || count > shell.argument_count)
		return complain("shift", argc > 1 ? argv[1] : "1", "too far");
	/* Moved, not skipped: set frees what the array begins with. */
	shell.argument_count -= count;
	char **arguments = malloc((size_t)(shell.argument_count + 1) * sizeof(char *));
	if (arguments == NULL)
		return complain("shift", "arguments", strerror(errno));
	memcpy(arguments, shell.arguments + count, (size_t)shell.argument_count * sizeof(char *));
	arguments[shell.argument_count] = NULL;
	shell.arguments = arguments;
	return 0;
}

static int leave_loops(int argc, char **argv, bool continuing)
{
	int count = argc > 1 ? atoi(argv[1]) : 1;

	if (count < 1)
		return complain(argv[0], argv[1], "not a number of loops");
	shell.breaking = count > shell.loops ? shell.loops : count;
	shell.continuing = continuing && shell.breaking > 0;
	return 0;
}

static int do_break(int argc, char **argv)
{
	return leave_loops(argc, argv, false);
}

static int do_continue(int argc, char **argv)
{
	return leave_loops(argc, argv, true);
}

static int do_exec(int argc, char **argv)
{
	if (argc == 1)
		return 0;
	default_signals();
	execute(argv + 1);
}

static int do_eval(int argc, char **argv)
{
	struct text text = {0};

	for (int i = 1; i < argc; i++) {
		text_add_all(&text, argv[i]);
		text_add(&text, ' ');
	}
	return run_text(text_end(&text));
}

static int do_dot(int argc, char **argv)
{
	return argc < 2 ? complain(".", "file", "missing") : run_file(argv[1]);
}

static int do_read(int argc, char **argv)
{
	struct text line = {0};
	char c = '\0';
	ssize_t count;

	/* A byte at a time: what is behind the line belongs to the next reader. */
	while ((count = read(0, &c, 1)) == 1 && c != '\n')
		text_add(&line, c);
	char *at = text_end(&line);
	for (int i = 1; i < argc; i++) {
		while (*at == ' ' || *at == '\t')
			at++;
		char *end = at;
		while (*end != '\0' && (i == argc - 1 || (*end != ' ' && *end != '\t')))
			end++;
		set_variable(argv[i], allocate_text(at, (size_t)(end - at)));
		at = end;
	}
	return count == 1 ? 0 : 1;
}

static int do_history(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "-c") != 0)
		return usage("history [-c]");
	if (argc > 1)
		clear_history();
	else
		print_history();
	return 0;
}

static int do_jobs(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	report_jobs(true);
	return 0;
}

static int resume(int argc, char **argv, bool foreground)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (!shell.job_control)
		return complain(argv[0], "jobs", "no job control");
	struct job *job = find_job(name);
	if (job == NULL)
		return complain(argv[0], name == NULL ? "current" : name, "no such job");
	if (foreground)
		return wait_foreground(job, true);
	resume_background(job);
	return 0;
}

static int do_fg(int argc, char **argv)
{
	return resume(argc, argv, true);
}

static int do_bg(int argc, char **argv)
{
	return resume(argc, argv, false);
}

static int do_wait(int argc, char **argv)
{
	int status = 0;

	for (int i = 1; i < argc; i++) {
		struct job *job = find_job(argv[i]);
		status = job == NULL ? 127 : wait_job(job);
	}
	if (argc > 1)
		return status;
	/* A stopped job would be waited for until somebody continues it, so it is left alone. */
	struct job *job = first_job();
	while (job != NULL && !interrupted) {
		struct job *next = following_job(job);
		wait_job(job);
		job = next;
	}
	return interrupted ? 128 + SIGINT : 0;
}

static int do_kill(int argc, char **argv)
{
	int signal_number = SIGTERM;
	int first = 1;
	int status = 0;

	if (argc == 2 && strcmp(argv[1], "-l") == 0) {
		print_signal_names();
		return 0;
	}
	if (argc > 1 && argv[1][0] == '-' && strcmp(argv[1], "--") != 0) {
		const char *name = argv[1] + 1;
		first = 2;
		if (strcmp(name, "s") == 0 && argc > 2)
			name = argv[first++];
		signal_number = signal_by_name(name);
	}
	if (first < argc && strcmp(argv[first], "--") == 0)
		first++;
	if (first >= argc || signal_number == -1)
		return usage("kill [-signal | -s signal] pid|%job... | kill -l");
	for (int i = first; i < argc; i++) {
		char *end;
		pid_t pid = (pid_t)strtol(argv[i], &end, 10);
		struct job *job = argv[i][0] == '%' ? find_job(argv[i]) : NULL;
		if (job != NULL && job_group(job) != 0)
			pid = -job_group(job);
		else if (end == argv[i] || *end != '\0') {
			status = complain("kill", argv[i], "no such process or job");
			continue;
		}
		if (kill(pid, signal_number) == -1)
			status = complain("kill", argv[i], strerror(errno));
		/* A stopped job would not notice before it is continued. */
		else if (job != NULL && job_stopped(job) &&
			 (signal_number == SIGTERM || signal_number == SIGHUP))
			kill(pid, SIGCONT);
	}
	return status;
}

static int do_umask(int argc, char **argv)
{
	if (argc == 1) {
		mode_t mask = umask(0);
		umask(mask);
		printf("%04o\n", mask);
		return 0;
	}
	char *end;
	long mask = strtol(argv[1], &end, 8);
	if (*end != '\0')
		return complain("umask", argv[1], "not an octal number");
	umask((mode_t)mask & 0777);
	return 0;
}

static const struct limit {
	char option;
	int resource;
	u32 unit;
	const char *text;
} limits[] = {
	{'c', RLIMIT_CORE, 512, "coredump size  (512-blocks)"},
	{'d', RLIMIT_DATA, 1024, "data size      (kbytes)"},
	{'f', RLIMIT_FSIZE, 512, "file size      (512-blocks)"},
	{'l', RLIMIT_MEMLOCK, 1024, "locked memory  (kbytes)"},
	{'n', RLIMIT_NOFILE, 1, "open files"},
	{'p', RLIMIT_NPROC, 1, "processes"},
	{'s', RLIMIT_STACK, 1024, "stack size     (kbytes)"},
	{'t', RLIMIT_CPU, 1, "cpu time       (seconds)"},
	{'v', RLIMIT_AS, 1024, "address space  (kbytes)"},
};

static void print_limit(const struct limit *limit, bool hard, bool with_text)
{
	struct rlimit values;

	if (getrlimit(limit->resource, &values) == -1)
		return;
	rlim_t value = hard ? values.rlim_max : values.rlim_cur;
	if (with_text)
		printf("%-28s ", limit->text);
	if (value == RLIM_INFINITY)
		printf("unlimited\n");
	else
		printf("%llu\n", (u64)value / limit->unit);
}

static int do_ulimit(int argc, char **argv)
{
	const struct limit *chosen = NULL;
	bool hard = false;
	bool soft = false;
	bool all = false;
	char option = 'f';
	int i = 1;
	u32 number = 0;

	for (; i < argc && argv[i][0] == '-'; i++) {
		for (const char *letter = argv[i] + 1; *letter != '\0'; letter++) {
			hard |= *letter == 'H';
			soft |= *letter == 'S';
			all |= *letter == 'a';
			if (strchr("HSa", *letter) == NULL)
				option = *letter;
		}
	}
	for (size_t k = 0; k < sizeof(limits) / sizeof(limits[0]); k++) {
		if (all)
			print_limit(&limits[k], hard, true);
		if (limits[k].option == option)
			chosen = &limits[k];
	}
	if (all)
		return 0;
	if (chosen == NULL || argc - i > 1)
		return usage("ulimit [-HSacdflnpstv] [number | unlimited]");
	if (i == argc) {
		print_limit(chosen, hard, false);
		return 0;
	}
	struct rlimit values;
	bool unlimited = strcmp(argv[i], "unlimited") == 0;
	if (!unlimited && !parse_u32(argv[i], &number))
		return complain("ulimit", argv[i], "not a number");
	rlim_t value = unlimited ? RLIM_INFINITY : (rlim_t)number * chosen->unit;
	if (getrlimit(chosen->resource, &values) == -1)
		return complain("ulimit", argv[i], strerror(errno));
	if (soft || !hard)
		values.rlim_cur = value;
	if (hard || !soft)
		values.rlim_max = value;
	return setrlimit(chosen->resource, &values) == -1
		       ? complain("ulimit", argv[i], strerror(errno))
		       : 0;
}

/* test and [: the primaries, !, and the comparison of two words or numbers. */
static bool test_file(char option, const char *path)
{
	struct stat status;

	if (option == 'h' || option == 'L')
		return lstat(path, &status) == 0 && (status.st_mode & S_IFMT) == S_IFLNK;
	if (stat(path, &status) == -1)
		return false;
	switch (option) {
	case 'f':
		return S_ISREG(status.st_mode);
	case 'd':
		return S_ISDIR(status.st_mode);
	case 'c':
		return S_ISCHR(status.st_mode);
	case 'b':
		return S_ISBLK(status.st_mode);
	case 'p':
		return (status.st_mode & S_IFMT) == S_IFIFO;
	case 's':
		return status.st_size > 0;
	case 'r':
		return access(path, R_OK) == 0;
	case 'w':
		return access(path, W_OK) == 0;
	case 'x':
		return access(path, X_OK) == 0;
	default:
		return option == 'e';
	}
}

static int test_unary(const char *operator, const char *operand)
{
	if (operator[0] != '-' || operator[1] == '\0' || operator[2] != '\0')
		return complain("test", operator, "unknown operator") + 1;
	switch (operator[1]) {
	case 'n':
		return operand[0] == '\0';
	case 'z':
		return operand[0] != '\0';
	case 't':
		return !isatty(atoi(operand));
	default:
		if (strchr("hLfdcbpsrwxe", operator[1]) == NULL)
			return complain("test", operator, "unknown operator") + 1;
		return !test_file(operator[1], operand);
	}
}

static int test_numbers(const char *left, const char *operator, const char *right)
{
	static const char *const names[] = {"-eq", "-ne", "-lt", "-le", "-gt", "-ge"};
	char *left_end;
	char *right_end;
	long a = strtol(left, &left_end, 10);
	long b = strtol(right, &right_end, 10);
	const bool holds[] = {a == b, a != b, a < b, a <= b, a > b, a >= b};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(operator, names[i]) != 0)
			continue;
		if (*left == '\0' || *left_end != '\0')
			return complain("test", left, "not a number") + 1;
		if (*right == '\0' || *right_end != '\0')
			return complain("test", right, "not a number") + 1;
		return !holds[i];
	}
	return complain("test", operator, "unknown operator") + 1;
}

static int test_words(int count, char **words)
{
	if (count == 0)
		return 1;
	if (count == 1)
		return words[0][0] == '\0';
	if (count == 3 && (strcmp(words[1], "=") == 0 || strcmp(words[1], "==") == 0))
		return strcmp(words[0], words[2]) != 0;
	if (count == 3 && strcmp(words[1], "!=") == 0)
		return strcmp(words[0], words[2]) == 0;
	if (count == 3 && words[1][0] == '-')
		return test_numbers(words[0], words[1], words[2]);
	if (strcmp(words[0], "!") == 0) {
		int result = test_words(count - 1, words + 1);
		return result > 1 ? result : !result;
	}
	if (count == 2)
		return test_unary(words[0], words[1]);
	return complain("test", words[1], "unexpected") + 1;
}

static int do_test(int argc, char **argv)
{
	if (strcmp(argv[0], "[") == 0) {
		if (strcmp(argv[argc - 1], "]") != 0)
			return complain("[", argv[argc - 1], "missing ]") + 1;
		argc--;
	}
	return test_words(argc - 1, argv + 1);
}

static int do_type(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		printf("%s is %s\n", argv[i],
		       find_builtin(argv[i]) != NULL ? "a shell builtin" : "a command, if it is in PATH");
	return 0;
}

static const struct {
	const char *name;
	builtin *function;
} builtins[] = {
	{":", do_nothing}, {".", do_dot}, {"[", do_test}, {"bg", do_bg}, {"break", do_break},
	{"cd", do_cd}, {"continue", do_continue}, {"echo", do_echo}, {"eval", do_eval},
	{"exec", do_exec}, {"exit", do_exit}, {"export", do_export}, {"false", do_false},
	{"fg", do_fg}, {"history", do_history}, {"jobs", do_jobs}, {"kill", do_kill},
	{"pwd", do_pwd}, {"read", do_read}, {"set", do_set}, {"shift", do_shift},
	{"test", do_test}, {"true", do_nothing}, {"type", do_type}, {"ulimit", do_ulimit},
	{"umask", do_umask}, {"unset", do_unset}, {"wait", do_wait},
};

const char *builtin_name(size_t index)
{
	return index < sizeof(builtins) / sizeof(builtins[0]) ? builtins[index].name : NULL;
}

builtin *find_builtin(const char *name)
{
	for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++) {
		if (strcmp(builtins[i].name, name) == 0)
			return builtins[i].function;
	}
	return NULL;
}
