/* uptime: how long the machine has been up. */
#include "util.h"

int main(void)
{
	struct timespec time;

	if (clock_gettime(CLOCK_MONOTONIC, &time) == -1)
		return complain("uptime", "clock");
	u32 seconds = (u32)time.tv_sec;
	printf("up %u:%02u:%02u.%03u\n", seconds / 3600, seconds / 60 % 60, seconds % 60,
	       (u32)time.tv_nsec / 1000000);
	return 0;
}
