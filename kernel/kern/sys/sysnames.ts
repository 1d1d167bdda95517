/** Names of system calls, for messages and traces. */
import { SYS } from "./sysnum.ts";

/** Linux's other calls on riscv32, which have no handler (asm-generic/unistd.h). */
const OTHERS = `
	0 io_setup, 1 io_destroy, 2 io_submit, 3 io_cancel, 5 setxattr, 6 lsetxattr, 7 fsetxattr,
	8 getxattr, 9 lgetxattr, 10 fgetxattr, 11 listxattr, 12 llistxattr, 13 flistxattr,
	14 removexattr, 15 lremovexattr, 16 fremovexattr, 18 lookup_dcookie, 19 eventfd2,
	20 epoll_create1, 21 epoll_ctl, 22 epoll_pwait, 26 inotify_init1, 27 inotify_add_watch,
	28 inotify_rm_watch, 30 ioprio_set, 31 ioprio_get, 39 umount2, 40 mount, 41 pivot_root,
	42 nfsservctl, 51 chroot, 58 vhangup, 60 quotactl, 74 signalfd4, 75 vmsplice, 76 splice,
	77 tee, 84 sync_file_range, 85 timerfd_create, 89 acct, 90 capget, 91 capset, 92 personality,
	97 unshare, 98 futex, 101 nanosleep, 104 kexec_load, 105 init_module, 106 delete_module,
	107 timer_create, 109 timer_getoverrun, 111 timer_delete, 116 syslog, 117 ptrace,
	118 sched_setparam, 119 sched_setscheduler, 120 sched_getscheduler, 121 sched_getparam,
	125 sched_get_priority_max, 126 sched_get_priority_min, 128 restart_syscall, 142 reboot,
	161 sethostname, 162 setdomainname, 180 mq_open, 181 mq_unlink, 184 mq_notify,
	185 mq_getsetattr, 186 msgget, 187 msgctl, 188 msgrcv, 189 msgsnd, 190 semget, 191 semctl,
	193 semop, 198 socket, 199 socketpair, 200 bind, 201 listen, 202 accept, 203 connect,
	204 getsockname, 205 getpeername, 206 sendto, 207 recvfrom, 208 setsockopt, 209 getsockopt,
	210 shutdown, 211 sendmsg, 212 recvmsg, 213 readahead, 217 add_key, 218 request_key,
	219 keyctl, 234 remap_file_pages, 235 mbind, 236 get_mempolicy, 237 set_mempolicy,
	238 migrate_pages, 239 move_pages, 241 perf_event_open, 242 accept4,
	244 arch_specific_syscall, 262 fanotify_init, 263 fanotify_mark, 264 name_to_handle_at,
	265 open_by_handle_at, 268 setns, 269 sendmmsg, 272 kcmp, 273 finit_module,
	274 sched_setattr, 275 sched_getattr, 277 seccomp,
	279 memfd_create, 280 bpf, 281 execveat, 282 userfaultfd, 283 membarrier, 285 copy_file_range,
	288 pkey_mprotect, 289 pkey_alloc, 290 pkey_free, 293 rseq, 294 kexec_file_load,
	404 clock_settime64, 405 clock_adjtime64, 408 timer_gettime64, 409 timer_settime64,
	410 timerfd_gettime64, 411 timerfd_settime64, 416 io_pgetevents_time64, 417 recvmmsg_time64,
	418 mq_timedsend_time64, 419 mq_timedreceive_time64, 420 semtimedop_time64,
	423 sched_rr_get_interval_time64, 424 pidfd_send_signal, 425 io_uring_setup,
	426 io_uring_enter, 427 io_uring_register, 428 open_tree, 429 move_mount, 430 fsopen,
	431 fsconfig, 432 fsmount, 433 fspick, 434 pidfd_open, 435 clone3, 437 openat2,
	438 pidfd_getfd, 440 process_madvise, 441 epoll_pwait2, 442 mount_setattr, 443 quotactl_fd,
	444 landlock_create_ruleset, 445 landlock_add_rule, 446 landlock_restrict_self,
	447 memfd_secret, 448 process_mrelease, 449 futex_waitv, 450 set_mempolicy_home_node,
	451 cachestat, 453 map_shadow_stack, 454 futex_wake, 455 futex_wait, 456 futex_requeue,
	457 statmount, 458 listmount, 459 lsm_get_self_attr, 460 lsm_set_self_attr,
	461 lsm_list_modules, 462 mseal, 463 setxattrat, 464 getxattrat, 465 listxattrat,
	466 removexattrat, 467 open_tree_attr, 468 file_getattr, 469 file_setattr, 470 listns`;

const names = new Map<number, string>(Object.entries(SYS).map(([name, number]) => [number, name]));
for (const entry of OTHERS.split(",")) {
	const [number, name] = entry.trim().split(" ");
	names.set(Number(number), name!);
}

/** => "statx"; "1234" for a number that Linux has not given either. */
export const syscall_name = (number: number): string => names.get(number) ?? `${number}`;
