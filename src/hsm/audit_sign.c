#include "audit_sign.h"

#define ROOM 65536u

enum hf_err audit_keys_open(struct slice seed, struct slice ml_seed, struct audit_keys *ret)
{
	TRY(secret_dup(seed, &ret->seed));
	TRY(crypto_ed25519_public(seed, ret->public_key));
	if (ml_seed.n == 0)
		return HF_OK;
	TRY(secret_dup(ml_seed, &ret->ml_seed));
	return crypto_ml_dsa65_public(ml_seed, ret->ml_public);
}

void audit_keys_done(struct audit_keys *k)
{
	secret_done(&k->seed);
	secret_done(&k->ml_seed);
}

void audit_signed(const struct audit_record *rec, struct buf *out)
{
	struct audit_record unsigned_ = *rec;

	unsigned_.signature = SLICE_NONE;
	audit_write(out, &unsigned_);
}

enum hf_err audit_sign(const struct audit_keys *k, struct audit_record *rec,
	uint8_t out[AUDIT_SIGNATURE_MAX])
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(ROOM);
	size_t n = AUDIT_ED25519;

	audit_signed(rec, &b);
	TRY(buf_err(&b));
	TRY(crypto_ed25519_sign(secret_slice(&k->seed), buf_slice(&b), out));
	if (k->ml_seed.n > 0) {
		TRY(crypto_ml_dsa65_sign(secret_slice(&k->ml_seed), buf_slice(&b), out + n));
		n += CRYPTO_ML_DSA65_SIGNATURE;
	}
	rec->signature = (struct slice){ out, n };
	return HF_OK;
}
