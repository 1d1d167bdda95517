/** The frame buffer: device, driver, and a program that draws through its page tables. */
import { decode } from "fast-png";
import { describe, expect, it } from "vitest";
import { screenshot } from "../../cli/screenshot.ts";
import { createSystem } from "../../computer/system.ts";
import { Board, boardParts } from "../../devices/board.ts";
import { Framebuffer } from "../../devices/framebuffer.ts";
import { MEMORY_MAP } from "../../devices/memory-map.ts";
import { CDEV_FB, type cdevsw } from "../../kernel/dev/conf.ts";
import type { Sleeps } from "../../kernel/kern/core/kern_synch.ts";
import { copyin, copyout } from "../../kernel/kern/proc/copy.ts";
import { ACCESS_FAULT } from "../../machine/bus.ts";
import {
	CAUSE_LOAD_ACCESS_FAULT,
	CAUSE_STORE_ACCESS_FAULT,
	CAUSE_USER_ECALL,
} from "../../machine/port.ts";
import { UserError } from "../../machine/user-error.ts";
import { PMAP_CANFAIL } from "../../pmap/pmap.ts";
import { pmap_enter } from "../../pmap/pmap_enter.ts";
import { EINVAL, ENOSPC, ENOTTY, ENXIO } from "../../sys/errno.ts";
import { PAGE_SIZE, VM_PROT_EXECUTE, VM_PROT_READ, VM_PROT_WRITE } from "../../sys/vmparam.ts";
import { RW, user } from "../machine/user.ts";
import { AddressSpace } from "../support/address-space.ts";
import { TestKernel } from "../support/kernel.ts";
import { call, EXIT, exec, SYS, text } from "../support/program.ts";
import { workload } from "../support/workload.ts";

const hello = { program: "hello", image: workload("hello") };
const size = { width: 100, height: 50 };

describe("the device", () => {
	it("is memory of whole pages, in accesses of one, two and four bytes", () => {
		const fb = new Framebuffer(size);
		expect([fb.stride, fb.pictureSize, fb.size]).toEqual([400, 20_000, 20_480]);
		expect(fb.load(8, 4)).toBe(0);
		expect(fb.store(8, 4, 0x8844_2211)).toBe(true);
		fb.store(10, 2, 0xbeef);
		fb.store(9, 1, 0x77);
		expect(fb.load(8, 4)).toBe(0xbeef_7711);
		expect(fb.load(10, 2)).toBe(0xbeef);
		expect(fb.load(9, 1)).toBe(0x77);
		expect(fb.store(fb.size - 4, 4, 1)).toBe(true);
		expect(fb.store(fb.size, 4, 1)).toBe(false);
		expect(fb.load(fb.size, 1)).toBe(ACCESS_FAULT);
	});

	it("shows red, green and blue of each pixel", () => {
		const fb = new Framebuffer({ width: 2, height: 1 });
		fb.store(4, 4, 0xff11_2233);
		expect([...fb.rgb()]).toEqual([0, 0, 0, 0x11, 0x22, 0x33]);
	});

	it("costs nothing until something is stored", () => {
		const fb = new Framebuffer(size);
		fb.load(0, 4);
		expect([fb.words(), fb.save()]).toEqual([null, null]);
	});

	it("saves and restores", () => {
		const fb = new Framebuffer(size);
		fb.store(400, 4, 0x123456);
		const copy = new Framebuffer(size);
		copy.restore(structuredClone(fb.save()));
		expect(copy.load(400, 4)).toBe(0x123456);
		copy.store(404, 1, 9);
		expect(fb.load(404, 1)).toBe(0);
		copy.restore(null);
		expect([copy.load(400, 4), copy.words()]).toEqual([0, null]);
		expect(() => new Framebuffer({ width: 1, height: 1 }).restore(fb.save())).toThrow(UserError);
	});

	it.each([0, 1.5, 5000])("a width of %s is refused", (width) => {
		expect(() => new Framebuffer({ width, height: 10 })).toThrow(/framebuffer: width/);
	});
});

describe("a program that has it mapped", () => {
	const DRAW = 0x4000_0000;

	function drawing(source: string) {
		const u = user(`lui a1, ${DRAW / 4096}\n${source}\necall`);
		const board = new Board(boardParts(u.machine), { framebuffer: size });
		const pages = board.framebuffer!.size / PAGE_SIZE;
		for (let i = 0; i < pages; i++) {
			u.setPte(DRAW + i * PAGE_SIZE, (((MEMORY_MAP.framebuffer.base / 4096 + i) << 10) | RW) >>> 0);
		}
		u.map(DRAW - PAGE_SIZE, 0x30, RW);
		u.port.run();
		return { ...u, fb: board.framebuffer! };
	}

	it("stores and loads bytes, halfwords and words", () => {
		const { port, fb } = drawing(`
			li a0, 0x12345678
			sw a0, 0(a1)
			sh a0, 6(a1)
			sb a0, 9(a1)
			lw a2, 0(a1)
			lhu a3, 6(a1)
			lb a4, 2(a1)`);
		expect(port.scause).toBe(CAUSE_USER_ECALL);
		expect([fb.load(0, 4), fb.load(4, 4), fb.load(8, 4)]).toEqual([
			0x1234_5678, 0x5678_0000, 0x7800,
		]);
		expect([port.x[12], port.x[13], port.x[14]]).toEqual([0x1234_5678, 0x5678, 0x34]);
	});

	it.each([
		["lr.w", "lr.w a0, (a1)", CAUSE_LOAD_ACCESS_FAULT],
		["sc.w", "sc.w a0, a0, (a1)", CAUSE_STORE_ACCESS_FAULT],
		["amoadd.w", "amoadd.w a0, a0, (a1)", CAUSE_STORE_ACCESS_FAULT],
		["a misaligned load", "lw a0, 2(a1)", CAUSE_LOAD_ACCESS_FAULT],
		["a misaligned store", "sw a1, 2(a1)", CAUSE_STORE_ACCESS_FAULT],
		["a load that is half in RAM", "lw a0, -2(a1)", CAUSE_LOAD_ACCESS_FAULT],
		["a store that is half in RAM", "sw a1, -2(a1)", CAUSE_STORE_ACCESS_FAULT],
	])("%s is an access fault, and changes nothing", (_, instruction, cause) => {
		const { port, fb } = drawing(instruction);
		expect(port.scause).toBe(cause);
		expect(port.sepc).toBe(0x1_0004);
		expect(fb.words()).toBeNull();
		expect(port.ram32[(0x31 * PAGE_SIZE) / 4 - 1]).toBe(0);
	});
});

describe("the driver", () => {
	const fb = { base: MEMORY_MAP.framebuffer.base, width: 100, height: 50, stride: 400 };
	const BUFFER = 0x10_0000;

	function open(): { t: TestKernel; dev: cdevsw; space: AddressSpace; device: Framebuffer } {
		const t = new TestKernel({ framebuffer: size });
		const space = new AddressSpace(t);
		space.anon(BUFFER, 1);
		return { t, dev: t.k.cdevsw[CDEV_FB]!, space, device: t.board.framebuffer! };
	}

	const word = (t: TestKernel, space: AddressSpace, at: number): number => {
		const bytes = new Uint8Array(4);
		t.run(copyin(t.k, space.map, BUFFER + at, bytes));
		return new Uint32Array(bytes.buffer)[0]!;
	};

	it("reads and writes at an offset, aligned or not, up to the end", () => {
		const { t, dev, space, device } = open();
		const write = (bytes: number[], offset: number): number =>
			t.run(dev.d_write(t.k, space.proc, 0, Uint8Array.from(bytes), 0, offset));
		expect(write([1, 2, 3, 4, 5, 6, 7, 8, 9], 3)).toBe(9);
		expect(device.load(4, 4)).toBe(0x0504_0302);
		const bytes = new Uint8Array(9);
		expect(t.run(dev.d_read(t.k, space.proc, 0, bytes, 0, 3))).toBe(9);
		expect([...bytes]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
		expect(write([1, 2, 3], 19_998)).toBe(2);
		expect(write([1], 20_000)).toBe(-ENOSPC);
		expect(t.run(dev.d_read(t.k, space.proc, 0, bytes, 0, 20_000))).toBe(0);
	});

	it("describes itself as Linux's fbdev does", () => {
		const { t, dev, space } = open();
		const ioctl = (cmd: number): number => t.run(dev.d_ioctl!(t.k, space.proc, 0, cmd, BUFFER)) + 0;
		expect(ioctl(0x4600)).toBe(0);
		expect([0, 4, 8, 12, 24].map((at) => word(t, space, at))).toEqual([100, 50, 100, 50, 32]);
		expect([32, 44, 56].map((at) => word(t, space, at))).toEqual([16, 8, 0]);
		expect(ioctl(0x4601)).toBe(0);
		t.run(copyout(t.k, space.map, Uint8Array.of(16), BUFFER + 24));
		expect(ioctl(0x4601)).toBe(-EINVAL);
		expect(ioctl(0x4602)).toBe(0);
		expect([16, 20, 44].map((at) => word(t, space, at))).toEqual([
			MEMORY_MAP.framebuffer.base,
			20_480,
			400,
		]);
		expect(ioctl(0x5401)).toBe(-ENOTTY);
	});

	it("says where its pages are, but not for execution", () => {
		const { t, dev } = open();
		const mmap = (offset: number, prot: number): number => dev.d_mmap!(t.k, 0, offset, prot);
		expect(mmap(4096, VM_PROT_READ | VM_PROT_WRITE)).toBe(fb.base + 4096);
		expect(mmap(16_384, VM_PROT_READ)).toBe(fb.base + 16_384);
		expect(mmap(20_480, VM_PROT_READ)).toBe(-1);
		expect(mmap(0, VM_PROT_READ | VM_PROT_EXECUTE)).toBe(-1);
	});

	it("does not open without a frame buffer", () => {
		const t = new TestKernel();
		const space = new AddressSpace(t);
		expect(t.k.cdevsw[CDEV_FB]!.d_open!(t.k, space.proc, 0, 0)).toBe(ENXIO);
		expect(open().dev.d_open!(open().t.k, space.proc, 0, 0)).toBe(0);
	});

	it("a system call may transfer from and to the mapped picture", () => {
		const { t, space, device } = open();
		const VA = 0x2000_0000;
		const prot = VM_PROT_READ | VM_PROT_WRITE;
		const error = pmap_enter(t.k, space.map.pmap, VA, fb.base, prot, prot | PMAP_CANFAIL);
		expect(error).toBe(0);
		function* both(): Sleeps<number[]> {
			const out = yield* copyout(t.k, space.map, Uint8Array.of(1, 2, 3, 4, 5, 6), VA + 2);
			const bytes = new Uint8Array(6);
			const into = yield* copyin(t.k, space.map, VA + 2, bytes);
			return [out, into, ...bytes];
		}
		expect(t.run(both())).toEqual([0, 0, 1, 2, 3, 4, 5, 6]);
		expect(device.load(4, 4)).toBe(0x0605_0403);
	});
});

it("a picture is part of the state", () => {
	const hash = (draw: boolean): string => {
		const system = createSystem(hello);
		if (draw) system.board.framebuffer!.store(0, 4, 1);
		return system.stateHash();
	};
	expect(hash(true)).not.toBe(hash(false));
});

it("a screenshot has the colours of the pixels", async () => {
	const system = createSystem(hello);
	system.board.framebuffer!.store((640 * 3 + 5) * 4, 4, 0x11_2233);
	const { width, height, data } = decode((await screenshot(system))!);
	expect([width, height]).toEqual([640, 480]);
	const at = (640 * 3 + 5) * 3;
	expect([...data.subarray(at - 1, at + 4)]).toEqual([0, 0x11, 0x22, 0x33, 0]);
	expect(await screenshot(createSystem({ ...hello, framebuffer: null }))).toBeNull();
});

const PREAD = 67;

it("a program opens it, writes to it, maps it and draws", () => {
	const source = `${call(56, -100, "=path", 2)}
		mv s0, a0
		blt s0, zero, fail
		${call(SYS.write, "s0", "=pixels", 8)}
		${call(SYS.write, "s0", "=pixels", 4)}
		li a3, 40
		li a4, 0
		${call(PREAD, "s0", "=pixels", 4)}
		li a1, 4
		bne a0, a1, fail
		mv a4, s0
		li a5, 0
		${call(SYS.mmap2, 0, 0x12_c000, 3, 1)}
		li t0, 4096
		bltu a0, t0, fail
		mv s1, a0
		li t1, ${640 * 4}
		add t1, t1, a0
		li t2, 0x123456
		sw t2, 0(t1)
		${call(SYS.write, 1, "s1", 3)}
		li a0, 0
		${EXIT}
		fail: li a0, 1
		${EXIT}
		pixels: .word ${0x00_434241}
		.word ${0x00_99aabb}
		path: ${text("/dev/fb0")}`;
	const { system, report } = exec(source);
	expect(report.exit).toMatchObject({ kind: "exited", code: 0 });
	const fb = system.board.framebuffer!;
	expect([0, 4, 8, 12, 640 * 4].map((at) => fb.load(at, 4))).toEqual([
		0x43_4241, 0x99_aabb, 0x43_4241, 0, 0x12_3456,
	]);
	// From the mapped picture to the console, in one system call.
	expect(report.console).toBe("ABC");
});
