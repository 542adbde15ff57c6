#include "audit_check.h"

#include <string.h>

#include "audit.h"

/* The signature stands over the record with the field empty. */
static bool signature_ok(struct audit_check *c, const struct audit_record *rec)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(65536);
	struct slice ed = rec->signature, ml = SLICE_NONE;

	if (ed.n > AUDIT_ED25519) {
		ml = (struct slice){ ed.p + AUDIT_ED25519, ed.n - AUDIT_ED25519 };
		ed.n = AUDIT_ED25519;
	}
	audit_signed(rec, &b);
	if (buf_err(&b) != HF_OK ||
	    crypto_ed25519_verify(SLICE_OF(c->public_key), buf_slice(&b), ed) != HF_OK)
		return false;
	if (c->ml_public == NULL || (ml.n == 0 && c->ml_signed == 0))
		return true;
	if (crypto_ml_dsa65_verify((struct slice){ c->ml_public, CRYPTO_ML_DSA65_PUBLIC }, buf_slice(&b),
		    ml) != HF_OK)
		return false;
	c->ml_signed++;
	return true;
}

static bool must_be_signed(const struct audit_record *rec)
{
	return rec->kind == AUDIT_EVENT && (slice_eq(rec->event, SLICE_STR("start")) ||
		slice_eq(rec->event, SLICE_STR("stop")) || slice_eq(rec->event, SLICE_STR("checkpoint")));
}

static const char *what_is_wrong(struct audit_check *c, const struct audit_record *rec)
{
	static const uint8_t zero[CRYPTO_HASH];

	if (rec->format != AUDIT_FORMAT)
		return "the record has a format that this program does not know";
	if (c->seq != 0 && rec->seq != c->seq + 1)
		return "records are missing or out of order";
	if (c->seq != 0 && !slice_eq(rec->prev, SLICE_OF(c->prev)))
		return "the record before was changed, or this one belongs to another log";
	if (rec->seq == 1 && !slice_eq(rec->prev, SLICE_OF(zero)))
		return "the first record names a record before it";
	if (must_be_signed(rec) && rec->signature.n == 0)
		return "the record lacks its signature";
	if (rec->signature.n > 0 && !signature_ok(c, rec))
		return "the signature is wrong";
	return NULL;
}

bool audit_check_next(struct audit_check *c, struct slice encoded, struct arena *a,
	struct audit_record *ret, const char **ret_why)
{
	struct rd r = rd_of(encoded);
	struct audit_record rec;
	const char *why;

	if (!audit_record_dec(&r, a, &rec) || !rd_done(&r)) {
		c->seq++;
		*ret_why = "the record is damaged";
		return false;
	}
	why = what_is_wrong(c, &rec);
	c->seq = rec.seq;
	if (why == NULL && crypto_sha256(encoded, c->prev) != HF_OK)
		why = "out of memory";
	*ret = rec;
	*ret_why = why;
	return why == NULL;
}
