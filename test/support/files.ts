/** Files on a disk, without a file system: objects of the vnode pager, and what lies beneath. */
import { expect } from "vitest";
import type { PagingPolicy } from "../../computer/paging-policy.ts";
import type { DiskCounters } from "../../devices/virtio-blk.ts";
import { simple_lock } from "../../kernel/kern/core/kern_lock.ts";
import type { Sleeps } from "../../kernel/kern/core/kern_synch.ts";
import { ubc_uiomove } from "../../kernel/uvm/uvm_bio.ts";
import { PGO_ALLPAGES, PGO_CLEANIT, PGO_SYNCIO, pagerops } from "../../kernel/uvm/uvm_object.ts";
import { uvm_pagelookup, type vm_page } from "../../kernel/uvm/uvm_page.ts";
import { type uvm_vnode, uvn_attach } from "../../kernel/uvm/uvm_vnode.ts";
import { PAGE_SIZE } from "../../sys/vmparam.ts";
import { ld, TestKernel } from "./kernel.ts";

const MiB = 1 << 20;
/** First sector of the files that tests make: not page aligned, as in an archive. */
export const FIRST = 3;
/** Write all that is dirty, and wait. */
export const SYNC = PGO_CLEANIT | PGO_SYNCIO | PGO_ALLPAGES;

/** The initial contents of the disk: each byte depends on its position. */
export const original = (i: number): number => (i * 7 + Math.floor(i / 251)) & 0xff;

/** A kernel with 1 MiB of RAM whose disk 1 has files on it; disk 0 is for swap. */
export class Files {
	readonly t: TestKernel;

	constructor(swapDisks = 1, policy: PagingPolicy = {}) {
		this.t = new TestKernel({ disks: [4 * MiB, 4 * MiB], swapDisks, policy });
	}

	/** A file of `size` bytes on disk 1, followed by zeros up to the end of its sector. */
	file(size: number, sector = FIRST): uvm_vnode {
		const image = new Uint8Array(Math.ceil(size / 512) * 512);
		for (let i = 0; i < size; i++) image[i] = original(i);
		if (size > 0) this.t.disks[1]!.pristine.write(sector, image);
		return uvn_attach(this.t.k, ld(1), sector, size);
	}

	/** Sectors of disk 1 as they are on the medium. */
	onDisk(sector: number, bytes: number): Uint8Array {
		const into = new Uint8Array(Math.ceil(bytes / 512) * 512);
		this.t.disks[1]!.pristine.read(sector, into);
		return into;
	}

	counters(): DiskCounters {
		return { ...this.t.board.disks[1]!.counters };
	}

	read(uvn: uvm_vnode, offset: number, size: number): Uint8Array | number {
		const bytes = new Uint8Array(size);
		const n = this.t.run(ubc_uiomove(this.t.k, uvn, offset, bytes, false));
		return n < 0 ? n : bytes.subarray(0, n);
	}

	write(uvn: uvm_vnode, offset: number, bytes: Uint8Array): number {
		return this.t.run(ubc_uiomove(this.t.k, uvn, offset, bytes, true));
	}

	/** Make the first byte of pages differ from what is on the disk. */
	dirty(uvn: uvm_vnode, ...pages: number[]): void {
		for (const i of pages) expect(this.write(uvn, i * PAGE_SIZE, Uint8Array.of(0xd0 + i))).toBe(1);
	}

	*putting(uvn: uvm_vnode, flags: number, start = 0, stop = 0): Sleeps<number> {
		simple_lock(this.t.k, uvn.vmobjlock);
		return yield* pagerops(this.t.k, uvn).pgo_put(this.t.k, uvn, start, stop, flags);
	}

	put(uvn: uvm_vnode, flags: number, start = 0, stop = 0): number {
		return this.t.run(this.putting(uvn, flags, start, stop));
	}

	page(uvn: uvm_vnode, i: number): vm_page | null {
		return uvm_pagelookup(this.t.k, uvn, i * PAGE_SIZE);
	}

	/** Indices of the pages in memory. */
	resident(uvn: uvm_vnode): number[] {
		const found: number[] = [];
		for (let pg = uvn.memq_first; pg !== null; pg = pg.listq_next) {
			found.push(pg.offset / PAGE_SIZE);
		}
		return found.sort((a, b) => a - b);
	}
}
