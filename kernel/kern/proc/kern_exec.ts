/** Running another program (sys/kern/kern_exec.c). */
import { E2BIG, EFAULT, EJUSTRETURN, ENOEXEC, ENOMEM, type Errno } from "../../../sys/errno.ts";
import { PAGE_SIZE, VM_MAXUSER_ADDRESS, VM_MIN_ADDRESS } from "../../../sys/vmparam.ts";
import { VOP, type vattr, type vnode, vrele } from "../../fs/vnode.ts";
import type { Kernel } from "../../kernel.ts";
import { uvmspace_alloc, uvmspace_free, type vmspace } from "../../uvm/uvm_map.ts";
import { uvmspace_alloc_wait } from "../../uvm/uvm_map_fork.ts";
import { fpu_reset } from "../core/fpu.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import { RLIMIT_STACK } from "../core/rlimit.ts";
import { SIG_IGN, sigaction_default } from "../core/signal.ts";
import { futex_robust } from "../sys/sys_futex.ts";
import { shmexit } from "../sys/sysv_shm.ts";
import { vn_open_exec, vn_read } from "../sys/vfs_vnops.ts";
import { copyin, copyinstr } from "./copy.ts";
import { type elf_image, elf32_load, elf32_parse, type exec_source } from "./exec_elf32.ts";
import type { exec_args } from "./exec_stack.ts";
import { fdcloseexec } from "./kern_descrip.ts";
import { vfork_done } from "./kern_exit.ts";
import { type proc, SIGSTK_NONE } from "./kern_proc.ts";
import type { ucred } from "./ucred.ts";

const PATH_MAX = 1024;
/** Bytes of arguments and environment together, as Linux limits them for a small stack. */
const ARG_MAX = 128 * 1024;

/** Latin-1: a byte is a character, so that any name is preserved. */
const bytes_of = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

/**
 * Build an address space for a program, and make the process run it.
 *
 * => sleeps. On an error the process is unchanged.
 */
export function* exec_image(
	k: Kernel,
	p: proc,
	image: elf_image,
	source: exec_source,
	args: exec_args,
): Sleeps<Errno> {
	const vm =
		uvmspace_alloc(k, VM_MIN_ADDRESS, VM_MAXUSER_ADDRESS) ??
		(yield* uvmspace_alloc_wait(k, VM_MIN_ADDRESS, VM_MAXUSER_ADDRESS));
	if (vm === null) return ENOMEM;
	const { error, sp } = yield* elf32_load(k, vm, image, source, args);
	if (error !== 0) {
		yield* uvmspace_free(k, vm);
		return error;
	}
	yield* futex_robust(k, p);
	yield* exec_commit(k, p, vm);
	p.p_cred = args.cred;
	const l = p.p_lwp!;
	// Its registers on the hart are those of the old program.
	if (k.hartlwp === l) k.hartlwp = null;
	l.l_regs.fill(0);
	l.l_regs[2] = sp;
	l.l_pc = image.entry;
	fpu_reset(l);
	return 0;
}

/** Replace the old program by the new one, which is complete. Sleeps. */
function* exec_commit(k: Kernel, p: proc, vm: vmspace): Sleeps<void> {
	const old = p.p_vmspace;
	p.p_vmspace = vm;
	p.p_cleartid = 0;
	p.p_sigstk = SIGSTK_NONE;
	for (const [sig, action] of p.p_sigacts.entries()) {
		if (action.sa_handler === SIG_IGN) continue;
		p.p_sigacts[sig] = sigaction_default();
	}
	if (p.p_fd !== null) yield* fdcloseexec(k, p.p_fd);
	if (old !== null) yield* uvmspace_free(k, old);
	yield* shmexit(k, p);
	vfork_done(k, p);
}

/** An array of pointers to strings, ended by a null pointer. => its strings, EFAULT or E2BIG. */
function* copyin_strings(
	k: Kernel,
	p: proc,
	va: number,
	max: number,
): Sleeps<Uint8Array[] | Errno> {
	const { vm_map: map } = p.p_vmspace!;
	const strings: Uint8Array[] = [];
	const pointer = new Uint32Array(1);
	let size = 0;
	for (let at = va; va !== 0; at += 4) {
		if ((yield* copyin(k, map, at, new Uint8Array(pointer.buffer))) !== 0) return EFAULT;
		if (pointer[0] === 0) break;
		const text = yield* copyinstr(k, map, pointer[0]!, max);
		if (text === null) return size + max > ARG_MAX ? E2BIG : EFAULT;
		strings.push(bytes_of(text));
		size += text.length + 1;
		if (size > max) return E2BIG;
	}
	return strings;
}

/** The interpreter that a script's first line names, and its argument, if any; or null. */
function script_line(head: Uint8Array): string[] | null {
	if (head[0] !== 0x23 || head[1] !== 0x21) return null;
	const end = head.indexOf(0x0a);
	const line = String.fromCharCode(...head.subarray(2, end < 0 ? Math.min(head.length, 256) : end));
	const match = /^\s*(\S+)(?:\s+(.*\S))?\s*$/.exec(line);
	if (match === null) return null;
	return match[2] === undefined ? [match[1]!] : [match[1]!, match[2]];
}

/** Most scripts that may be interpreters of scripts in turn. */
const SCRIPT_DEPTH = 4;

/**
 * Open a program, or the interpreter of a script. => sleeps.
 * => the file, its beginning, and the arguments, with those of interpreters; or an errno.
 */
function* open_program(
	k: Kernel,
	p: proc,
	path: string,
	argv: Uint8Array[],
): Sleeps<{ vp: vnode; head: Uint8Array; size: number; argv: Uint8Array[] } | Errno> {
	let file = path;
	let args = argv;
	for (let depth = 0; depth < SCRIPT_DEPTH; depth++) {
		const vp = yield* vn_open_exec(k, p, file);
		if (typeof vp === "number") return vp;
		const size = VOP(k, vp).vop_getattr(k, vp).va_size;
		const page = new Uint8Array(Math.min(size, PAGE_SIZE));
		const n = yield* vn_read(k, vp, page, 0);
		const head = page.subarray(0, Math.max(n, 0));
		const line = script_line(head);
		if (n >= 0 && line === null) return { vp, head, size, argv: args };
		yield* vrele(k, vp);
		if (n < 0) return -n;
		args = [...line!.map(bytes_of), bytes_of(file), ...args.slice(1)];
		file = line![0]!;
	}
	return ENOEXEC;
}

const S_ISUID = 0o4000;
const S_ISGID = 0o2000;

/** Who runs a program: its set-user-id and set-group-id bits, and the saved ids. */
function exec_cred({ p_cred, p_nnp }: proc, { va_mode, va_uid, va_gid }: vattr): ucred {
	const setuid = (va_mode & S_ISUID) !== 0 && !p_nnp;
	const setgid = (va_mode & S_ISGID) !== 0 && !p_nnp;
	const cr_euid = setuid ? va_uid : p_cred.cr_euid;
	const cr_egid = setgid ? va_gid : p_cred.cr_egid;
	return {
		...p_cred,
		cr_euid,
		cr_svuid: cr_euid,
		cr_fsuid: cr_euid,
		cr_egid,
		cr_svgid: cr_egid,
		cr_fsgid: cr_egid,
	};
}

/** execve. => EJUSTRETURN, or -errno and nothing has changed. Sleeps. */
export function* sys_execve(
	k: Kernel,
	p: proc,
	pathp: number,
	argvp: number,
	envpp: number,
): Sleeps<number> {
	const path = yield* copyinstr(k, p.p_vmspace!.vm_map, pathp, PATH_MAX);
	if (path === null) return -EFAULT;
	const argv = yield* copyin_strings(k, p, argvp, ARG_MAX);
	if (typeof argv === "number") return -argv;
	// As in Linux, a program has at least one argument.
	if (argv.length === 0) argv.push(new Uint8Array(0));
	const envp = yield* copyin_strings(k, p, envpp, ARG_MAX);
	if (typeof envp === "number") return -envp;
	const program = yield* open_program(k, p, path, argv);
	if (typeof program === "number") return -program;
	const { vp, head, size } = program;
	const image = elf32_parse(head, size);
	let error: Errno = ENOEXEC;
	if (!("error" in image)) {
		const cred = exec_cred(p, VOP(k, vp).vop_getattr(k, vp));
		const stack = p.p_rlimit[RLIMIT_STACK]!.rlim_cur;
		const args = { argv: program.argv, envp, execfn: bytes_of(path), cred, stack };
		error = yield* exec_image(k, p, image, vp, args);
	}
	yield* vrele(k, vp);
	if (error !== 0) return -error;
	p.p_comm = path.slice(path.lastIndexOf("/") + 1);
	k.watch.exec?.(k, p);
	k.watch.trace?.exec(p.p_lwp!);
	return EJUSTRETURN;
}
