/** The aobj pager under memory pressure. */
import { describe, expect, it } from "vitest";
import { uao_detach } from "../../../kernel/uvm/uvm_aobj.ts";
import { PG_CLEAN } from "../../../kernel/uvm/uvm_page.ts";
import { TestKernel } from "../../support/kernel.ts";
import { checkAtRest } from "../../support/paging.ts";

describe("aobj pager", () => {
	it("keeps the contents of an object that is larger than memory", () => {
		const t = new TestKernel({ ram: 1 << 20, disks: [4 << 20] });
		const pages = 600;
		const uobj = t.aobj(pages);
		t.run(
			(function* () {
				for (let i = 0; i < pages; i++) {
					yield* t.page(uobj, i, (pg) => {
						pg.flags &= ~PG_CLEAN;
						t.bytes(pg).fill(i & 0xff);
					});
				}
				for (let i = 0; i < pages; i++) {
					const byte = yield* t.page(uobj, i, (pg) => t.bytes(pg)[17]!);
					expect(byte).toBe(i & 0xff);
				}
			})(),
		);
		checkAtRest(t, uobj);
		expect(t.k.uvmexp.pgswapout).toBeGreaterThan(pages - 256);
		expect(t.k.uvmexp.pgswapout / t.k.uvmexp.pdpageouts).toBeGreaterThan(10);
		t.run(uao_detach(t.k, uobj));
		t.check();
		expect(t.k.uvmexp.swpginuse).toBe(0);
		expect(t.k.uvmexp.swpgonly).toBe(0);
	});
});
