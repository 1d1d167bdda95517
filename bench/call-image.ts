/** Programs of a few instructions that make one system call over and over. */

/** Where the file is loaded, header and all. */
const BASE = 0x10000;
const HEADERS = 52 + 32;
/** `addi rd, x0, value`, and the registers of a call's number and first argument. */
const li = (rd: number, value: number): number => (value << 20) | (rd << 7) | 0x13;
const [A7, A0] = [17, 10];
const ECALL = 0x73;
/** `jal x0, -4`. */
const BACK = 0xffdf_f06f | 0;
const SYS_CLONE = 220;
const SIGCHLD = 17;

export const SYS_SCHED_YIELD = 124;
export const SYS_GETPID = 172;

/** An ELF program that calls `number`; `forks`: in two processes. */
export function callImage(number: number, forks = false): Uint8Array {
	const fork = forks ? [li(A7, SYS_CLONE), li(A0, SIGCHLD), ECALL] : [];
	const code = [...fork, li(A7, number), ECALL, BACK];
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
