# pid_t vfork(void)
#
# The child runs on its parent's stack until it execs or exits, so nothing that the parent needs
# in order to return may lie there: the return address stays in ra.

#define SYS_clone 220
#define CLONE_VM_VFORK_SIGCHLD 0x4111

	.section .text.vfork, "ax", @progbits
	.globl vfork
vfork:
	li	a0, CLONE_VM_VFORK_SIGCHLD
	li	a1, 0		# the stack it is on
	li	a2, 0
	li	a3, 0
	li	a4, 0
	li	a7, SYS_clone
	ecall
	bltz	a0, 1f
	ret
1:	tail	checked		# sets errno

	.section .note.GNU-stack, "", @progbits
