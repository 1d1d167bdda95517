/**
 * Flags of the UVM interface, and the statistics that users see (uvm_extern.h).
 */

/** uvm_map flags, beside protection, inheritance and advice, which are separate arguments. */
export const UVM_FLAG_FIXED = 0x010000;
export const UVM_FLAG_OVERLAY = 0x020000;
export const UVM_FLAG_NOMERGE = 0x040000;
export const UVM_FLAG_COPYONW = 0x080000;
export const UVM_FLAG_GROWSDOWN = 0x100000;

/** vm_map_entry.etype */
export const UVM_ET_OBJ = 0x01;
export const UVM_ET_SUBMAP = 0x02;
export const UVM_ET_COPYONWRITE = 0x04;
export const UVM_ET_NEEDSCOPY = 0x08;
/** A part of the stack: a fault below it extends it (uvm_grow). */
export const UVM_ET_GROWSDOWN = 0x10;
/** Of a wired entry: those of its pages are wired that were mapped or that a fault brings in. */
export const UVM_ET_ONFAULT = 0x20;

/** Inheritance across fork. */
export const UVM_INH_SHARE = 0;
export const UVM_INH_COPY = 1;
export const UVM_INH_NONE = 2;
/** The child gets zeros (MAP_INHERIT_ZERO of NetBSD 7). */
export const UVM_INH_ZERO = 4;

/** Advice: how many neighbours a fault looks at. */
export const UVM_ADV_NORMAL = 0;
export const UVM_ADV_RANDOM = 1;
export const UVM_ADV_SEQUENTIAL = 2;
export type uvm_advice = typeof UVM_ADV_NORMAL | typeof UVM_ADV_RANDOM | typeof UVM_ADV_SEQUENTIAL;

/** An offset that uvm_map chooses itself. */
export const UVM_UNKNOWN_OFFSET = -1;

/** uvm_pagealloc flags. */
export const UVM_PGA_USERESERVE = 1;
export const UVM_PGA_ZERO = 2;

/** Kinds of fault that uvm_fault resolves. */
export const VM_FAULT_INVALID = 0;
export const VM_FAULT_WIRE = 2;

/** Counters and targets, in pages unless said otherwise. Names are NetBSD's. */
export interface uvmexp {
	npages: number;
	free: number;
	active: number;
	inactive: number;
	/** Pages in flight to swap, that will be free when the write is done. */
	paging: number;
	wired: number;

	/** Free pages kept for the page daemon, and for the kernel. */
	reserve_pagedaemon: number;
	reserve_kernel: number;
	/** Targets of the page daemon. */
	freemin: number;
	freetarg: number;
	inactarg: number;
	wiredmax: number;

	/** Pages of anonymous memory, of files, and of files that are mapped as programs. */
	anonpages: number;
	filepages: number;
	execpages: number;
	/** Shares of the memory that can be paged which they should have at least, and at most, in %. */
	anonminpct: number;
	fileminpct: number;
	execminpct: number;
	anonmaxpct: number;
	filemaxpct: number;
	execmaxpct: number;

	nswapdev: number;
	swpages: number;
	/** swpages without bad slots and without devices that are being taken out of use. */
	swpgavail: number;
	swpginuse: number;
	/** Slots in use whose page is not also in memory. */
	swpgonly: number;
	/** Slots that can never be used again. */
	swpgbad: number;

	/** Events. */
	faults: number;
	traps: number;
	intrs: number;
	swtch: number;
	syscalls: number;
	pageins: number;
	pgswapin: number;
	pgswapout: number;
	/** Pages zeroed on allocation (UVM_PGA_ZERO). */
	pga_zeromiss: number;
	nanon: number;

	fltnoram: number;
	fltnoanon: number;
	fltpgwait: number;
	fltrelck: number;
	fltnamap: number;
	fltnomap: number;
	fltamcopy: number;
	fltlget: number;
	fltget: number;
	flt_anon: number;
	flt_acow: number;
	/** Anons copied at fork because they are wired. */
	fltcownow: number;
	flt_obj: number;
	flt_prcopy: number;
	flt_przero: number;

	/** Page daemon. */
	pdwoke: number;
	pdrevs: number;
	pdscans: number;
	pdanscan: number;
	pdobscan: number;
	pdreact: number;
	/** Pages reactivated because there were few enough of their kind. */
	pdreanon: number;
	pdrefile: number;
	pdreexec: number;
	pdbusy: number;
	pdfreed: number;
	pdpageouts: number;
	pdpending: number;
	pddeact: number;
	/** Processes whose page tables were freed. */
	pdswout: number;

	/** Loans that are outstanding; a page that is lent twice counts twice. */
	loanpages: number;
	/** Pages that were lent, and those of them that were copied because of a store meanwhile. */
	loans: number;
	loanbreaks: number;

	/** Free pages that are zeroed already. */
	zeropages: number;
	/** Allocations with UVM_PGA_ZERO that got one of them; pga_zeromiss: the others. */
	pga_zerohit: number;
	/** Times the processor became busy while it zeroed a page. */
	zeroaborts: number;
	/** Pages of kernel memory that pools hold (not in `wired`). */
	poolpages: number;
}

/** NetBSD's defaults. */
const BALANCE = {
	anonminpct: 10,
	fileminpct: 10,
	execminpct: 5,
	anonmaxpct: 80,
	filemaxpct: 50,
	execmaxpct: 30,
};

/** Counters of the page daemon. */
const PDAEMON = {
	pdwoke: 0,
	pdrevs: 0,
	pdscans: 0,
	pdanscan: 0,
	pdobscan: 0,
	pdreact: 0,
	pdreanon: 0,
	pdrefile: 0,
	pdreexec: 0,
	pdbusy: 0,
	pdfreed: 0,
	pdpageouts: 0,
	pdpending: 0,
	pddeact: 0,
	pdswout: 0,
};

export function uvmexp_init(): uvmexp {
	return {
		npages: 0,
		free: 0,
		active: 0,
		inactive: 0,
		paging: 0,
		wired: 0,
		reserve_pagedaemon: 1,
		reserve_kernel: 5,
		freemin: 0,
		freetarg: 0,
		inactarg: 0,
		wiredmax: 0,
		anonpages: 0,
		filepages: 0,
		execpages: 0,
		...BALANCE,
		nswapdev: 0,
		swpages: 0,
		swpgavail: 0,
		swpginuse: 0,
		swpgonly: 0,
		swpgbad: 0,
		faults: 0,
		traps: 0,
		intrs: 0,
		swtch: 0,
		syscalls: 0,
		pageins: 0,
		pgswapin: 0,
		pgswapout: 0,
		pga_zeromiss: 0,
		nanon: 0,
		fltnoram: 0,
		fltnoanon: 0,
		fltpgwait: 0,
		fltrelck: 0,
		fltnamap: 0,
		fltnomap: 0,
		fltamcopy: 0,
		fltlget: 0,
		fltget: 0,
		flt_anon: 0,
		flt_acow: 0,
		fltcownow: 0,
		flt_obj: 0,
		flt_prcopy: 0,
		flt_przero: 0,
		...PDAEMON,
		loanpages: 0,
		loans: 0,
		loanbreaks: 0,
		zeropages: 0,
		pga_zerohit: 0,
		zeroaborts: 0,
		poolpages: 0,
	};
}
