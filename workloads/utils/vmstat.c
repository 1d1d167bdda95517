/*
 * vmstat [interval [count]]: a line of what happens to memory, first since the start, then for
 *                            each interval of seconds
 * vmstat -s                  all counters
 * vmstat -m                  the pools of kernel memory that have been used: bytes of an item, requests
 *                            and those refused, items in use; pages taken, released and held, the
 *                            most held, and those that are idle
 *
 *   r b   processes that run or could, and that wait for a transfer
 *   avm   pages of memory in use by programs; fre: free pages
 *   flt   page faults; re: pages used again before they were taken; pi po: pages read from swap
 *         and written to it; fr: pages that the page daemon freed; sr: pages it looked at
 *   in sy cs  interrupts, system calls, switches
 *
 * Events are for each second of an interval; those since the start are for each second of uptime.
 */
#include "../rt/uvmctl.h"
#include "util.h"

static const struct {
	enum counter counter;
	const char *text;
} texts[] = {
	{UVM_npages, "pages managed"},
	{UVM_free, "pages free"},
	{UVM_active, "pages active"},
	{UVM_inactive, "pages inactive"},
	{UVM_paging, "pages paging"},
	{UVM_wired, "pages wired"},
	{UVM_reserve_pagedaemon, "reserve pagedaemon pages"},
	{UVM_reserve_kernel, "reserve kernel pages"},
	{UVM_freemin, "minimum free pages"},
	{UVM_freetarg, "target free pages"},
	{UVM_inactarg, "target inactive pages"},
	{UVM_wiredmax, "maximum wired pages"},
	{UVM_nswapdev, "swap devices"},
	{UVM_swpages, "swap pages"},
	{UVM_swpgavail, "swap pages available"},
	{UVM_swpginuse, "swap pages in use"},
	{UVM_swpgonly, "swap pages whose contents are nowhere else"},
	{UVM_swpgbad, "bad swap pages"},
	{UVM_poolpages, "pages of kernel memory in pools"},
	{UVM_nanon, "total anons"},
	{UVM_faults, "total faults taken"},
	{UVM_traps, "traps"},
	{UVM_intrs, "device interrupts"},
	{UVM_swtch, "CPU context switches"},
	{UVM_syscalls, "system calls"},
	{UVM_pageins, "pagein requests"},
	{UVM_pgswapin, "pages swapped in"},
	{UVM_pgswapout, "pages swapped out"},
	{UVM_zeropages, "pages free and zeroed"},
	{UVM_pga_zerohit, "page zeroes wanted and there"},
	{UVM_pga_zeromiss, "page zeroes on demand"},
	{UVM_zeroaborts, "page zeroes while idle given up"},
	{UVM_fltnoram, "faults with no memory"},
	{UVM_fltnoanon, "faults with no anons"},
	{UVM_fltpgwait, "faults had to wait on pages"},
	{UVM_fltrelck, "faults that relocked and went on"},
	{UVM_fltnamap, "faults on mappings without amap"},
	{UVM_fltnomap, "faults outside of any mapping"},
	{UVM_fltamcopy, "amap copy faults"},
	{UVM_fltlget, "gets of object pages at once"},
	{UVM_fltget, "gets of object pages that slept"},
	{UVM_flt_anon, "anon faults"},
	{UVM_flt_acow, "anon copy on write faults"},
	{UVM_flt_obj, "object faults"},
	{UVM_flt_prcopy, "promote copy faults"},
	{UVM_flt_przero, "promote zero fill faults"},
	{UVM_fltcownow, "pages copied at fork"},
	{UVM_pdswout, "page tables taken back"},
	{UVM_loanpages, "pages on loan"},
	{UVM_loans, "total loans of pages"},
	{UVM_loanbreaks, "pages on loan copied for a store"},
	{UVM_pdwoke, "times daemon wokeup"},
	{UVM_pdrevs, "revolutions of the clock hand"},
	{UVM_pdscans, "pages scanned by daemon"},
	{UVM_pdanscan, "anonymous pages scanned by daemon"},
	{UVM_pdobscan, "object pages scanned by daemon"},
	{UVM_pdreact, "pages reactivated"},
	{UVM_pdbusy, "pages found busy by daemon"},
	{UVM_pdfreed, "pages freed by daemon"},
	{UVM_pdpageouts, "pageouts of daemon"},
	{UVM_pdpending, "pages pending pageout"},
	{UVM_pddeact, "pages deactivated"},
};

static int all_counters(void)
{
	u64 counters[UVM_COUNTERS];

	if (!uvmctl_counters(counters))
		return complain("vmstat", "the counters");
	printf("%9u bytes per page\n", PAGE_BYTES);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		printf("%9llu %s\n", counters[texts[i].counter], texts[i].text);
	return 0;
}

static int all_pools(void)
{
	size_t size;
	struct pool_entry *entries = uvmctl_table(UVMCTL_POOL, &size);
	u32 pages = 0;
	u64 used = 0;

	if (entries == NULL)
		return complain("vmstat", "the pools");
	printf("Memory resource pool statistics\n");
	printf("%-11s %5s %9s %5s %7s %6s %6s %5s %5s %4s\n", "Name", "Size", "Requests", "Fail", "InUse",
	       "Pgreq", "Pgrel", "Npage", "Hiwat", "Idle");
	for (size_t i = 0; i < size / sizeof(struct pool_entry); i++) {
		const struct pool_entry *pool = &entries[i];
		pages += pool->pages;
		used += (u64)pool->inuse * pool->size;
		if (pool->requests == 0 && pool->failed == 0 && pool->pages == 0)
			continue;
		printf("%-11s %5u %9llu %5llu %7u %6u %6u %5u %5u %4u\n", pool->name, pool->size,
		       pool->requests, pool->failed, pool->inuse, pool->taken, pool->released,
		       pool->pages, pool->maxpages, pool->idle);
	}
	printf("In use %lluK, total allocated %uK\n", (used + 1023) / 1024, pages * (PAGE_BYTES / 1024));
	free(entries);
	return 0;
}

static void count_processes(u32 *running, u32 *blocked)
{
	size_t size;
	struct proc_entry *entries = uvmctl_table(UVMCTL_PROC, &size);

	*running = *blocked = 0;
	for (size_t i = 0; entries != NULL && i < size / sizeof(struct proc_entry); i++) {
		*running += entries[i].state == 'R';
		*blocked += entries[i].state == 'D';
	}
	free(entries);
}

static u32 milliseconds_up(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (u32)time.tv_sec * 1000 + (u32)time.tv_nsec / 1000000;
}

static void print_header(void)
{
	printf(" procs    memory       page                             faults\n");
	printf(" r b      avm     fre   flt   re   pi   po    fr    sr    in    sy   cs\n");
}

static void print_line(const u64 *now, const u64 *before, u32 elapsed)
{
	u32 running;
	u32 blocked;
	u64 rate[UVM_COUNTERS];

	if (elapsed == 0)
		elapsed = 1;
	for (int i = 0; i < UVM_COUNTERS; i++)
		rate[i] = ((now[i] - before[i]) * 1000 + elapsed / 2) / elapsed;
	count_processes(&running, &blocked);
	printf(" %u %u %8llu %7llu %5llu %4llu %4llu %4llu %5llu %5llu %5llu %5llu %4llu\n", running,
	       blocked, now[UVM_active] + now[UVM_swpgonly], now[UVM_free], rate[UVM_faults],
	       rate[UVM_pdreact], rate[UVM_pgswapin], rate[UVM_pgswapout], rate[UVM_pdfreed],
	       rate[UVM_pdscans], rate[UVM_intrs], rate[UVM_syscalls], rate[UVM_swtch]);
}

static int watch(u32 interval, u32 count)
{
	u64 counters[2][UVM_COUNTERS];
	u32 before = 0;

	memset(counters, 0, sizeof(counters));
	for (u32 i = 0; i < count; i++) {
		struct timespec pause = {interval, 0};
		if (i > 0)
			nanosleep(&pause, NULL);
		if (!uvmctl_counters(counters[i % 2]))
			return complain("vmstat", "the counters");
		u32 now = milliseconds_up();
		if (i % 20 == 0)
			print_header();
		print_line(counters[i % 2], counters[(i + 1) % 2], now - before);
		before = now;
	}
	return 0;
}

int main(int argc, char **argv)
{
	u32 interval = 1;
	u32 count = argc == 2 ? UINT32_MAX : 1;

	if (argc == 2 && strcmp(argv[1], "-s") == 0)
		return all_counters();
	if (argc == 2 && strcmp(argv[1], "-m") == 0)
		return all_pools();
	if (argc > 3 || !argument(argc, argv, 1, 1, 1000000, &interval) ||
	    !argument(argc, argv, 2, 1, UINT32_MAX, &count))
		return usage("vmstat [interval [count]] | vmstat -s | vmstat -m");
	return watch(interval, count);
}
