/** Words that the kernel stores in a program's memory without a generator, and where that ends. */
import { beforeEach, expect, it } from "vitest";
import {
	COPY_PAGES,
	COPY_SLEEPS,
	copyout_word,
	copyout_word_nosleep,
} from "../../../kernel/kern/proc/copy.ts";
import { SYS } from "../../../kernel/kern/sys/sysnum.ts";
import { EFAULT } from "../../../sys/errno.ts";
import { PAGE_SIZE, VM_MAXUSER_ADDRESS } from "../../../sys/vmparam.ts";
import { Agent } from "../../support/agents.ts";
import { TestKernel } from "../../support/kernel.ts";

const BASE = 0x1000_0000;
const RW = 3;
const PRIVATE = 0x32;
const MADV_PAGEOUT = 21;
const WORD = 0x1234_5678;

let t: TestKernel;
let agent: Agent;

beforeEach(() => {
	t = new TestKernel({ ram: 1 << 20, disks: [1 << 20] });
	agent = Agent.create(t);
	agent.syscall(SYS.mmap2, BASE, 2 * PAGE_SIZE, RW, PRIVATE, -1, 0);
});

const put = (va: number): number =>
	agent.run(function* () {
		return copyout_word_nosleep(t.k, agent.map, WORD, va);
	});

const word = (va: number): number | null => agent.run(() => agent.load(va));

it("takes the page faults that need not sleep", () => {
	expect(put(BASE + 5)).toBe(0);
	expect(word(BASE + 5)).toBe(WORD);
	t.check();
});

it("ends where user space does, and where nothing is mapped", () => {
	expect(put(VM_MAXUSER_ADDRESS - 3)).toBe(EFAULT);
	expect(put(BASE + 2 * PAGE_SIZE)).toBe(EFAULT);
});

it("leaves a word in two pages to copyout_word", () => {
	const va = BASE + PAGE_SIZE - 2;
	expect(put(va)).toBe(COPY_PAGES);
	expect(agent.run(() => copyout_word(t.k, agent.map, WORD, va))).toBe(0);
	expect(word(va)).toBe(WORD);
});

it("leaves a page in swap to copyout_word, which counts the fault once", () => {
	put(BASE);
	agent.syscall(SYS.madvise, BASE, PAGE_SIZE, MADV_PAGEOUT);
	t.settle();
	const { faults, pageins } = t.k.uvmexp;
	const done = agent.run(function* () {
		const tried = copyout_word_nosleep(t.k, agent.map, 7, BASE);
		expect(tried).toBe(COPY_SLEEPS);
		return yield* copyout_word(t.k, agent.map, 7, BASE, true);
	});
	expect(done).toBe(0);
	expect(t.k.uvmexp.pageins - pageins).toBe(1);
	expect(t.k.uvmexp.faults - faults).toBe(1);
	expect(word(BASE)).toBe(7);
});
