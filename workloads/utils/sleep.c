/* sleep seconds: waits; the seconds may have a fraction. */
#include "util.h"

static bool parse_seconds(const char *text, struct timespec *time)
{
	char *end;
	long unit = 100000000;

	*time = (struct timespec){strtol(text, &end, 10), 0};
	if (end == text && *end != '.')
		return false;
	if (*end == '.') {
		for (end++; *end >= '0' && *end <= '9'; end++, unit /= 10)
			time->tv_nsec += (*end - '0') * unit;
	}
	return *end == '\0' && time->tv_sec >= 0;
}

int main(int argc, char **argv)
{
	struct timespec time;

	if (argc != 2 || !parse_seconds(argv[1], &time))
		return usage("sleep seconds");
	/* Stopped and continued, it sleeps for the rest. */
	while (nanosleep(&time, &time) == -1) {
		if (errno != EINTR)
			return complain("sleep", argv[1]);
	}
	return 0;
}
