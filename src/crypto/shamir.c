#include "shamir.h"

#include "crypto.h"

/* x^8 + x^4 + x^3 + x + 1, as in FIPS 197 §4. */
uint8_t shamir_mul(uint8_t a, uint8_t b)
{
	unsigned r = 0, f = a;

	for (unsigned i = 0; i < 8; i++) {
		r ^= f & (0u - ((unsigned)b >> i & 1u));
		f = (f << 1) ^ (0x11bu & (0u - (f >> 7 & 1u)));
	}
	return (uint8_t)r;
}

/* The inverse is the 254th power. */
static uint8_t inverse(uint8_t a)
{
	uint8_t square = shamir_mul(a, a), r = square;

	for (unsigned i = 0; i < 6; i++) {
		square = shamir_mul(square, square);
		r = shamir_mul(r, square);
	}
	return r;
}

/* at evaluates the polynomial of one byte: the secret's, then m - 1 random ones,
 * by Horner's rule. */
static uint8_t at(uint8_t secret, const uint8_t *random, unsigned m, uint8_t x)
{
	uint8_t r = 0;

	for (unsigned k = m - 1; k > 0; k--)
		r = shamir_mul((uint8_t)(r ^ random[k - 1]), x);
	return r ^ secret;
}

enum hf_err shamir_split(struct slice secret, unsigned m, unsigned n, struct secret *ret)
{
	CLEANUP(secret_done) struct secret random = { 0 };
	size_t each = m > 0 ? m - 1 : 0;

	if (m == 0 || m > n || n > SHAMIR_MAX || secret.n == 0)
		return HF_E_ARGUMENTS;
	TRY(secret_alloc(&random, each * secret.n + 1));
	TRY(crypto_random(random.p, random.n));
	for (unsigned i = 0; i < n; i++) {
		enum hf_err e = secret_alloc(&ret[i], secret.n);

		if (e != HF_OK) {
			while (i-- > 0)
				secret_done(&ret[i]);
			return e;
		}
		for (size_t k = 0; k < secret.n; k++)
			ret[i].p[k] = at(secret.p[k], random.p + k * each, m, (uint8_t)(i + 1));
	}
	return HF_OK;
}

/* weight is what share i counts at 0: the product of x_k / (x_k - x_i). */
static uint8_t weight(const struct shamir_share *v, size_t m, size_t i)
{
	uint8_t r = 1;

	for (size_t k = 0; k < m; k++)
		if (k != i)
			r = shamir_mul(r, shamir_mul(v[k].x, inverse(v[k].x ^ v[i].x)));
	return r;
}

static bool usable(const struct shamir_share *v, size_t m)
{
	for (size_t i = 0; i < m; i++) {
		if (v[i].x == 0 || v[i].y.n != v[0].y.n)
			return false;
		for (size_t k = 0; k < i; k++)
			if (v[k].x == v[i].x)
				return false;
	}
	return m > 0 && m <= SHAMIR_MAX && v[0].y.n > 0;
}

enum hf_err shamir_join(const struct shamir_share *v, size_t m, struct secret *ret)
{
	CLEANUP(secret_done) struct secret s = { 0 };

	if (!usable(v, m))
		return HF_E_ARGUMENTS;
	TRY(secret_alloc(&s, v[0].y.n));
	for (size_t k = 0; k < s.n; k++)
		s.p[k] = 0;
	for (size_t i = 0; i < m; i++) {
		uint8_t w = weight(v, m, i);

		for (size_t k = 0; k < s.n; k++)
			s.p[k] ^= shamir_mul(w, v[i].y.p[k]);
	}
	*ret = secret_take(&s);
	return HF_OK;
}
