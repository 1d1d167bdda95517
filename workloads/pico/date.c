/* date [+format]: the time, in UTC, by default as "Sat Nov 21 05:13:00 UTC 2026" (strftime). */
#include <stdio.h>
#include <string.h>
#include <time.h>

int main(int argc, char **argv)
{
	const char *format = "%a %b %e %H:%M:%S UTC %Y";
	char text[256];
	time_t now = time(NULL);

	if (argc > 2 || (argc == 2 && argv[1][0] != '+')) {
		fprintf(stderr, "usage: date [+format]\n");
		return 2;
	}
	if (argc == 2)
		format = argv[1] + 1;
	if (strftime(text, sizeof(text), format, gmtime(&now)) == 0 && *format != '\0')
		return 1;
	puts(text);
	return 0;
}
