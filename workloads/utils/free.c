/* free: memory and swap, in KiB. */
#include "../rt/uvmctl.h"
#include "util.h"

enum { PAGE_KIB = PAGE_BYTES / 1024 };

static void print(const char *name, u64 total, u64 unused)
{
	printf("%-6s %10llu %10llu %10llu\n", name, total * PAGE_KIB, (total - unused) * PAGE_KIB,
	       unused * PAGE_KIB);
}

int main(void)
{
	u64 c[UVM_COUNTERS];

	if (!uvmctl_counters(c))
		return complain("free", "the counters");
	printf("%-6s %10s %10s %10s\n", "", "total", "used", "free");
	print("Mem:", c[UVM_npages], c[UVM_free]);
	print("Swap:", c[UVM_swpages], c[UVM_swpages] - c[UVM_swpginuse]);
	return 0;
}
