/** The initial stack of a program (sys/kern/exec_elf32.c: copyargs). */
import { MAXSSIZ, PAGE_SIZE, USRSTACK } from "../../../sys/vmparam.ts";
import type { elf_image } from "./exec_elf32.ts";

/** Arguments and environment: strings without their final zero byte. */
export interface exec_args {
	readonly argv: readonly Uint8Array[];
	readonly envp: readonly Uint8Array[];
}

const AT_NULL = 0;
const AT_PHDR = 3;
const AT_PHENT = 4;
const AT_PHNUM = 5;
const AT_PAGESZ = 6;
const AT_ENTRY = 9;
const AT_HWCAP = 16;
const AT_RANDOM = 25;
/** A bit for each letter of the instruction set, from A. */
const HWCAP = [..."IMAFDC"].reduce((bits, c) => bits | (1 << (c.charCodeAt(0) - 65)), 0);
const PHDR_SIZE = 32;

/**
 * argc, argv, the environment, the auxiliary vector, and behind them the strings.
 * => null if that is more than a quarter of the stack.
 */
export function exec_stack(
	image: elf_image,
	{ argv, envp }: exec_args,
	random: Uint8Array,
): Uint8Array | null {
	const auxv: [number, number][] = [
		[AT_PAGESZ, PAGE_SIZE],
		[AT_ENTRY, image.entry],
		[AT_HWCAP, HWCAP],
		[AT_RANDOM, 0],
	];
	if (image.phdr !== 0) {
		auxv.push([AT_PHDR, image.phdr], [AT_PHENT, PHDR_SIZE], [AT_PHNUM, image.phnum]);
	}
	auxv.push([AT_NULL, 0]);
	const words = 1 + argv.length + 1 + envp.length + 1 + auxv.length * 2;
	const text = [...argv, ...envp].reduce((sum, s) => sum + s.length + 1, 0) + random.length;
	const size = Math.ceil((words * 4 + text) / 16) * 16;
	if (size > MAXSSIZ / 4) return null;
	const base = USRSTACK - size;
	const bytes = new Uint8Array(size);
	const view = new DataView(bytes.buffer);
	let word = 0;
	let at = words * 4;
	const put = (value: number): void => view.setUint32(word++ * 4, value, true);
	const strings = (list: readonly Uint8Array[]): void => {
		for (const s of list) {
			put(base + at);
			bytes.set(s, at);
			at += s.length + 1;
		}
		put(0);
	};
	put(argv.length);
	strings(argv);
	strings(envp);
	bytes.set(random, at);
	for (const [type, value] of auxv) {
		put(type);
		put(type === AT_RANDOM ? base + at : value);
	}
	return bytes;
}
