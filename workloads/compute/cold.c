/* 3,000 functions, each called once in a round: code that is not worth much translation. */
#include "compute.h"

#define F(n)                                                                                   \
	static uint32_t __attribute__((noinline)) f##n(uint32_t x)                                 \
	{                                                                                          \
		uint32_t y = x * (2u * 1##n + 1) + 1##n;                                               \
		for (int i = 0; i < (1##n & 7) + 2; i++)                                               \
			y = (y << 5 | y >> 27) ^ (y + 1##n * i);                                           \
		return (y & 1) != 0 ? y ^ 1##n : y + x;                                                \
	}
#define F10(n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) F(n##7) F(n##8) F(n##9)
#define F100(n)                                                                                \
	F10(n##0) F10(n##1) F10(n##2) F10(n##3) F10(n##4) F10(n##5) F10(n##6) F10(n##7) F10(n##8)  \
	F10(n##9)
#define F1000(n)                                                                               \
	F100(n##0) F100(n##1) F100(n##2) F100(n##3) F100(n##4) F100(n##5) F100(n##6) F100(n##7)    \
	F100(n##8) F100(n##9)
F1000(0) F1000(1) F1000(2)

#define C(n) x = f##n(x);
#define C10(n) C(n##0) C(n##1) C(n##2) C(n##3) C(n##4) C(n##5) C(n##6) C(n##7) C(n##8) C(n##9)
#define C100(n)                                                                                \
	C10(n##0) C10(n##1) C10(n##2) C10(n##3) C10(n##4) C10(n##5) C10(n##6) C10(n##7) C10(n##8)  \
	C10(n##9)
#define C1000(n)                                                                               \
	C100(n##0) C100(n##1) C100(n##2) C100(n##3) C100(n##4) C100(n##5) C100(n##6) C100(n##7)    \
	C100(n##8) C100(n##9)

uint32_t
cold(uint32_t scale)
{
	uint32_t x = 1;
	while (scale-- != 0) {
		C1000(0)
		C1000(1)
		C1000(2)
	}
	return x;
}
