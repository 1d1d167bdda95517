/*
 * sysctl -a            prints the tunables of the VM system
 *        name ...      prints some of them
 *        name=n ...    changes some, which only root may
 */
#include "../rt/uvmctl.h"
#include "util.h"

static const struct tunable {
	const char *name;
	enum counter counter;
} tunables[] = {
	{"vm.anonmin", UVM_anonminpct}, {"vm.filemin", UVM_fileminpct},
	{"vm.execmin", UVM_execminpct}, {"vm.anonmax", UVM_anonmaxpct},
	{"vm.filemax", UVM_filemaxpct}, {"vm.execmax", UVM_execmaxpct},
};

enum { TUNABLES = sizeof(tunables) / sizeof(tunables[0]) };

static const struct tunable *find(const char *name, size_t length)
{
	for (int i = 0; i < TUNABLES; i++)
		if (strlen(tunables[i].name) == length &&
		    strncmp(tunables[i].name, name, length) == 0)
			return &tunables[i];
	return NULL;
}

static bool print(const struct tunable *tunable)
{
	u64 counters[UVM_COUNTERS];

	if (!uvmctl_counters(counters))
		return false;
	printf("%s = %llu\n", tunable->name, counters[tunable->counter]);
	return true;
}

static int each(const char *argument)
{
	const char *equals = strchr(argument, '=');
	size_t length = equals == NULL ? strlen(argument) : (size_t)(equals - argument);
	const struct tunable *tunable = find(argument, length);

	if (tunable == NULL) {
		errno = ENOENT;
		return complain("sysctl", argument);
	}
	if (equals != NULL && uvmctl(UVMCTL_SETVM, (void *)argument, strlen(argument)) == -1)
		return complain("sysctl", argument);
	return print(tunable) ? 0 : complain("sysctl", argument);
}

int main(int argc, char **argv)
{
	int code = 0;

	if (argc == 2 && strcmp(argv[1], "-a") == 0) {
		for (int i = 0; i < TUNABLES; i++)
			if (!print(&tunables[i]))
				return complain("sysctl", tunables[i].name);
		return 0;
	}
	if (argc < 2 || argv[1][0] == '-')
		return usage("sysctl -a | name ... | name=number ...");
	for (int i = 1; i < argc; i++)
		code |= each(argv[i]);
	return code;
}
