	# M-mode builds the page table and goes to U-mode; traps end the program.
	.section .text.start
	.globl _start
_start:
	la	sp, __stack
	la	t0, trap
	csrw	mtvec, t0
	la	t0, __bss_start
	la	t1, __bss_end
1:	bgeu	t0, t1, 2f
	sw	zero, 0(t0)
	addi	t0, t0, 4
	j	1b
2:	mv	s1, a1
	li	t0, -1			# all memory, for U-mode
	csrw	pmpaddr0, t0
	li	t0, 0x1f
	csrw	pmpcfg0, t0
	li	t0, 7			# cycle, time and instret as well
	csrw	mcounteren, t0
	csrw	scounteren, t0
	li	t0, 0x2000		# FS: Initial
	csrs	mstatus, t0
	call	build_page_table
	csrw	satp, a0
	sfence.vma
	la	t0, 3f
	csrw	mepc, t0
	li	t0, 0x1800
	csrc	mstatus, t0
	mv	a0, s1
	mret
3:	call	main
	ecall

	# ecall: the program ends with a0. Anything else is an error.
	.balign 4
trap:
	csrr	t0, mcause
	addi	t0, t0, -8
	li	t2, 0x100000
	li	t1, 0x5555
	bnez	t0, 5f
	beqz	a0, 6f
5:	li	t1, 0x13333
6:	sw	t1, 0(t2)
7:	j	7b
