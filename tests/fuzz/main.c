/* main.c: runs a target over its corpus as an ordinary test: every seed whole, cut
 * at every length, and changed at random by a generator with a fixed start.
 *
 *     fuzz_x [ROUNDS [FILE...]] */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX 65536

static uint64_t state = 0x9e3779b97f4a7c15u;

static uint64_t random_u64(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static const uint8_t nasty[] = { 0, 1, 2, 0x7f, 0x80, 0xfe, 0xff };

/* change makes one to eight small changes. */
static size_t change(uint8_t *p, size_t n)
{
	for (uint64_t k = random_u64() % 8 + 1; k > 0 && n > 0; k--) {
		size_t at = random_u64() % n;

		switch (random_u64() % 4) {
		case 0:
			p[at] ^= (uint8_t)(1u << random_u64() % 8);
			break;
		case 1:
			p[at] = nasty[random_u64() % sizeof(nasty)];
			break;
		case 2:
			memmove(p + at, p + at + 1, n - at - 1);
			n--;
			break;
		default:
			if (n < MAX) {
				memmove(p + at + 1, p + at, n - at);
				n++;
			}
		}
	}
	return n;
}

static void one(const uint8_t *p, size_t n)
{
	/* In a block of its own size, so that a sanitizer sees a step too far. */
	uint8_t *copy = malloc(n > 0 ? n : 1);

	if (copy == NULL)
		abort();
	memcpy(copy, p, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static unsigned long all_of(const uint8_t *seed, size_t n, unsigned long rounds)
{
	static uint8_t p[MAX + 8];
	unsigned long runs = 0;

	for (size_t cut = 0; cut <= n; cut += n > 512 ? n / 256 : 1, runs++)
		one(seed, cut);
	for (unsigned long i = 0; i < rounds; i++, runs++) {
		memcpy(p, seed, n);
		one(p, change(p, n));
	}
	return runs;
}

int main(int argc, char **argv)
{
	static uint8_t seed[MAX];
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 200, runs = 0;
	size_t n, seeds = 0;

	for (size_t i = 0; (n = fuzz_seed(i, seed, MAX)) > 0; i++, seeds++)
		runs += all_of(seed, n, rounds);
	for (int i = 2; i < argc; i++, seeds++) {
		FILE *f = fopen(argv[i], "rb");

		if (f == NULL)
			return 1;
		n = fread(seed, 1, MAX, f);
		fclose(f);
		runs += all_of(seed, n, rounds);
	}
	printf("%zu seeds, %lu inputs\n", seeds, runs);
	return seeds > 0 ? 0 : 1;
}
