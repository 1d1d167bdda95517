/** The order of events. */
import { expect, it } from "vitest";
import { Clock } from "../../machine/clock.ts";

it("events of a cycle fire as they were scheduled, behind those that come first", () => {
	const clock = new Clock();
	const fired: string[] = [];
	const handler = clock.register((n) => fired.push(`event ${n}`));
	const faults = clock.register((n) => fired.push(`first ${n}`));
	clock.schedule(5, handler, 1);
	clock.scheduleFirst(5, faults, 2);
	clock.schedule(5, handler, 2);
	clock.scheduleFirst(5, faults, 1);
	clock.schedule(4, handler, 0);
	const saved = clock.save();
	const order = ["event 0", "first 1", "first 2", "event 1", "event 2"];
	clock.advance(10);
	expect(fired.splice(0)).toEqual(order);
	// What was saved does not share the events that are used again.
	for (let n = 0; n < order.length; n++) clock.schedule(11, handler, 7);
	clock.cancel(handler);
	clock.restore(saved);
	clock.advance(10);
	expect(fired).toEqual(order);
});
