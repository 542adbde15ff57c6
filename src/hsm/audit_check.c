#include "audit_check.h"

#include <string.h>

#include "audit.h"

static bool by_either(const struct audit_check *c, struct slice msg, struct slice sig)
{
	return crypto_ed25519_verify(SLICE_OF(c->public_key), msg, sig) == HF_OK ||
		(c->has_next && crypto_ed25519_verify(SLICE_OF(c->next_key), msg, sig) == HF_OK);
}

/* key_behind reads the 64 digits that follow a text; *s is what is behind them. */
static bool key_behind(struct slice *s, const char *text, uint8_t ret[32])
{
	size_t n = strlen(text), got;
	char hex[65] = "";

	if (s->n < n + 64 || !slice_eq((struct slice){ s->p, n }, slice_str(text)))
		return false;
	memcpy(hex, s->p + n, 64);
	*s = (struct slice){ s->p + n + 64, s->n - n - 64 };
	return hex_decode(hex, ret, 32, &got) && got == 32;
}

bool audit_took_over(const struct audit_record *rec, struct audit_pair *ret)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(65536);
	struct slice d = rec->detail, sig = rec->signature;

	if (rec->kind != AUDIT_EVENT || !slice_eq(rec->event, SLICE_STR(AUDIT_KEY_EVENT)) ||
	    !key_behind(&d, AUDIT_KEY_NOW, ret->new_key) ||
	    !key_behind(&d, AUDIT_KEY_BEFORE, ret->old_key) || sig.n < AUDIT_ED25519)
		return false;
	sig.n = AUDIT_ED25519;
	audit_signed(rec, &b);
	return buf_err(&b) == HF_OK &&
		crypto_ed25519_verify(SLICE_OF(ret->new_key), buf_slice(&b), sig) == HF_OK;
}

/* follow: a signed record may announce the next key, or say that it took over. ML-DSA keys
 * change with it, and are not in the record: from there on they are not checked. */
static void follow(struct audit_check *c, const struct audit_record *rec)
{
	struct slice d = rec->detail;
	struct audit_pair p;

	if (rec->signature.n == 0 || !slice_eq(rec->event, SLICE_STR(AUDIT_KEY_EVENT)))
		return;
	if (key_behind(&d, AUDIT_KEY_NEXT, c->next_key)) {
		c->has_next = true;
	} else if (audit_took_over(rec, &p) && slice_eq(SLICE_OF(p.new_key), SLICE_OF(c->next_key))) {
		memcpy(c->public_key, c->next_key, sizeof(c->public_key));
		c->has_next = false;
		c->ml_public = NULL;
	}
}

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
	if (buf_err(&b) != HF_OK || !by_either(c, buf_slice(&b), ed))
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
	if (why == NULL)
		follow(c, &rec);
	*ret = rec;
	*ret_why = why;
	return why == NULL;
}
