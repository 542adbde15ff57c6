/* kem.c: a key wrapped for whoever holds a private key (crypto.h). */
#include "crypto.h"
#include "xwing.h"

_Static_assert(CRYPTO_KEM_PUBLIC == XWING_PUBLIC && CRYPTO_KEM_PRIVATE == XWING_SEED &&
	CRYPTO_KEM_WRAPPED == XWING_CIPHERTEXT + CRYPTO_KEY + CRYPTO_SEAL_EXTRA, "kem: lengths");

enum hf_err crypto_kem_new(uint8_t pub[CRYPTO_KEM_PUBLIC], struct secret *ret)
{
	CLEANUP(secret_done) struct secret seed = { 0 };

	TRY(secret_alloc(&seed, XWING_SEED));
	TRY(crypto_random(seed.p, seed.n));
	TRY(xwing_public(secret_slice(&seed), pub));
	*ret = secret_take(&seed);
	return HF_OK;
}

/* The ciphertext is part of what the key is made of, and so of what it authenticates. */
static enum hf_err key_of(struct slice shared, struct slice ct, struct secret *ret)
{
	return crypto_derive(shared, "holdfast kem", ct, ret);
}

enum hf_err crypto_kem_wrap(struct slice pub, struct slice place, struct slice key, struct buf *out)
{
	CLEANUP(secret_done) struct secret shared = { 0 }, under = { 0 };
	uint8_t ct[XWING_CIPHERTEXT];

	if (pub.n != XWING_PUBLIC)
		return HF_E_PUBLIC_KEY;
	TRY(xwing_encapsulate(pub, ct, &shared));
	TRY(key_of(secret_slice(&shared), SLICE_OF(ct), &under));
	buf_raw(out, SLICE_OF(ct));
	TRY(buf_err(out));
	return crypto_seal(secret_slice(&under), place, key, out);
}

enum hf_err crypto_kem_unwrap(struct slice private_, struct slice place, struct slice wrapped,
	struct secret *ret)
{
	CLEANUP(secret_done) struct secret shared = { 0 }, under = { 0 };
	struct slice ct = { wrapped.p, XWING_CIPHERTEXT };

	if (wrapped.n < XWING_CIPHERTEXT)
		return HF_E_DAMAGED;
	TRY(xwing_decapsulate(private_, ct, &shared));
	TRY(key_of(secret_slice(&shared), ct, &under));
	return crypto_open(secret_slice(&under), place,
		(struct slice){ wrapped.p + XWING_CIPHERTEXT, wrapped.n - XWING_CIPHERTEXT }, ret);
}
