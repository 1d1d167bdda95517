/**
 * First value of a property whose numbers may be beyond 31 bits. V8 then keeps each number as it is
 * given: a small integer in the object, another one as a number object that is passed on. If the
 * first value were a number, every object would get a box of its own for this property, and each
 * time that the number is passed to a function a new one would be allocated.
 */
export const NO_NUMBER = null as unknown as number;
