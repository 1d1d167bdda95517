/*
 * The system call of our own: the VM system's counters and tables, as ps and vmstat show them.
 * A kernel without it answers ENOSYS.
 */
#ifndef UVMCTL_H
#define UVMCTL_H

#include "rt.h"

#define UVMCTL_UVMEXP 0 /* u32 count, then that many u64, in the order of enum counter */
#define UVMCTL_SWAP 1 /* struct swap_entry for each device */
#define UVMCTL_PROC 2 /* struct proc_entry for each process */
#define UVMCTL_SETVM 16 /* changes a tunable: a text such as "vm.anonmin=20" */
#define UVMCTL_POOL 3 /* struct pool_entry for each pool of kernel memory */

struct swap_entry {
	char path[32];
	int priority;
	u32 pages;
	u32 inuse;
	u32 bad;
};

struct proc_entry {
	u32 pid;
	u32 ppid;
	u32 pgid;
	u32 state; /* a letter: R, S, D (no signal ends its sleep), T (stopped) or Z (ended) */
	u32 resident;
	u32 virtual;
	u32 minflt;
	u32 majflt;
	u64 user_ns;
	char name[16];
};

struct pool_entry {
	char name[16];
	u32 size; /* bytes of an item */
	u32 inuse;
	u32 pages;
	u32 maxpages;
	u32 idle; /* pages that the page daemon would get */
	u32 perpage;
	u64 requests;
	u64 failed;
	u32 taken; /* pages, since the start */
	u32 released;
};

_Static_assert(sizeof(struct swap_entry) == 48 && sizeof(struct proc_entry) == 56 &&
		       sizeof(struct pool_entry) == 64,
	       "as the kernel writes them");

/* Fields of struct uvmexp. */
enum counter {
	UVM_npages, UVM_free, UVM_active, UVM_inactive, UVM_paging, UVM_wired,
	UVM_reserve_pagedaemon, UVM_reserve_kernel, UVM_freemin, UVM_freetarg, UVM_inactarg,
	UVM_wiredmax,
	UVM_nswapdev, UVM_swpages, UVM_swpgavail, UVM_swpginuse, UVM_swpgonly, UVM_swpgbad,
	UVM_faults, UVM_traps, UVM_intrs, UVM_swtch, UVM_syscalls, UVM_pageins, UVM_pgswapin,
	UVM_pgswapout, UVM_pga_zeromiss, UVM_nanon,
	UVM_fltnoram, UVM_fltnoanon, UVM_fltpgwait, UVM_fltrelck, UVM_fltnamap, UVM_fltnomap,
	UVM_fltamcopy, UVM_fltlget, UVM_fltget, UVM_flt_anon, UVM_flt_acow, UVM_flt_obj,
	UVM_flt_prcopy, UVM_flt_przero,
	UVM_pdwoke, UVM_pdrevs, UVM_pdscans, UVM_pdanscan, UVM_pdobscan, UVM_pdreact, UVM_pdbusy,
	UVM_pdfreed, UVM_pdpageouts, UVM_pdpending, UVM_pddeact,
	UVM_fltcownow,
	UVM_pdswout,
	UVM_anonpages, UVM_filepages, UVM_execpages,
	UVM_anonminpct, UVM_fileminpct, UVM_execminpct,
	UVM_anonmaxpct, UVM_filemaxpct, UVM_execmaxpct,
	UVM_pdreanon, UVM_pdrefile, UVM_pdreexec,
	UVM_loanpages, UVM_loans, UVM_loanbreaks,
	UVM_zeropages, UVM_pga_zerohit, UVM_zeroaborts,
	UVM_poolpages,
	UVM_COUNTERS,
};

/* uvmctl.c */
int uvmctl(int what, void *buffer, size_t size);

/* The table `what` in memory from malloc, and its size; NULL if the kernel has none. */
void *uvmctl_table(int what, size_t *size);

/* Counters that the kernel does not count are 0. */
bool uvmctl_counters(u64 counters[UVM_COUNTERS]);

#endif
