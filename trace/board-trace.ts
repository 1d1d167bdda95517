/** The hardware in a trace: a track for the hart of a bare machine, and a queue for each disk. */
import {
	type BlkRequest,
	type DiskObserver,
	VIRTIO_BLK_T_DISCARD,
	VIRTIO_BLK_T_FLUSH,
	VIRTIO_BLK_T_FLUSH_OUT,
	VIRTIO_BLK_T_GET_ID,
	VIRTIO_BLK_T_IN,
	VIRTIO_BLK_T_OUT,
	VIRTIO_BLK_T_WRITE_ZEROES,
} from "../devices/virtio-blk.ts";
import type { HartObserver } from "../machine/bare-run.ts";
import type { Clock } from "../machine/clock.ts";
import { EXCEPTION_NAMES, INTERRUPT_NAMES } from "../machine/trap-counts.ts";
import type { ChromeTrace } from "./chrome-trace.ts";

/** Numbers of tracks and queues; viewers show them in this order. */
export const TRACK_HART = 1;
export const QUEUE_DISKS = 100;

const REQUESTS: Readonly<Record<number, string>> = {
	[VIRTIO_BLK_T_IN]: "read",
	[VIRTIO_BLK_T_OUT]: "write",
	[VIRTIO_BLK_T_FLUSH]: "flush",
	[VIRTIO_BLK_T_FLUSH_OUT]: "flush",
	[VIRTIO_BLK_T_GET_ID]: "get id",
	[VIRTIO_BLK_T_DISCARD]: "discard",
	[VIRTIO_BLK_T_WRITE_ZEROES]: "write zeroes",
};

export const exceptionName = (cause: number): string =>
	EXCEPTION_NAMES[cause] ?? `exception ${cause}`;

export const hex = (n: number): string => `0x${(n >>> 0).toString(16)}`;

/** The hart of a bare machine: traps, and waiting in wfi. */
export function hartTrace(trace: ChromeTrace, clock: Clock): HartObserver {
	trace.track(TRACK_HART, "hart");
	return {
		exception(cause, tval, pc) {
			const args = { pc: hex(pc), tval: hex(tval) };
			trace.instant(TRACK_HART, clock.cycles, exceptionName(cause), args);
		},
		interrupt(irq, pc) {
			const name = INTERRUPT_NAMES[irq] ?? `interrupt ${irq}`;
			trace.instant(TRACK_HART, clock.cycles, name, { pc: hex(pc) });
		},
		waits(waiting) {
			if (waiting) trace.begin(TRACK_HART, clock.cycles, "wfi");
			else trace.end(TRACK_HART, clock.cycles);
		},
	};
}

/** Disk requests as spans, from the notification to the interrupt. They may overlap. */
export function diskTrace(
	trace: ChromeTrace,
	clock: Clock,
	disks: readonly string[],
): DiskObserver {
	for (const [i, disk] of disks.entries()) trace.queue(QUEUE_DISKS + i, `${disk} queue`);
	const queue = (disk: string): number => QUEUE_DISKS + disks.indexOf(disk);
	const name = ({ type }: BlkRequest): string => REQUESTS[type] ?? `request ${type}`;
	return {
		started(disk, request, sectors) {
			const args = { sector: request.sector, sectors };
			trace.spanBegin(queue(disk), request.id, clock.cycles, name(request), args);
		},
		completed(disk, request, status) {
			trace.spanEnd(queue(disk), request.id, clock.cycles, name(request), { status });
		},
		cancelled(disk, requests) {
			for (const request of requests) {
				const args = { status: "reset" };
				trace.spanEnd(queue(disk), request.id, clock.cycles, name(request), args);
			}
		},
	};
}
