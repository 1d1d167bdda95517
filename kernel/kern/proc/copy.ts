/**
 * The kernel's access to user memory (copy(9)). It goes through the MMU, as a load or store of
 * S-mode would, so absent pages are faulted in and protections are enforced.
 */

import { EFAULT, type Errno } from "../../../sys/errno.ts";
import { PAGE_MASK, PAGE_SIZE, VM_MAXUSER_ADDRESS } from "../../../sys/vmparam.ts";
import type { Kernel } from "../../kernel.ts";
import type { vm_map } from "../../uvm/uvm_map_entry.ts";
import {
	UIO_FAULT,
	UIO_SLEEPS,
	uiocharge,
	uiocopy,
	uiofault_nosleep,
	uiomove,
	uiopage,
	uiotranslate,
} from "../../uvm/uvm_uiomove.ts";
import type { Sleeps } from "../core/kern_synch.ts";

/**
 * Copy `bytes` to user address `va` of `map`, the running process's.
 * => sleeps for page faults. 0, or EFAULT; then a part may have been copied. If memory was short,
 *    l_nomem is set, and the process is killed after its system call.
 */
export function* copyout(k: Kernel, map: vm_map, bytes: Uint8Array, va: number): Sleeps<Errno> {
	if (va + bytes.length > VM_MAXUSER_ADDRESS) return EFAULT;
	return yield* uiomove(k, map, va, bytes, true);
}

/** copyout of a word. => `blocked`: copyout_word_nosleep has just returned COPY_SLEEPS. */
export function* copyout_word(
	k: Kernel,
	map: vm_map,
	word: number,
	va: number,
	blocked = false,
): Sleeps<Errno> {
	const bytes = new Uint8Array(new Int32Array([word]).buffer);
	if (va + WORD > VM_MAXUSER_ADDRESS) return EFAULT;
	return yield* uiomove(k, map, va, bytes, true, 0, blocked);
}

/** No errno: a page fault has to sleep; or the word is not in one page, and nothing was done. */
export const COPY_SLEEPS = -1;
export const COPY_PAGES = -2;

/** copyout_word without sleeping. => as that, or COPY_. */
export function copyout_word_nosleep(k: Kernel, map: vm_map, word: number, va: number): Errno {
	if (va + WORD > VM_MAXUSER_ADDRESS) return EFAULT;
	if (uiopage(va) < WORD) return COPY_PAGES;
	const ua = uiotranslate(k, map, va, true);
	if (ua === UIO_SLEEPS) return COPY_SLEEPS;
	if (ua < 0) return EFAULT;
	for (let i = 0; i < WORD; i++) k.wordbytes[i] = word >>> (8 * i);
	uiocopy(k, ua, k.wordbytes, 0, WORD, true);
	uiocharge(k, ua, WORD);
	return 0;
}

const WORD = 4;

/** Fill `bytes` from user address `va`. => as copyout; `from` and `blocked` as of uiomove. */
export function* copyin(
	k: Kernel,
	map: vm_map,
	va: number,
	bytes: Uint8Array,
	from = 0,
	blocked = false,
): Sleeps<Errno> {
	const l = k.curlwp;
	if (l.l_recall >= 0) {
		bytes.set(l.l_copied[l.l_recall++]!);
		return 0;
	}
	if (va + bytes.length > VM_MAXUSER_ADDRESS) return EFAULT;
	const again = l.l_again;
	const error = yield* uiomove(k, map, va, bytes, false, from, blocked);
	if (again && error === 0) {
		l.l_again = true;
		l.l_copied.push(bytes);
	}
	return error;
}

/**
 * Whether the byte at `va` can be stored to, before data is taken from where it cannot be put back.
 * => never sleeps: where it is, UIO_FAULT, or UIO_SLEEPS, and uiofault_wait goes on.
 */
export const copyout_probe = (k: Kernel, map: vm_map, va: number): number =>
	va >= VM_MAXUSER_ADDRESS ? UIO_FAULT : uiofault_nosleep(k, map, va, true);

/**
 * A string that ends with a zero byte, at most `max` bytes with it; a byte is a character.
 * => null: EFAULT or too long. Sleeps.
 */
export function* copyinstr(k: Kernel, map: vm_map, va: number, max: number): Sleeps<string | null> {
	let text = "";
	for (let done = 0; done < max; ) {
		// Stop at the end of the page: the next one may not be mapped.
		const n = Math.min(PAGE_SIZE - ((va + done) & PAGE_MASK), max - done, STRING_CHUNK);
		const bytes = new Uint8Array(n);
		if ((yield* copyin(k, map, va + done, bytes)) !== 0) return null;
		const end = bytes.indexOf(0);
		text += String.fromCharCode(...(end < 0 ? bytes : bytes.subarray(0, end)));
		if (end >= 0) return text;
		done += n;
	}
	return null;
}

const STRING_CHUNK = 256;
