/* ps: the processes. Sizes are in KiB, TIME is what was spent in user mode. */
#include "../rt/uvmctl.h"
#include "util.h"

int main(void)
{
	size_t size;
	struct proc_entry *entries = uvmctl_table(UVMCTL_PROC, &size);

	if (entries == NULL)
		return complain("ps", "the table of processes");
	printf("%5s %5s %5s %-4s %7s %7s %7s %7s %9s %s\n", "PID", "PPID", "PGID", "STAT", "VSZ",
	       "RSS", "MINFLT", "MAJFLT", "TIME", "COMMAND");
	for (size_t i = 0; i < size / sizeof(struct proc_entry); i++) {
		const struct proc_entry *entry = &entries[i];
		u32 hundredths = (u32)(entry->user_ns / 10000000);
		printf("%5u %5u %5u %-4c %7u %7u %7u %7u %3u:%02u.%02u %.16s\n", entry->pid,
		       entry->ppid, entry->pgid, (char)entry->state, entry->virtual * 4,
		       entry->resident * 4, entry->minflt, entry->majflt, hundredths / 6000,
		       hundredths / 100 % 60, hundredths % 100, entry->name);
	}
	return 0;
}
