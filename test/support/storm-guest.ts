/** A bare guest that takes an interrupt of the UART and does not acknowledge it there. */
import { assemble } from "../isa/assembler.ts";

/**
 * It makes three calls and meets two illegal instructions, prints ">", and then waits in an empty
 * loop. s5 counts interrupts, s6 exceptions.
 */
export const stormGuest = (): Uint8Array =>
	assemble(
		`
		la t0, trap
		csrrw zero, mtvec, t0
		lui s0, 0x10000       # UART
		ecall
		ecall
		ecall
		.word 0
		.word 0
		lui t1, 0xc000
		li t0, 1
		sw t0, 40(t1)         # priority of its source
		lui t1, 0xc002
		li t0, 0x400
		sw t0, 0(t1)          # enabled for M-mode
		lui s2, 0xc200
		sw zero, 0(s2)
		li a0, 62
		sb a0, 0(s0)
		li t0, 2
		sb t0, 1(s0)          # transmitter empty
		li t0, 0x800
		csrrw zero, mie, t0
		csrrsi zero, mstatus, 8
	wait:	j wait
	trap:	csrrs t0, mcause, zero
		blt t0, zero, irq
		addi s6, s6, 1
		csrrs t0, mepc, zero
		addi t0, t0, 4
		csrrw zero, mepc, t0
		mret
	irq:	addi s5, s5, 1
		lw t0, 4(s2)
		sw t0, 4(s2)
		mret
	`,
		0x8000_0000,
	).bytes;
