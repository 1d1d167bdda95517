/* cat [file...]: writes files, one behind the other. */
#include "util.h"

static int copy(int fd, const char *name)
{
	return copy_descriptor(fd, 1) ? 0 : complain("cat", name);
}

int main(int argc, char **argv)
{
	(void)argc;
	return each_file(argv, 1, copy);
}
