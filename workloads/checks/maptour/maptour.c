/*
 * maptour [mode=strict] [stop]: the roads through the memory of a process that vmtour does not take.
 *
 * Each stop runs in a child of its own and compares what each call returns with what Linux returns,
 * and each page with what it should hold: a page of generation g has three words of the stream g.
 * Mode "refused" is for a kernel that refuses memory at random: a call may fail for lack of memory,
 * and the stop ends there. The stops "short" (little memory, no swap) and "broken" (a swap disk that
 * cannot be read) need such a machine, and run only by name.
 *
 * Output:
 *   enter: done                          and so for each stop; "refused" instead in that mode
 */
#include "tour.h"

static const struct stop {
	const char *name;
	void (*tour)(void);
} stops[] = {
	{"enter", stop_enter},   {"join", stop_join},       {"joinshared", stop_joinshared},
	{"sparse", stop_sparse}, {"advice", stop_advice},   {"remove", stop_remove},
	{"lock", stop_lock},     {"code", stop_code},       {"mremap", stop_mremap},
	{"reshare", stop_reshare}, {"parts", stop_parts},     {"stack", stop_stack},   {"heap", stop_heap},
	{"peer", stop_peer},     {"lend", stop_lend},       {"unlent", stop_unlent},
	{"race", stop_race},
#ifndef RT_NATIVE
	{"device", stop_device}, {"short", stop_short},     {"broken", stop_broken},
#endif
};

static void visit(const struct stop *stop)
{
	int status;
	pid_t pid;

	stop_name = stop->name;
	fflush(stdout);
	for (u32 tries = 0; (pid = fork()) == -1; tries++)
		require(refusals && tries < 1000, "fork");
	if (pid == 0) {
		while (pipe(probe_ends) == -1)
			require(refusals, "pipe");
		signal(SIGPIPE, SIG_IGN);
		stop->tour();
		_exit(0);
	}
	while (waitpid(pid, &status, 0) == -1)
		require(refusals, "waitpid");
	bool refused_it = WEXITSTATUS(status) == REFUSED || WTERMSIG(status) == SIGKILL;
	if (status != 0 && !(refusals && refused_it))
		fail("maptour: %s: status %x", stop->name, status);
	printf("%s: %s\n", stop->name, status == 0 ? "done" : "refused");
}

int main(int argc, char **argv)
{
	const char *only = argc > 2 ? argv[2] : NULL;

	if (argc > 3)
		return usage("maptour [strict|refused] [stop]");
	refusals = argc > 1 && strcmp(argv[1], "refused") == 0;
	for (u32 i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
		if (only == NULL ? strcmp(stops[i].name, "short") != 0 && strcmp(stops[i].name, "broken") != 0
				 : strcmp(stops[i].name, only) == 0)
			visit(&stops[i]);
	return 0;
}
