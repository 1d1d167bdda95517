/* env [name=value...] [command [argument...]]: runs a command with a changed environment, or shows it. */
#include "util.h"

int main(int argc, char **argv)
{
	int i = 1;

	for (; i < argc && strchr(argv[i], '=') != NULL; i++) {
		char *equals = strchr(argv[i], '=');
		*equals = '\0';
		if (setenv(argv[i], equals + 1, 1) == -1)
			return complain("env", argv[i]);
	}
	if (i == argc) {
		for (char **entry = environ; entry != NULL && *entry != NULL; entry++)
			printf("%s\n", *entry);
		return 0;
	}
	execvp(argv[i], argv + i);
	int code = errno == ENOENT ? 127 : 126;
	complain("env", argv[i]);
	return code;
}
