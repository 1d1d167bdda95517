/** The history of events inside UVM. */
import { expect, it } from "vitest";
import { UVMHIST_LOG, uvmhist_dump, uvmhist_init } from "../../../kernel/kern/core/kern_history.ts";
import { TestKernel } from "../../support/kernel.ts";

it("keeps the latest events, in their order, and nothing if it is off", () => {
	const { k } = new TestKernel();
	k.uvmhist = null;
	UVMHIST_LOG(k, "uvm_map", "not kept");
	const h = uvmhist_init(2);
	k.uvmhist = h;
	UVMHIST_LOG(k, "uvm_map", "first");
	expect(uvmhist_dump(h)).toEqual([expect.stringMatching(/^\d+ lwp\d+ uvm_map: first$/)]);
	UVMHIST_LOG(k, "uvm_unmap", "second", 4096, -1);
	UVMHIST_LOG(k, "uvm_fault", "third", 1);
	expect(uvmhist_dump(h).map((line) => line.replace(/^\d+ lwp\d+ /, ""))).toEqual([
		"uvm_unmap: second 0x1000 0xffffffff",
		"uvm_fault: third 0x1",
	]);
	expect(h.count).toBe(3);
});
