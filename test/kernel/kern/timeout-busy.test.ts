import { expect, it } from "vitest";
import { ltsleep, type Sleeps, wakeup } from "../../../kernel/kern/core/kern_synch.ts";
import { TestKernel } from "../../support/kernel.ts";

it("a sleep times out although kernel threads never let the processor rest", () => {
	const t = new TestKernel();
	const { k } = t;
	const turn = {};
	let over = false;
	let turns = 0;
	function* busy(): Sleeps<void> {
		while (!over && turns++ < 10_000) {
			k.port.charge(1000);
			wakeup(k, turn);
			if (!over) yield* ltsleep(k, turn, "turn", 0, null);
		}
		wakeup(k, turn);
	}
	t.spawn(busy());
	t.spawn(busy());
	function* sleeper(): Sleeps<void> {
		yield* ltsleep(k, {}, "pause", 1_000_000, null);
		over = true;
	}
	const asleep = t.spawn(sleeper());
	t.settle();
	expect(asleep.done).toBe(true);
	expect(turns).toBeLessThan(5000);
});
