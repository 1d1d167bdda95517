/** /dev/random and /dev/urandom (rnd(4)): one sequence, which depends on the machine's seed. */
import { arc4random } from "../kern/core/kern_rndq.ts";
import type { Kernel } from "../kernel.ts";
import { CDEV_RND } from "./conf.ts";

/** Minor numbers, NetBSD's. */
export const RND_DEV_RANDOM = 0;
export const RND_DEV_URANDOM = 1;

/** Making a byte costs a cycle. */
export function rnd_attach(k: Kernel): void {
	k.cdevsw[CDEV_RND] = {
		d_name: "rnd",
		d_nopos: () => true,
		d_read: function* (kernel, _p, _minor, bytes) {
			for (let i = 0; i < bytes.length; i++) bytes[i] = arc4random(kernel) >>> 24;
			kernel.port.charge(bytes.length);
			return bytes.length;
		},
		// There is no entropy to add to: the sequence stays repeatable.
		d_write: function* (_k, _p, _minor, bytes) {
			return bytes.length;
		},
	};
}
