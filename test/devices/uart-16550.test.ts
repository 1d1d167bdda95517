import { describe, expect, it } from "vitest";
import { ConsoleLog } from "../../computer/console-log.ts";
import { Uart16550 } from "../../devices/uart-16550.ts";
import { ACCESS_FAULT } from "../../machine/bus.ts";
import { Clock } from "../../machine/clock.ts";
import { Lamp } from "./bench-board.ts";

/** Offsets and bits as numbers, from the TL16C550 datasheet, tables 3 to 5. */
function setUp() {
	const clock = new Clock();
	const irq = new Lamp();
	const log = new ConsoleLog();
	const uart = new Uart16550(clock, irq, log.write);
	const read = (offset: number) => uart.load(offset, 1);
	const write = (offset: number, value: number) => expect(uart.store(offset, 1, value)).toBe(true);
	return { clock, irq, log, uart, read, write };
}

const NO_INTERRUPT = 0x01;

describe("transmitter", () => {
	it("bytes leave in order, and the transmitter is always empty", () => {
		const { log, read, write } = setUp();
		for (const byte of [0x68, 0x69, 0xff, 0x00]) {
			expect(read(5) & 0x60).toBe(0x60);
			write(0, byte);
		}
		expect([...log.bytes]).toEqual([0x68, 0x69, 0xff, 0x00]);
	});

	it("its interrupt: at once when enabled, gone when IIR is read, back after a byte", () => {
		const { irq, read, write } = setUp();
		expect(read(2)).toBe(NO_INTERRUPT);
		write(1, 0x02);
		expect(irq.on).toBe(true);
		expect(read(2)).toBe(0x02);
		expect(irq.on).toBe(false);
		expect(read(2)).toBe(NO_INTERRUPT);
		write(0, 0x41);
		expect(irq.on).toBe(true);
		write(1, 0);
		expect(irq.on).toBe(false);
	});
});

describe("receiver", () => {
	it("without FIFOs one byte fits; the next replaces it and is an overrun", () => {
		const { uart, read } = setUp();
		expect(uart.room).toBe(1);
		uart.receive([0x61]);
		expect(read(5)).toBe(0x61);
		uart.receive([0x62]);
		expect(read(5)).toBe(0x63);
		expect(read(5)).toBe(0x61);
		expect(read(0)).toBe(0x62);
		expect(read(5)).toBe(0x60);
		// The byte stays in RBR.
		expect(read(0)).toBe(0x62);
	});

	it("with FIFOs 16 bytes fit; the 17th is lost and is an overrun", () => {
		const { uart, read, write } = setUp();
		write(2, 0x01);
		uart.receive(Array.from({ length: 16 }, (_, i) => i));
		expect(uart.room).toBe(0);
		expect(read(5)).toBe(0x61);
		uart.receive([99]);
		expect(read(5)).toBe(0x63);
		for (let i = 0; i < 16; i++) expect(read(0)).toBe(i);
		expect(read(5)).toBe(0x60);
		expect(read(0)).toBe(0);
	});

	it.each([
		[0x00, 1],
		[0x40, 4],
		[0x80, 8],
		[0xc0, 14],
	])("with trigger %i it interrupts from %i bytes on, until there are fewer", (trigger, bytes) => {
		const { irq, uart, read, write } = setUp();
		write(2, trigger | 0x01);
		write(1, 0x01);
		for (let i = 1; i <= bytes; i++) {
			expect(irq.on).toBe(false);
			uart.receive([i]);
		}
		expect(irq.on).toBe(true);
		expect(read(2)).toBe(0xc4);
		read(0);
		expect(irq.on).toBe(false);
		expect(read(2)).toBe(0xc1);
	});

	it("bytes below the trigger interrupt after four character times without traffic", () => {
		const { clock, irq, uart, read, write } = setUp();
		write(3, 0x80);
		write(0, 2); // 3686400 Hz / 16 / 2 = 115200 baud
		write(1, 0);
		write(3, 0x03); // 8 data bits, 1 stop bit: 10 bits a character
		write(2, 0xc1);
		write(1, 0x01);
		// 40 bits at 115200 baud: 347222.2 ns
		uart.receive([1, 2, 3]);
		clock.advance(347_222);
		expect(irq.on).toBe(false);
		clock.advance(1);
		expect(irq.on).toBe(true);
		expect(read(2)).toBe(0xcc);
		// Reading a byte starts the time again.
		expect(read(0)).toBe(1);
		expect(irq.on).toBe(false);
		clock.advance(347_222);
		uart.receive([4]);
		clock.advance(347_222);
		expect(irq.on).toBe(false);
		clock.advance(1);
		expect(read(2)).toBe(0xcc);
		for (const byte of [2, 3, 4]) expect(read(0)).toBe(byte);
		expect(clock.skip()).toBe(false);
		expect(read(2)).toBe(0xc1);
	});

	it.each([
		[0x00, 7], // 5 data bits, a start bit, a stop bit
		[0x03, 10],
		[0x07, 11], // two stop bits
		[0x0b, 11], // parity
		[0x1e, 11], // 7 data bits, parity, two stop bits
	])("with LCR %i a character is %i bits long", (lcr, bits) => {
		const { clock, uart, write } = setUp();
		write(3, lcr);
		write(2, 0x41);
		uart.receive([1]);
		// 3686400 Hz / 16 / 12 = 19200 baud
		expect(clock.nextEvent).toBe(Math.ceil((4 * bits * 1e9) / 19_200));
	});

	it("clearing or switching the FIFOs loses what is in them", () => {
		for (const fcr of [0x03, 0x00]) {
			const { clock, uart, read, write } = setUp();
			write(2, 0x01);
			uart.receive([1, 2]);
			write(2, 0x01);
			expect(read(5) & 1).toBe(1);
			write(2, fcr);
			expect(clock.skip()).toBe(false);
			expect(read(5) & 1).toBe(0);
			expect(read(2)).toBe(fcr === 0 ? 0x01 : 0xc1);
		}
	});

	it("the line status interrupt reports an overrun before the data", () => {
		const { irq, uart, read, write } = setUp();
		write(1, 0x05);
		uart.receive([1, 2]);
		expect(read(2)).toBe(0x06);
		expect(read(5) & 0x02).toBe(0x02);
		expect(read(2)).toBe(0x04);
		read(0);
		expect(irq.on).toBe(false);
	});
});

describe("registers", () => {
	it("the divisor is behind DLAB, and the other registers keep their values", () => {
		const { log, read, write } = setUp();
		write(1, 0x0f);
		write(3, 0x83);
		write(0, 0x34);
		write(1, 0x12);
		expect([read(0), read(1)]).toEqual([0x34, 0x12]);
		write(3, 0x03);
		expect(read(1)).toBe(0x0f);
		expect(read(3)).toBe(0x03);
		expect(log.bytes.length).toBe(0);
	});

	it("at reset: no interrupts, empty, the line up", () => {
		const { read } = setUp();
		expect([1, 2, 3, 4, 5, 6].map(read)).toEqual([0, 0x01, 0, 0, 0x60, 0xb0]);
	});

	it("the scratch register holds a byte; unused bits read as zero", () => {
		const { read, write } = setUp();
		write(7, 0xa5);
		expect(read(7)).toBe(0xa5);
		write(1, 0xf0);
		expect(read(1)).toBe(0);
		write(4, 0xe0);
		expect(read(4)).toBe(0);
		write(5, 0x00);
		write(6, 0xff);
		expect([read(5), read(6)]).toEqual([0x60, 0xb0]);
	});

	it("there are eight registers, one byte wide, for accesses of any width", () => {
		const { uart } = setUp();
		expect(uart.load(8, 1)).toBe(ACCESS_FAULT);
		expect(uart.store(8, 1, 0)).toBe(false);
		expect(uart.store(7, 1, 0x12)).toBe(true);
		expect(uart.store(6, 2, 0x3456)).toBe(true);
		expect(uart.store(4, 4, 0x0102_0308)).toBe(true);
		expect([uart.load(7, 1), uart.load(4, 2), uart.load(4, 4)]).toEqual([0x12, 8, 8]);
	});
});

describe("loopback", () => {
	it("what is sent is received, and nothing else is", () => {
		const { log, uart, read, write } = setUp();
		write(4, 0x10);
		write(0, 0x55);
		uart.receive([0x66]);
		expect(read(0)).toBe(0x55);
		expect(read(5) & 1).toBe(0);
		expect(log.bytes.length).toBe(0);
	});

	it("the modem's outputs are its inputs, and changes are remembered until MSR is read", () => {
		const { irq, read, write } = setUp();
		write(4, 0x10);
		expect(read(6)).toBe(0x0b); // CTS, DSR and DCD went down
		expect(read(6)).toBe(0x00);
		write(1, 0x08);
		write(4, 0x10 | 0x01); // DTR is DSR
		expect(irq.on).toBe(true);
		expect(read(2)).toBe(0x00);
		expect(read(6)).toBe(0x22);
		expect(irq.on).toBe(false);
		write(4, 0x10 | 0x02); // RTS is CTS
		expect(read(6)).toBe(0x13);
		write(4, 0x10 | 0x04); // OUT1 is RI: only its end counts
		expect(read(6)).toBe(0x41);
		write(4, 0x10 | 0x08); // OUT2 is DCD
		expect(read(6)).toBe(0x8c);
	});
});

it("is saved and restored in the middle of a timeout", () => {
	const first = setUp();
	first.write(2, 0xc1);
	first.write(1, 0x05);
	first.uart.receive([7, 8]);
	first.clock.advance(1000);
	const second = setUp();
	second.clock.restore(structuredClone(first.clock.save()));
	second.uart.restore(structuredClone(first.uart.save()));
	for (const { clock, irq, read } of [first, second]) {
		expect(clock.skip()).toBe(true);
		expect(irq.on).toBe(true);
		expect([read(2), read(0), read(0)]).toEqual([0xcc, 7, 8]);
	}
	expect(second.clock.cycles).toBe(first.clock.cycles);
});

it("the console log holds any number of bytes, as text too", () => {
	const log = new ConsoleLog();
	const text = "péage\n".repeat(1000);
	for (const byte of new TextEncoder().encode(text)) log.write(byte);
	expect(log.text).toBe(text);
	expect(log.bytes.length).toBe(7000);
});
