/* seq [first [step]] last: whole numbers, one a line. */
#include "util.h"

int main(int argc, char **argv)
{
	long first = 1;
	long step = 1;

	if (argc < 2 || argc > 4)
		return usage("seq [first [step]] last");
	if (argc > 2)
		first = strtol(argv[1], NULL, 10);
	if (argc > 3)
		step = strtol(argv[2], NULL, 10);
	long last = strtol(argv[argc - 1], NULL, 10);
	if (step == 0)
		return usage("seq [first [step]] last: the step must not be 0");
	for (long i = first; step > 0 ? i <= last : i >= last; i += step)
		printf("%d\n", (int)i);
	return 0;
}
