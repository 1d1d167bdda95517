/**
 * Boot (sys/kern/init_main.c): from bare memory to the first process.
 */
import { SIP_SEIP, SIP_STIP } from "../../../machine/port.ts";
import { pmap_bootstrap, pmap_init } from "../../../pmap/pmap.ts";
import { E2BIG } from "../../../sys/errno.ts";
import { panic } from "../../../sys/panic.ts";
import { BDEV_LD, type dev_t, makedev } from "../../dev/conf.ts";
import { cons_attach, cons_session } from "../../dev/cons.ts";
import { fb_attach, type fb_conf } from "../../dev/fb.ts";
import { LD_MEMORY, ld_init, type ld_recovery, ld_virtio_attach } from "../../dev/ld_virtio.ts";
import { intr_establish, plic_attach } from "../../dev/plic.ts";
import { bufinit } from "../../dev/vfs_bio.ts";
import { vfs_init, vfs_mountroot } from "../../fs/vfs.ts";
import type { Kernel } from "../../kernel.ts";
import { UAO_FLAG_KERNSWAP, uao_create } from "../../uvm/uvm_aobj.ts";
import { udv_init } from "../../uvm/uvm_device.ts";
import { uvm_km_free, uvm_km_init, uvm_km_zalloc } from "../../uvm/uvm_km.ts";
import { uvm_map_init } from "../../uvm/uvm_map_entry.ts";
import { uvm_page_init, uvm_page_physload } from "../../uvm/uvm_page.ts";
import { uvm_aiodone_daemon, uvm_pager_init } from "../../uvm/uvm_pager.ts";
import { uvm_pageout, uvmpd_tune } from "../../uvm/uvm_pdaemon.ts";
import { uvm_policy_init } from "../../uvm/uvm_pdpolicies.ts";
import type { uvm_policy } from "../../uvm/uvm_policy.ts";
import { swap_on } from "../../uvm/uvm_swapctl.ts";
import { uvn_init } from "../../uvm/uvm_vnode.ts";
import { kthread_create, lwp_create } from "../core/kern_lwp.ts";
import { rnd_init } from "../core/kern_rndq.ts";
import { type Sleeps, setrunnable } from "../core/kern_synch.ts";
import { inittodr } from "../core/kern_tc.ts";
import { RLIMIT_STACK } from "../core/rlimit.ts";
import { SIGKILL } from "../core/signal.ts";
import { pipe_init } from "../sys/sys_pipe.ts";
import type { elf_image } from "./exec_elf32.ts";
import { fdinit } from "./kern_descrip.ts";
import { exec_image } from "./kern_exec.ts";
import { exit1, killed } from "./kern_exit.ts";
import { type proc, proc_create } from "./kern_proc.ts";
import { sigcode_init } from "./sigcode.ts";

/** Where the devices are: what a device tree would say. Physical addresses and interrupts. */
export interface autoconf {
	readonly plic: number;
	readonly uart: { readonly base: number; readonly irq: number };
	/** Is the UART's other end a terminal? If not, the console is a plain stream of bytes. */
	readonly terminal: boolean;
	/** null: there is none. */
	readonly fb: fb_conf | null;
	/** The real-time clock: "google,goldfish-rtc". */
	readonly rtc: number;
	/** The power switch: "sifive_test". */
	readonly power: number;
	/** One for each disk, in the order of their names ld0, ld1, ... */
	readonly virtio: readonly { readonly base: number; readonly irq: number }[];
	/** What the driver of disks does about errors. */
	readonly ld: ld_recovery;
	/** Disks to swap on at boot, in order of use. */
	readonly swap: readonly number[];
	/** The second disk of each of them (swap_on); empty: there is none. */
	readonly swapMirror: readonly number[];
	/** Keep a checksum of each page in swap (uvm_swap_cksum.ts). */
	readonly swapChecksum: boolean;
	/** Disks with archives of the root file system and of programs; null: none. */
	readonly root: number | null;
	readonly bin: number | null;
	/** What an experiment has chosen about paging. */
	readonly policy: uvm_policy;
	/** The 16 bytes at AT_RANDOM. */
	readonly random: Uint8Array;
}

/**
 * Bring up the VM system, the devices and the daemons.
 * => panics if memory is too small for that.
 */
export function main(k: Kernel, conf: autoconf): void {
	const { ramBase, ramSize } = k.port;
	k.conf = conf;
	rnd_init(k, conf.random);
	inittodr(k, conf.rtc);
	const avail = pmap_bootstrap(k, ramBase);
	uvm_page_physload(k, ramBase, ramBase + ramSize, avail, ramBase + ramSize);
	uvm_page_init(k);
	uvm_policy_init(k, conf.policy);
	uvm_map_init(k);
	bufinit(k);
	uvm_km_init(k);
	pmap_init(k);
	uvm_pager_init(k);
	uvn_init(k);
	udv_init(k);
	uao_create(k, 0, UAO_FLAG_KERNSWAP);
	uvmpd_tune(k);
	pipe_init(k);
	plic_attach(k, conf.plic);
	cons_attach(k, conf.uart.base, conf.terminal);
	intr_establish(k, conf.uart.irq, { ih_driver: "com", ih_unit: 0 });
	fb_attach(k);
	ld_init(k);
	for (const { base, irq } of conf.virtio) attach_disk(k, base, irq);
	vfs_init(k);
	k.port.sie = SIP_SEIP | SIP_STIP;
	k.uvm.aiodoned = kthread_create(k, "aiodoned", uvm_aiodone_daemon(k));
	k.uvm.pagedaemon = kthread_create(k, "pagedaemon", uvm_pageout(k));
	for (const [i, unit] of conf.swap.entries()) {
		const second = conf.swapMirror[i];
		const mirror = second === undefined ? null : ld_dev(second);
		const error = swap_on(k, `/dev/ld${unit}`, ld_dev(unit), 0, null, mirror);
		if (error !== 0) panic("main: a swap disk cannot be used");
	}
}

const ld_dev = (unit: number): dev_t => makedev(BDEV_LD, unit);

function attach_disk(k: Kernel, base: number, irq: number): void {
	const kva = uvm_km_zalloc(k, k.uvm.kernel_map!, LD_MEMORY);
	if (kva === 0) panic("main: no memory for the rings of a disk");
	if (ld_virtio_attach(k, base, irq, kva) === 0) return;
	uvm_km_free(k, k.uvm.kernel_map!, kva, LD_MEMORY);
	panic("main: a disk cannot be attached");
}

/** Make a process that runs `image`. => it is runnable; it is killed if memory is short. */
export function newproc(
	k: Kernel,
	name: string,
	file: Uint8Array,
	image: elf_image,
	argv: readonly string[],
): proc {
	const p = proc_create(k, name.slice(name.lastIndexOf("/") + 1), null);
	cons_session(k, p);
	p.p_fd = fdinit(k);
	const l = lwp_create(k, name, p, null);
	p.p_lwp = l;
	l.l_kernel = start_program(k, p, file, image, argv);
	setrunnable(k, l);
	return p;
}

/** The environment of the first program. */
const ENVIRONMENT = ["PATH=/bin", "HOME=/", "TERM=vt100"];

/** The first thing that a new process does: load its program. */
function* start_program(
	k: Kernel,
	p: proc,
	file: Uint8Array,
	image: elf_image,
	argv: readonly string[],
): Sleeps<void> {
	if (k.sigobject === null) yield* sigcode_init(k);
	const { root, bin } = k.conf!;
	const rootdev = root === null ? null : ld_dev(root);
	const bindev = bin === null ? null : ld_dev(bin);
	const wrong = yield* vfs_mountroot(k, rootdev, bindev);
	if (wrong !== "") {
		yield* exit1(k, p, killed(SIGKILL, 0, 0, wrong));
		return;
	}
	const utf8 = new TextEncoder();
	const strings = (list: readonly string[]): Uint8Array[] => list.map((s) => utf8.encode(s));
	const execfn = utf8.encode(argv[0] ?? p.p_comm);
	const stack = p.p_rlimit[RLIMIT_STACK]!.rlim_cur;
	const args = { argv: strings(argv), envp: strings(ENVIRONMENT), execfn, cred: p.p_cred, stack };
	const error = yield* exec_image(k, p, image, file, args);
	if (error === 0) return;
	const why = error === E2BIG ? "argument list too long" : "out of swap";
	yield* exit1(k, p, killed(SIGKILL, 0, 0, why));
}
