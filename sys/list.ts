/** Take `item` out of a list. => it is there. Allocates nothing, as splice would. */
export function list_remove<T>(list: T[], item: T): void {
	for (let i = list.indexOf(item); i + 1 < list.length; i++) list[i] = list[i + 1]!;
	list.pop();
}
