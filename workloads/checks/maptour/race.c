/*
 * Memory that goes away while it comes from swap.
 */
#include "tour.h"

static void fetcher(void)
{
	for (u32 round = 0; round < 12; round++) {
		await();
		for (u32 page = 0; page < 4; page++)
			readable(at(kept, page)); /* fails on a disk that cannot be read */
		turn();
	}
}

void race(bool sound)
{
	struct timespec moment = {0, 50000000};

	kept = map(8, ANON_SHARED, -1);
	start_other(fetcher);
	for (u32 round = 0; round < 12; round++) {
		if (!sound || round % 2 == 0)
			stamp(kept, 0, 8, 1);
		advise(kept, 8, MADV_PAGEOUT, 0, "PAGEOUT");
		if (GUEST)
			nanosleep(&moment, NULL); /* until it is written */
		turn();
		for (u32 i = 0; i <= round / 4; i++)
			sched_yield();
		advise(kept, 4, MADV_REMOVE, 0, "REMOVE");
		await();
		check(kept, 0, 4, 0, "REMOVE of what comes from swap");
		if (sound)
			check(kept, 4, 4, 1, "behind REMOVE");
		else
			advise(at(kept, 4), 4, MADV_REMOVE, 0, "REMOVE");
	}
	end_other();
	unmap(kept, 8);
}

void stop_race(void)
{
	race(true);
}
