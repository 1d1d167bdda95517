/**
 * The frame buffer, /dev/fb0: read and written as a file, mapped as memory, and described by the
 * ioctls of Linux's fbdev (linux/fb.h, layouts of riscv32).
 */
import { EINVAL, ENOSPC, ENOTTY, ENXIO } from "../../sys/errno.ts";
import { PAGE_SIZE, VM_PROT_EXECUTE, type vm_prot_t } from "../../sys/vmparam.ts";
import { bus_space_copy } from "../kern/core/bus_space.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import { copyin, copyout } from "../kern/proc/copy.ts";
import type { proc } from "../kern/proc/kern_proc.ts";
import type { Kernel } from "../kernel.ts";
import { CDEV_FB, type cdevsw } from "./conf.ts";

/** The properties of a "simple-framebuffer" in a device tree, of format x8r8g8b8. */
export interface fb_conf {
	readonly base: number;
	/** In pixels. */
	readonly width: number;
	readonly height: number;
	/** Bytes from one line to the next. */
	readonly stride: number;
}

const FBIOGET_VSCREENINFO = 0x4600;
const FBIOPUT_VSCREENINFO = 0x4601;
const FBIOGET_FSCREENINFO = 0x4602;
const FBIOPAN_DISPLAY = 0x4606;
const FBIOBLANK = 0x4611;

/** struct fb_var_screeninfo and struct fb_fix_screeninfo. */
const VAR_SIZE = 160;
const FIX_SIZE = 68;
const FB_VISUAL_TRUECOLOR = 2;
const BITS_PER_PIXEL = 32;

/** Register the driver. => open fails with ENXIO if there is no frame buffer. */
export function fb_attach(k: Kernel): void {
	k.cdevsw[CDEV_FB] = fb_cdevsw;
}

const fb_size = (fb: fb_conf): number => fb.stride * fb.height;

const fb_cdevsw: cdevsw = {
	d_name: "fb",
	d_open: (k) => (k.conf!.fb === null ? ENXIO : 0),
	d_read: fb_read,
	d_write: fb_write,
	d_ioctl: fb_ioctl,
	d_mmap: fb_mmap,
};

function* fb_read(
	k: Kernel,
	_p: proc,
	_minor: number,
	bytes: Uint8Array,
	_flag: number,
	offset = 0,
): Sleeps<number> {
	const fb = k.conf!.fb!;
	const n = Math.max(0, Math.min(bytes.length, fb_size(fb) - offset));
	bus_space_copy(k, fb.base + offset, bytes.subarray(0, n), false);
	return n;
}

function* fb_write(
	k: Kernel,
	_p: proc,
	_minor: number,
	bytes: Uint8Array,
	_flag: number,
	offset = 0,
): Sleeps<number> {
	const fb = k.conf!.fb!;
	const n = Math.max(0, Math.min(bytes.length, fb_size(fb) - offset));
	if (n === 0 && bytes.length > 0) return -ENOSPC;
	bus_space_copy(k, fb.base + offset, bytes.subarray(0, n), true);
	return n;
}

function fb_mmap(k: Kernel, _minor: number, offset: number, prot: vm_prot_t): number {
	const { fb } = k.conf!;
	if (fb === null || (prot & VM_PROT_EXECUTE) !== 0) return -1;
	const pages = Math.ceil(fb_size(fb) / PAGE_SIZE);
	return offset >= 0 && offset < pages * PAGE_SIZE ? fb.base + offset : -1;
}

function* fb_ioctl(k: Kernel, p: proc, _minor: number, cmd: number, arg: number): Sleeps<number> {
	const fb = k.conf!.fb!;
	const { vm_map: map } = p.p_vmspace!;
	switch (cmd) {
		case FBIOGET_VSCREENINFO:
			return -(yield* copyout(k, map, fb_var_screeninfo(fb), arg));
		case FBIOGET_FSCREENINFO:
			return -(yield* copyout(k, map, fb_fix_screeninfo(fb), arg));
		case FBIOPUT_VSCREENINFO:
		case FBIOPAN_DISPLAY: {
			// There is one mode; a request for it succeeds.
			const bytes = new Uint8Array(VAR_SIZE);
			const error = yield* copyin(k, map, arg, bytes);
			if (error !== 0) return -error;
			return is_present(fb, bytes) ? 0 : -EINVAL;
		}
		case FBIOBLANK:
			return 0;
		default:
			return -ENOTTY;
	}
}

function fb_var_screeninfo(fb: fb_conf): Uint8Array {
	const words = new Uint32Array(VAR_SIZE / 4);
	// xres, yres, the same of the virtual screen, offsets, bits_per_pixel, grayscale
	words.set([fb.width, fb.height, fb.width, fb.height, 0, 0, BITS_PER_PIXEL, 0]);
	// red, green, blue, transparency: offset, length, msb_right
	words.set([16, 8, 0, 8, 8, 0, 0, 8, 0, 0, 0, 0], 8);
	return new Uint8Array(words.buffer);
}

/** Does a struct fb_var_screeninfo ask for the present mode? */
function is_present(fb: fb_conf, bytes: Uint8Array): boolean {
	const wanted = new Uint32Array(bytes.buffer, 0, 8);
	const present = new Uint32Array(fb_var_screeninfo(fb).buffer, 0, 8);
	return wanted.every((value, i) => value === present[i]);
}

function fb_fix_screeninfo(fb: fb_conf): Uint8Array {
	const bytes = new Uint8Array(FIX_SIZE);
	const view = new DataView(bytes.buffer);
	bytes.set(new TextEncoder().encode("simple")); // id[16]
	view.setUint32(16, fb.base, true); // smem_start
	view.setUint32(20, Math.ceil(fb_size(fb) / PAGE_SIZE) * PAGE_SIZE, true); // smem_len
	view.setUint32(32, FB_VISUAL_TRUECOLOR, true); // visual, behind type and type_aux
	view.setUint32(44, fb.stride, true); // line_length, behind three halfwords and a gap
	return bytes;
}
