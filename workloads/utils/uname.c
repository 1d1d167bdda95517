/* uname [-a]: the name of the system; with -a everything it says of itself. */
#include "util.h"

int main(int argc, char **argv)
{
	struct utsname name;

	if (uname(&name) == -1)
		return complain("uname", "uname");
	if (argc > 1 && strcmp(argv[1], "-a") == 0)
		printf("%s %s %s %s %s\n", name.sysname, name.nodename, name.release, name.version,
		       name.machine);
	else
		printf("%s\n", name.sysname);
	return 0;
}
