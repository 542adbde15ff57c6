/* op_bound.c: an operation whose use of the key is approved for named data. */
#include <string.h>

#include "guard.h"
#include "op_int.h"
#include "pkcs11_numbers.h"

enum hf_err op_first_use(struct calls_ctx *c, struct op *op)
{
	enum verb v = op->crypt.verb;
	enum hf_err e = guard_begin(c, op->key, &op->bound);

	op->use_waits = e == HF_E_KEY_GUARDED;
	op->gathers = op->gathers || (op->bound && (v == VERB_ENCRYPT || v == VERB_DECRYPT));
	return e;
}

enum hf_err op_bound_feed(struct op *op, struct slice in)
{
	static const struct params none;
	struct buf nothing = BUF_MAX(0);

	if (!op->bound)
		return HF_OK;
	if (op->digest.mech == NULL) {
		op->digest = (struct crypt){ mech_find(CKM_SHA256), VERB_DIGEST, NULL, &none, NULL };
		TRY(op->digest.mech->family->begin(&op->digest));
	}
	return op->digest.mech->family->update(&op->digest, in, &nothing);
}

void op_bound_end(struct op *op)
{
	if (op->digest.mech != NULL)
		op->digest.mech->family->end(&op->digest);
	op->digest.mech = NULL;
}

/* digest_of: of what was fed, or else of in, which is all. */
static enum hf_err digest_of(struct op *op, struct slice in, uint8_t ret[CRYPTO_HASH])
{
	struct buf out = { .p = ret, .cap = CRYPTO_HASH, .max = CRYPTO_HASH };

	if (op->digest.mech == NULL)
		return crypto_sha256(in, ret);
	TRY(op->digest.mech->family->finish(&op->digest, SLICE_NONE, SLICE_NONE, &out));
	return buf_err(&out);
}

/* A result that had no room is paid for when the same data come again. */
enum hf_err op_bound_use(struct calls_ctx *c, struct op *op, struct slice in)
{
	uint8_t digest[CRYPTO_HASH];
	struct key_use use = { .mech = { op->crypt.mech->type, secret_slice(&op->param) }, .sha256 = digest };

	if (!op->bound)
		return HF_OK;
	TRY(digest_of(op, in, digest));
	if (op->paid && slice_eq(SLICE_OF(op->paid_for), SLICE_OF(digest)))
		return HF_OK;
	use.ckf = op->use;
	TRY(guard_use(c, op->key, &use));
	op->paid = true;
	memcpy(op->paid_for, digest, sizeof(digest));
	return HF_OK;
}
