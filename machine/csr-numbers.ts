/**
 * Numbers of the control and status registers. Privileged specification 1.12, tables 2.2-2.5.
 * Bits 11..10 of a number are 3 for a read-only register; bits 9..8 are the lowest privilege.
 */
export const CSR = {
	fflags: 0x001,
	frm: 0x002,
	fcsr: 0x003,
	sstatus: 0x100,
	sie: 0x104,
	stvec: 0x105,
	scounteren: 0x106,
	senvcfg: 0x10a,
	sscratch: 0x140,
	sepc: 0x141,
	scause: 0x142,
	stval: 0x143,
	sip: 0x144,
	stimecmp: 0x14d,
	stimecmph: 0x15d,
	satp: 0x180,
	mstatus: 0x300,
	misa: 0x301,
	medeleg: 0x302,
	mideleg: 0x303,
	mie: 0x304,
	mtvec: 0x305,
	mcounteren: 0x306,
	menvcfg: 0x30a,
	mstatush: 0x310,
	menvcfgh: 0x31a,
	mcountinhibit: 0x320,
	mscratch: 0x340,
	mepc: 0x341,
	mcause: 0x342,
	mtval: 0x343,
	mip: 0x344,
	pmpcfg0: 0x3a0,
	pmpaddr0: 0x3b0,
	mcycle: 0xb00,
	minstret: 0xb02,
	mcycleh: 0xb80,
	minstreth: 0xb82,
	cycle: 0xc00,
	time: 0xc01,
	instret: 0xc02,
	cycleh: 0xc80,
	timeh: 0xc81,
	instreth: 0xc82,
	mvendorid: 0xf11,
	marchid: 0xf12,
	mimpid: 0xf13,
	mhartid: 0xf14,
	mconfigptr: 0xf15,
} as const;

export type CsrName = keyof typeof CSR;

/** Rows of registers of one kind: the first number, and how many there are. */
export const CSR_ROWS = {
	mhpmevent: { first: 0x323, count: 29 },
	pmpcfg: { first: CSR.pmpcfg0, count: 16 },
	pmpaddr: { first: CSR.pmpaddr0, count: 64 },
	/** tselect, tdata1..3, tinfo. */
	trigger: { first: 0x7a0, count: 5 },
	mhpmcounter: { first: 0xb03, count: 29 },
	mhpmcounterh: { first: 0xb83, count: 29 },
	hpmcounter: { first: 0xc03, count: 29 },
	hpmcounterh: { first: 0xc83, count: 29 },
} as const;

export type CsrRow = keyof typeof CSR_ROWS;

/** How many numbers there are: an instruction has 12 bits for one. */
export const CSR_COUNT = 4096;

/** The lowest privilege that may access register `csr`. */
export const csrPrivilege = (csr: number): number => (csr >>> 8) & 3;

export const isReadOnlyCsr = (csr: number): boolean => csr >>> 10 === 3;

/** For names and numbers that come from outside. */
export const CSR_BY_NAME: ReadonlyMap<string, number> = new Map(Object.entries(CSR));
export const CSR_NAMES: ReadonlyMap<number, string> = new Map(
	Object.entries(CSR).map(([name, csr]) => [csr, name]),
);
