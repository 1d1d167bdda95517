/* pwd: the working directory. */
#include "util.h"

int main(void)
{
	char path[512];

	if (getcwd(path, sizeof(path)) == NULL)
		return complain("pwd", ".");
	printf("%s\n", path);
	return 0;
}
