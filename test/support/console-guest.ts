/** Bare guests whose console is driven by interrupts: they echo what they get, and end at a "q". */
import { assemble } from "../isa/assembler.ts";

/**
 * "spin" loops while it waits, with interrupts on; "tick" sleeps in wfi, and a timer wakes it each
 * millisecond, as real-time systems do.
 */
export function consoleGuest(kind: "spin" | "tick"): Uint8Array {
	const timer = `
		lui s1, 0x2004        # mtimecmp
		lui t0, 0x200c
		lw t0, -8(t0)         # mtime
		li t1, 10000
		add t0, t0, t1
		sw zero, 4(s1)
		sw t0, 0(s1)`;
	return assemble(
		`
		la t0, trap
		csrrw zero, mtvec, t0
		lui s0, 0x10000       # UART
		li t0, 1
		lui t1, 0xc000
		sw t0, 40(t1)         # priority of its source
		lui t1, 0xc002
		li t0, 0x400
		sw t0, 0(t1)          # enabled for M-mode
		lui s2, 0xc200
		sw zero, 0(s2)
		li t0, 1
		sb t0, 2(s0)          # FIFOs
		sb t0, 1(s0)          # receive interrupt
		${kind === "tick" ? timer : ""}
		li t0, ${kind === "tick" ? 0x880 : 0x800}
		csrrw zero, mie, t0
		li a0, 62
		sb a0, 0(s0)
		csrrsi zero, mstatus, 8
	idle:	${kind === "tick" ? "wfi" : "addi s3, s3, 1"}
		j idle
	trap:	csrrs t0, mcause, zero
		slli t0, t0, 1
		li t1, 14
		beq t0, t1, timer
		lw t2, 4(s2)
	next:	lbu t0, 5(s0)
		andi t0, t0, 1
		beq t0, zero, done
		lbu a0, 0(s0)
		li t0, 113
		beq t0, a0, off
		sb a0, 0(s0)
		j next
	done:	sw t2, 4(s2)
		mret
	timer:	lw t0, 0(s1)
		li t1, 10000
		add t0, t0, t1
		sw t0, 0(s1)
		mret
	off:	lui t0, 0x100
		li t1, 0x5555
		sw t1, 0(t0)
	end:	j end`,
		0x8000_0000,
	).bytes;
}
