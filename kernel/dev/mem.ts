/** /dev/null, /dev/zero and /dev/full (mem(4)). */
import { ENOSPC } from "../../sys/errno.ts";
import type { Kernel } from "../kernel.ts";
import { CDEV_MEM, makedev } from "./conf.ts";

/** Minor numbers, NetBSD's. */
export const DEV_NULL = 2;
export const DEV_FULL = 11;
export const DEV_ZERO = 12;

/** /dev/zero, whose mappings are anonymous memory. */
export const ZERODEV = makedev(CDEV_MEM, DEV_ZERO);

/** Copying costs a cycle for each 8 bytes. */
const BYTES_PER_CYCLE = 8;

export function mem_attach(k: Kernel): void {
	k.cdevsw[CDEV_MEM] = {
		d_name: "mem",
		d_nopos: true,
		d_read: function* (kernel, _p, minor, bytes) {
			if (minor === DEV_NULL) return 0;
			kernel.port.charge(Math.ceil(bytes.length / BYTES_PER_CYCLE));
			bytes.fill(0);
			return bytes.length;
		},
		d_write: function* (_k, _p, minor, bytes) {
			return minor === DEV_FULL ? -ENOSPC : bytes.length;
		},
	};
}
