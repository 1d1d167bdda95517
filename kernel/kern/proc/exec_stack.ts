/** The initial stack of a program (sys/kern/exec_elf32.c: copyargs). */
import { PAGE_SIZE, USRSTACK } from "../../../sys/vmparam.ts";
import type { elf_image } from "./exec_elf32.ts";
import type { ucred } from "./ucred.ts";

/** Arguments and environment: strings without their final zero byte. */
export interface exec_args {
	readonly argv: readonly Uint8Array[];
	readonly envp: readonly Uint8Array[];
	/** The path that was executed. */
	readonly execfn: Uint8Array;
	/** Who the program runs as. */
	readonly cred: ucred;
	/** RLIMIT_STACK, in bytes. */
	readonly stack: number;
}

const AT_NULL = 0;
const AT_PHDR = 3;
const AT_PHENT = 4;
const AT_PHNUM = 5;
const AT_PAGESZ = 6;
const AT_BASE = 7;
const AT_FLAGS = 8;
const AT_ENTRY = 9;
const AT_UID = 11;
const AT_EUID = 12;
const AT_GID = 13;
const AT_EGID = 14;
const AT_HWCAP = 16;
const AT_CLKTCK = 17;
const AT_SECURE = 23;
const AT_RANDOM = 25;
const AT_EXECFN = 31;
/** times() counts in hundredths of a second. */
const CLOCK_TICKS = 100;
/** What all of it may take on a small stack, and on an unlimited one. */
const ARGS_MIN = 256 * 1024;
const ARGS_MAX = 6 * 1024 * 1024;
/** A bit for each letter of the instruction set, from A. */
const HWCAP = [..."IMAFDC"].reduce((bits, c) => bits | (1 << (c.charCodeAt(0) - 65)), 0);
const PHDR_SIZE = 32;

/**
 * argc, argv, the environment, the auxiliary vector, and behind them the strings.
 * => null if that is more than a quarter of RLIMIT_STACK, and more than ARGS_MIN.
 */
export function exec_stack(
	image: elf_image,
	{ argv, envp, execfn, cred, stack }: exec_args,
	random: Uint8Array,
): Uint8Array | null {
	const auxv: [number, number][] = [
		[AT_PAGESZ, PAGE_SIZE],
		[AT_BASE, 0],
		[AT_FLAGS, 0],
		[AT_ENTRY, image.entry],
		[AT_UID, cred.cr_uid],
		[AT_EUID, cred.cr_euid],
		[AT_GID, cred.cr_gid],
		[AT_EGID, cred.cr_egid],
		[AT_SECURE, cred.cr_uid === cred.cr_euid && cred.cr_gid === cred.cr_egid ? 0 : 1],
		[AT_HWCAP, HWCAP],
		[AT_CLKTCK, CLOCK_TICKS],
		[AT_RANDOM, 0],
		[AT_EXECFN, 0],
	];
	if (image.phdr !== 0) {
		auxv.push([AT_PHDR, image.phdr], [AT_PHENT, PHDR_SIZE], [AT_PHNUM, image.phnum]);
	}
	auxv.push([AT_NULL, 0]);
	const words = 1 + argv.length + 1 + envp.length + 1 + auxv.length * 2;
	const strings = [...argv, ...envp, execfn];
	const text = strings.reduce((sum, s) => sum + s.length + 1, 0) + random.length;
	const size = Math.ceil((words * 4 + text) / 16) * 16;
	if (size > Math.min(Math.max(stack / 4, ARGS_MIN), ARGS_MAX)) return null;
	const base = USRSTACK - size;
	const bytes = new Uint8Array(size);
	const view = new DataView(bytes.buffer);
	let word = 0;
	let at = words * 4;
	const put = (value: number): void => view.setUint32(word++ * 4, value, true);
	const store = (data: Uint8Array, size: number): number => {
		const va = base + at;
		bytes.set(data, at);
		at += size;
		return va;
	};
	const vector = (list: readonly Uint8Array[]): void => {
		for (const s of list) put(store(s, s.length + 1));
		put(0);
	};
	put(argv.length);
	vector(argv);
	vector(envp);
	const pointers = new Map([
		[AT_RANDOM, store(random, random.length)],
		[AT_EXECFN, store(execfn, execfn.length + 1)],
	]);
	for (const [type, value] of auxv) {
		put(type);
		put(pointers.get(type) ?? value);
	}
	return bytes;
}
