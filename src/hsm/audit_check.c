#include "audit_check.h"

#include <string.h>

#include "audit.h"

/* by_whom: the key that made an Ed25519 signature; NULL: none that counts. */
static const uint8_t *by_whom(const struct audit_check *c, struct slice msg, struct slice sig)
{
	if (crypto_ed25519_verify(SLICE_OF(c->public_key), msg, sig) == HF_OK)
		return c->public_key;
	return c->has_next && crypto_ed25519_verify(SLICE_OF(c->next_key), msg, sig) == HF_OK ?
		c->next_key : NULL;
}

static bool is_key(const uint8_t a[32], const uint8_t b[32])
{
	return slice_eq((struct slice){ a, 32 }, (struct slice){ b, 32 });
}

/* ml_beside: the ML-DSA key beside an Ed25519 key; NULL: none is known. */
static const uint8_t *ml_beside(const struct audit_check *c, const uint8_t key[32])
{
	if (c->ml_public != NULL && is_key(c->ml_of, key))
		return c->ml_public;
	if (c->ml_now.there && is_key(c->ml_now.of, key))
		return c->ml_now.key;
	return c->ml_next.there && is_key(c->ml_next.of, key) ? c->ml_next.key : NULL;
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

/* collect takes a part of the next ML-DSA key; the announcement behind it says whether to believe it. */
static void collect(struct audit_check *c, const struct audit_record *rec)
{
	char hex[2 * AUDIT_ML_PART + 1];
	struct slice d = rec->detail;
	size_t part, n;

	if (rec->kind != AUDIT_EVENT || !slice_eq(rec->event, SLICE_STR(AUDIT_ML_EVENT)) ||
	    d.n != sizeof(hex) + 1)
		return;
	part = (size_t)(d.p[0] - '0');
	if (part == 0)
		c->ml_got = 0;
	if (part >= AUDIT_ML_PARTS || part * AUDIT_ML_PART != c->ml_got)
		return;
	memcpy(hex, d.p + 2, sizeof(hex) - 1);
	hex[sizeof(hex) - 1] = '\0';
	c->ml_next.there = false;
	if (hex_decode(hex, c->ml_next.key + c->ml_got, AUDIT_ML_PART, &n) && n == AUDIT_ML_PART)
		c->ml_got += n;
}

/* believe_ml: d is what follows in the announcement of next_key. */
static void believe_ml(struct audit_check *c, struct slice d)
{
	uint8_t said[CRYPTO_HASH], is[CRYPTO_HASH];

	c->ml_next.there = c->ml_got == CRYPTO_ML_DSA65_PUBLIC && key_behind(&d, AUDIT_KEY_ML, said) &&
		crypto_sha256(SLICE_OF(c->ml_next.key), is) == HF_OK && is_key(said, is);
	memcpy(c->ml_next.of, c->next_key, sizeof(c->ml_next.of));
}

/* follow: a signed record may announce the next key, or say that it took over. */
static void follow(struct audit_check *c, const struct audit_record *rec)
{
	struct slice d = rec->detail;
	struct audit_pair p;

	if (rec->signature.n == 0 || !slice_eq(rec->event, SLICE_STR(AUDIT_KEY_EVENT)))
		return;
	if (key_behind(&d, AUDIT_KEY_NEXT, c->next_key)) {
		c->has_next = true;
		believe_ml(c, d);
	} else if (audit_took_over(rec, &p) && is_key(p.new_key, c->next_key)) {
		memcpy(c->public_key, c->next_key, sizeof(c->public_key));
		c->has_next = false;
		c->ml_now = c->ml_next;
	}
}

/* The signature stands over the record with the field empty. */
static bool signature_ok(struct audit_check *c, const struct audit_record *rec)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(65536);
	struct slice ed = rec->signature, ml = SLICE_NONE;
	const uint8_t *key, *ml_key;

	if (ed.n > AUDIT_ED25519) {
		ml = (struct slice){ ed.p + AUDIT_ED25519, ed.n - AUDIT_ED25519 };
		ed.n = AUDIT_ED25519;
	}
	audit_signed(rec, &b);
	if (buf_err(&b) != HF_OK)
		return false;
	key = by_whom(c, buf_slice(&b), ed);
	if (key == NULL)
		return false;
	ml_key = ml_beside(c, key);
	if (ml_key == NULL || (ml.n == 0 && c->ml_signed == 0))
		return true;
	if (crypto_ml_dsa65_verify((struct slice){ ml_key, CRYPTO_ML_DSA65_PUBLIC }, buf_slice(&b),
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

bool audit_is_gap(const struct audit_record *rec)
{
	return rec->kind == AUDIT_EVENT && slice_eq(rec->event, SLICE_STR(AUDIT_GAP));
}

bool audit_is_loss(const struct audit_record *rec, uint64_t *ret_n)
{
	struct slice d = rec->detail;
	uint64_t n = 0;

	if (rec->kind != AUDIT_EVENT || !(slice_eq(rec->event, SLICE_STR(AUDIT_DROPPED)) ||
	    slice_eq(rec->event, SLICE_STR(AUDIT_LOST))))
		return false;
	for (size_t i = 0; i < d.n && d.p[i] >= '0' && d.p[i] <= '9'; i++)
		n = 10 * n + (uint64_t)(d.p[i] - '0');
	*ret_n = n;
	return true;
}

/* A gap's record goes on behind the number that the store remembered. */
static bool follows(const struct audit_check *c, const struct audit_record *rec)
{
	return rec->seq == c->seq + 1 || (rec->seq > c->seq && audit_is_gap(rec));
}

static const char *what_is_wrong(struct audit_check *c, const struct audit_record *rec)
{
	static const uint8_t zero[CRYPTO_HASH];

	if (c->seq != 0 && !follows(c, rec))
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
	struct audit_record rec;
	const char *why;

	if (!audit_read(encoded, a, &rec)) {
		c->seq++;
		*ret_why = encoded.n > 0 && encoded.p[0] > AUDIT_FORMAT ?
			"the record has a format that this program does not know" : "the record is damaged";
		return false;
	}
	why = what_is_wrong(c, &rec);
	c->seq = rec.seq;
	if (why == NULL && crypto_sha256(encoded, c->prev) != HF_OK)
		why = "out of memory";
	if (why == NULL) {
		collect(c, &rec);
		follow(c, &rec);
	}
	*ret = rec;
	*ret_why = why;
	return why == NULL;
}
