/** The identity of a process (sys/ucred.h). */

/** Who a process is (struct ucred). Never changed in place. */
export interface ucred {
	/** Real, effective and saved user; the user for files. */
	readonly cr_uid: number;
	readonly cr_euid: number;
	readonly cr_svuid: number;
	readonly cr_fsuid: number;
	/** The same of the group. */
	readonly cr_gid: number;
	readonly cr_egid: number;
	readonly cr_svgid: number;
	readonly cr_fsgid: number;
	/** Further groups. */
	readonly cr_groups: readonly number[];
}

/** The first process: root. */
export const cred0 = (): ucred => ({
	cr_uid: 0,
	cr_euid: 0,
	cr_svuid: 0,
	cr_fsuid: 0,
	cr_gid: 0,
	cr_egid: 0,
	cr_svgid: 0,
	cr_fsgid: 0,
	cr_groups: [],
});
