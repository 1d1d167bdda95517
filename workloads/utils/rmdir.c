/* rmdir folder...: removes empty folders. */
#include "util.h"

int main(int argc, char **argv)
{
	int code = 0;

	if (argc < 2)
		return usage("rmdir folder...");
	for (int i = 1; i < argc; i++) {
		if (rmdir(argv[i]) == -1)
			code = complain("rmdir", argv[i]);
	}
	return code;
}
