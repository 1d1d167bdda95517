/** Programs of a few instructions that do one thing over and over. */

/** Where the file is loaded, header and all. */
const BASE = 0x10000;
const HEADERS = 52 + 32;
/** `addi rd, x0, value`, and the registers of a call's number and first argument. */
const li = (rd: number, value: number): number => (value << 20) | (rd << 7) | 0x13;
const [A7, A0] = [17, 10];
const ECALL = 0x73;
const SYS_CLONE = 220;
const SIGCHLD = 17;
/** `amoadd.w a0, a1, (sp)` */
const AMOADD = 0x00b1_252f;
/** `lr.w a0, (sp)` and `sc.w a1, a0, (sp)` */
const LR_SC = [0x1001_252f, 0x18a1_25af];
/** Of a loop of atomic instructions, which ends with one that is none. */
const ATOMICS = 64;

/** `jal x0`, back over `n` instructions. */
function back(n: number): number {
	const by = -4 * n;
	const [sign, high, bit11, low] = [by >>> 31, by >> 12, by >> 11, by >> 1];
	return (sign << 31) | ((low & 0x3ff) << 21) | ((bit11 & 1) << 20) | ((high & 0xff) << 12) | 0x6f;
}

export const SYS_SCHED_YIELD = 124;
export const SYS_GETPID = 172;

/** An ELF program that calls `number`; `forks`: in two processes. */
export function callImage(number: number, forks = false): Uint8Array {
	const fork = forks ? [li(A7, SYS_CLONE), li(A0, SIGCHLD), ECALL] : [];
	return elf([...fork, li(A7, number), ECALL, back(1)]);
}

const atomics = (group: readonly number[]): Uint8Array => {
	const code = Array.from({ length: ATOMICS / group.length }, () => group).flat();
	return elf([...code, back(ATOMICS)]);
};

/** An ELF program of amoadd.w. */
export const amoImage = (): Uint8Array => atomics([AMOADD]);

/** An ELF program of lr.w and sc.w. */
export const reservationImage = (): Uint8Array => atomics(LR_SC);

function elf(code: readonly number[]): Uint8Array {
	const size = HEADERS + code.length * 4;
	const view = new DataView(new ArrayBuffer(size));
	// e_ident, e_type and e_machine, ...: ELFCLASS32, ELFDATA2LSB, ET_EXEC, EM_RISCV.
	view.setUint32(0, 0x7f45_4c46);
	view.setUint32(4, 0x0101_0100);
	view.setUint16(16, 2, true);
	view.setUint16(18, 243, true);
	view.setUint32(20, 1, true);
	view.setUint32(24, BASE + HEADERS, true);
	view.setUint32(28, 52, true);
	view.setUint16(40, 52, true);
	view.setUint16(42, 32, true);
	view.setUint16(44, 1, true);
	// PT_LOAD, readable and executable.
	[1, 0, BASE, BASE, size, size, 5, 0x1000].forEach((word, i) => {
		view.setUint32(52 + i * 4, word, true);
	});
	code.forEach((word, i) => {
		view.setInt32(HEADERS + i * 4, word, true);
	});
	return new Uint8Array(view.buffer);
}
