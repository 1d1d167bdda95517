/*
 * spectral [n=50]: the greatest singular value of the infinite matrix with the elements
 * a(i, j) = 1 / ((i + j) (i + j + 1) / 2 + i + 1), from its first n rows and columns, by ten
 * rounds of the power method. Arithmetic is that of IEEE doubles, in software.
 *
 * n is 2..5000.
 *
 * Output: "spectral: n = 50", "norm 1.274193837" with nine digits, "verify: W", in which W is
 * "A'Av = lambda v" if the vector found is that of the value up to a millionth.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int n;

static double element(int i, int j)
{
	return 1.0 / ((double)(i + j) * (i + j + 1) / 2 + i + 1);
}

static void multiply(const double *v, double *result)
{
	for (int i = 0; i < n; i++) {
		double sum = 0;
		for (int j = 0; j < n; j++)
			sum += element(i, j) * v[j];
		result[i] = sum;
	}
}

static void multiply_transposed(const double *v, double *result)
{
	for (int i = 0; i < n; i++) {
		double sum = 0;
		for (int j = 0; j < n; j++)
			sum += element(j, i) * v[j];
		result[i] = sum;
	}
}

static double product(const double *a, const double *b)
{
	double sum = 0;

	for (int i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

static int is_eigenvector(const double *image, const double *v, double lambda)
{
	for (int i = 0; i < n; i++) {
		if (fabs(image[i] - lambda * v[i]) > 1e-6 * lambda)
			return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	char line[64];

	n = argc > 1 ? atoi(argv[1]) : 50;
	if (argc > 2 || n < 2 || n > 5000) {
		fprintf(stderr, "usage: spectral [n=50]\n");
		return 2;
	}
	double *u = malloc((size_t)n * sizeof(double));
	double *v = malloc((size_t)n * sizeof(double));
	double *half = malloc((size_t)n * sizeof(double));
	if (u == NULL || v == NULL || half == NULL) {
		perror("spectral");
		return 1;
	}
	for (int i = 0; i < n; i++)
		u[i] = 1;
	for (int round = 0; round < 10; round++) {
		multiply(u, half);
		multiply_transposed(half, v);
		multiply(v, half);
		multiply_transposed(half, u);
	}
	/* u is now A'A v, so the value belongs to v. */
	double lambda = product(u, v) / product(v, v);
	printf("spectral: n = %d\n", n);
	snprintf(line, sizeof(line), "norm %.9f", sqrt(lambda));
	puts(line);
	int good = is_eigenvector(u, v, lambda);
	printf("verify: %s\n", good ? "A'Av = lambda v" : "failed");
	free(u);
	free(v);
	free(half);
	return good ? 0 : 1;
}
