/** A machine and its board together: a small program drives the devices as on bare metal. */

import { expect, it } from "vitest";
import { ConsoleLog } from "../../computer/console-log.ts";
import { Board, boardParts } from "../../devices/board.ts";
import { Machine } from "../../machine/machine.ts";
import { RAM_BASE } from "../../machine/memory.ts";

const PROGRAM = [
	0x02004_2b7, // lui   t0, 0x2004     mtimecmp
	0x03200_313, // li    t1, 50
	0x0062a_023, // sw    t1, 0(t0)
	0x0002a_223, // sw    zero, 4(t0)
	0x08000_393, // li    t2, 0x80       mie.MTIE
	0x30439_073, // csrw  mie, t2
	0x10500_073, // wfi
	0x10000_0b7, // lui   ra, 0x10000    serial port
	0x06800_113, // li    sp, 'h'
	0x00208_023, // sb    sp, 0(ra)
	0x06900_113, // li    sp, 'i'
	0x00208_023, // sb    sp, 0(ra)
	0x00100_1b7, // lui   gp, 0x100      power switch
	0x00005_237, // lui   tp, 0x5
	0x55520_213, // addi  tp, tp, 0x555
	0x0041a_023, // sw    tp, 0(gp)
	0x00000_06f, // j     .
];

it("a program waits for the timer, prints, and switches off", () => {
	const machine = new Machine({ ramSize: 64 * 1024 });
	const { clock, dma } = machine;
	const log = new ConsoleLog();
	let off: { kind: string; cycles: number } | null = null;
	new Board(boardParts(machine), {
		console: log.write,
		power: ({ kind }) => {
			off ??= { kind, cycles: clock.cycles };
		},
	});
	for (const [i, word] of PROGRAM.entries()) dma.store32(RAM_BASE + 4 * i, word);
	machine.hart.pc = RAM_BASE;
	machine.runBare(6000);
	expect(log.text).toBe("hi");
	// 50 ticks of 100 cycles, then eight instructions before the store.
	expect(off).toEqual({ kind: "pass", cycles: 5008 });
});
