/* What the guests do with F and D. A unit of each takes some ten million instructions. */
#include "compute.h"

static uint32_t
fold(double value)
{
	union {
		double value;
		uint32_t words[2];
	} bits = { value };
	return bits.words[0] ^ bits.words[1];
}

/* Points of the Mandelbrot set in a grid of 256 by 256, in single precision. */
uint32_t
mandel(uint32_t scale)
{
	enum { SIDE = 256, STEPS = 64 };
	uint32_t sum = 0;
	while (scale-- != 0)
		for (int y = 0; y < SIDE; y++)
			for (int x = 0; x < SIDE; x++) {
				float cr = (float)x * (3.0f / SIDE) - 2.0f;
				float ci = (float)y * (2.4f / SIDE) - 1.2f;
				float r = 0, i = 0;
				int n = 0;
				for (; n < STEPS && r * r + i * i < 4.0f; n++) {
					float next = r * r - i * i + cr;
					i = 2.0f * r * i + ci;
					r = next;
				}
				sum = sum * 31 + (uint32_t)n;
			}
	return sum;
}

/* Five bodies under gravity in double precision. */
struct body {
	double at[3], speed[3], mass;
};

static void
step(struct body *bodies, int count, double time)
{
	for (int i = 0; i < count; i++)
		for (int j = i + 1; j < count; j++) {
			struct body *a = &bodies[i], *b = &bodies[j];
			double way[3], square = 0.01;
			for (int k = 0; k < 3; k++) {
				way[k] = a->at[k] - b->at[k];
				square += way[k] * way[k];
			}
			double pull = time / (square * __builtin_sqrt(square));
			for (int k = 0; k < 3; k++) {
				a->speed[k] -= way[k] * b->mass * pull;
				b->speed[k] += way[k] * a->mass * pull;
			}
		}
	for (int i = 0; i < count; i++)
		for (int k = 0; k < 3; k++)
			bodies[i].at[k] += time * bodies[i].speed[k];
}

uint32_t
nbody(uint32_t scale)
{
	enum { COUNT = 5, STEPS = 20000 };
	struct body bodies[COUNT];
	uint32_t random = 1;
	for (int i = 0; i < COUNT; i++) {
		for (int k = 0; k < 3; k++) {
			bodies[i].at[k] = (double)(int32_t)next_random(&random) * 0x1p-31;
			bodies[i].speed[k] = (double)(int32_t)next_random(&random) * 0x1p-33;
		}
		bodies[i].mass = (double)(i + 1) * 0.125;
	}
	for (uint32_t i = 0; i < scale * STEPS; i++)
		step(bodies, COUNT, 0x1p-10);
	uint32_t sum = 0;
	for (int i = 0; i < COUNT; i++)
		for (int k = 0; k < 3; k++)
			sum = sum * 31 + fold(bodies[i].at[k]);
	return sum;
}

/* Products of matrices in double precision. */
uint32_t
dmatrix(uint32_t scale)
{
	enum { N = 96 };
	static double a[N][N], b[N][N], c[N][N];
	uint32_t random = 1;
	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++) {
			a[i][j] = (double)(int32_t)next_random(&random) * 0x1p-30;
			b[i][j] = (double)(int32_t)next_random(&random) * 0x1p-31;
		}
	while (scale-- != 0) {
		for (int i = 0; i < N; i++)
			for (int j = 0; j < N; j++) {
				double sum = 0;
				for (int k = 0; k < N; k++)
					sum += a[i][k] * b[k][j];
				c[i][j] = sum;
			}
		for (int i = 0; i < N; i++)
			for (int j = 0; j < N; j++)
				a[i][j] = c[i][j] / 8.0 + 0.5;
	}
	uint32_t sum = 0;
	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++)
			sum = sum * 31 + fold(c[i][j]);
	return sum;
}
