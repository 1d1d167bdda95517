/** The part of the WebAssembly API that the machine uses, without the rest of lib.dom. */
declare namespace WebAssembly {
	class Memory {
		/** `initial` and `maximum` count pages of 65536 bytes. */
		constructor(descriptor: { initial: number; maximum: number });
		readonly buffer: ArrayBuffer;
	}
	class Table {
		constructor(descriptor: { element: "anyfunc"; initial: number; maximum: number });
		set(index: number, value: unknown): void;
	}
	class Module {
		constructor(bytes: Uint8Array);
	}
	class Instance {
		constructor(module: Module, imports: Record<string, Record<string, unknown>>);
		readonly exports: Readonly<Record<string, unknown>>;
	}
}
