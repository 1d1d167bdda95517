/** Error numbers of the kernel, NetBSD's names and values (sys/errno.h). 0 is success. */
export type Errno = number;

export const EPERM = 1;
export const ENOENT = 2;
export const ESRCH = 3;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const E2BIG = 7;
export const ENOEXEC = 8;
export const EBADF = 9;
export const ECHILD = 10;
export const EDEADLK = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EFAULT = 14;
export const EBUSY = 16;
export const EEXIST = 17;
export const EXDEV = 18;
export const ENODEV = 19;
export const ENOTDIR = 20;
export const EISDIR = 21;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const ENOTTY = 25;
export const ETXTBSY = 26;
export const EFBIG = 27;
export const ENOSPC = 28;
export const ESPIPE = 29;
export const EROFS = 30;
export const EPIPE = 32;
export const ERANGE = 34;
/** Same value as EWOULDBLOCK. */
export const EAGAIN = 35;
export const EWOULDBLOCK = EAGAIN;
export const ETIMEDOUT = 60;
export const ELOOP = 62;
export const ENAMETOOLONG = 63;
export const ENOTEMPTY = 66;
export const ENOLCK = 77;
export const ENOSYS = 78;
export const EOVERFLOW = 84;
export const ENOTSUP = 86;
/** Pseudo error: start the operation again. */
export const ERESTART = -3;
/** Pseudo error of a system call that has set the registers itself: store no result. */
export const EJUSTRETURN = -2_000_000;
/** Pseudo error of a system call that has put the thread to sleep: start it again when it wakes. */
export const ESLEEPS = -2_000_001;
/** Pseudo error of a system call to be started again at once, as what the kernel's part runs. */
export const EKERNEL = -2_000_002;
