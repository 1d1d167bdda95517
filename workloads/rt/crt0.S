# The first instructions of every guest program. The kernel passes, from sp up:
# argc, argv[0..argc-1], NULL, envp[], NULL, auxv.

	.section .text.start, "ax", @progbits
	.globl _start
_start:
	.option push
	.option norelax		# gp cannot be loaded relative to itself
	la	gp, __global_pointer$
	.option pop
	li	s0, 0		# the outermost frame
	lw	a0, 0(sp)
	addi	a1, sp, 4
	slli	a2, a0, 2	# the environment begins behind the NULL of argv
	add	a2, a2, a1
	addi	a2, a2, 4
	la	t0, environ
	sw	a2, 0(t0)
	call	main
	tail	exit

	.section .note.GNU-stack, "", @progbits
