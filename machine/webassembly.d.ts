/** The part of the WebAssembly API that the machine uses, without the rest of lib.dom. */
declare namespace WebAssembly {
	class Memory {
		/** `initial` and `maximum` count pages of 65536 bytes. */
		constructor(descriptor: { initial: number; maximum: number });
		readonly buffer: ArrayBuffer;
	}
}
