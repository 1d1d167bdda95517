/* kill [-signal | -s signal] pid...  |  kill -l: sends a signal, TERM unless said otherwise. */
#include "signals.h"
#include "util.h"

int main(int argc, char **argv)
{
	int signal_number = SIGTERM;
	int first = 1;
	int code = 0;

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
		return usage("kill [-signal | -s signal] pid... | kill -l");
	for (int i = first; i < argc; i++) {
		char *end;
		pid_t pid = (pid_t)strtol(argv[i], &end, 10);
		if (end == argv[i] || *end != '\0') {
			dprintf(2, "kill: %s: not a process\n", argv[i]);
			code = 1;
		} else if (kill(pid, signal_number) == -1) {
			code = complain("kill", argv[i]);
		}
	}
	return code;
}
