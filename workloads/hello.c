/*
 * hello [args...]: greets and echoes its arguments.
 *
 * Output: "hello from user mode", then "argument I: TEXT" for each argument from 1 up.
 */
#include "rt/program.h"

int main(int argc, char **argv)
{
	printf("hello from user mode\n");
	for (int i = 1; i < argc; i++)
		printf("argument %d: %s\n", i, argv[i]);
	return 0;
}
