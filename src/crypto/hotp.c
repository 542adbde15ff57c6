/* hotp.c: one-time passwords by counter (RFC 4226; PKCS#11 3.2 §6.53), decimal, of 6 to
 * 9 digits. A signature is the password and, 8 bytes, the counter that made it. */
#include <string.h>

#include "crypto.h"
#include "families.h"
#include "family.h"

enum {
	VALUE_MAX = 65536,
	COUNTER = 8, /* bytes, big-endian */
	DIGITS_MIN = 6,
	DIGITS_MAX = 9,
	GENERATED = 20, /* bytes of a key whose length nobody said: RFC 4226 §4, R6 */
};

/* --- keys -------------------------------------------------------------------------- */

static enum hf_err digits_of(const struct key_source *s, size_t *ret)
{
	uint64_t n = DIGITS_MIN;

	if (source_has(s, CKA_OTP_LENGTH))
		TRY(source_u64(s, CKA_OTP_LENGTH, &n));
	if (n < DIGITS_MIN || n > DIGITS_MAX)
		return HF_E_ATTR_VALUE;
	*ret = (size_t)n;
	return HF_OK;
}

/* attributes checks what the template says of passwords: half is their digits. */
static enum hf_err attributes(const struct key_source *s, size_t *ret_digits)
{
	struct slice counter = source_get(s, CKA_OTP_COUNTER);
	uint64_t format = CK_OTP_FORMAT_DECIMAL;

	if (source_has(s, CKA_OTP_FORMAT))
		TRY(source_u64(s, CKA_OTP_FORMAT, &format));
	if (format != CK_OTP_FORMAT_DECIMAL || (counter.n != 0 && counter.n != COUNTER))
		return HF_E_ATTR_VALUE;
	return digits_of(s, ret_digits);
}

static enum hf_err parse(struct key *k, const struct key_source *s)
{
	struct slice v;

	TRY(source_need(s, CKA_VALUE, &v));
	TRY(attributes(s, &k->half));
	if (v.n == 0 || v.n > VALUE_MAX)
		return HF_E_ATTR_VALUE;
	k->size = v.n;
	return secret_dup(v, &k->value);
}

/* defaults puts what the template did not say. */
static enum hf_err defaults(size_t n, size_t digits, struct parts *ret)
{
	static const uint8_t first[COUNTER];

	TRY(parts_put_u64(ret, CKA_VALUE_LEN, n));
	TRY(parts_put_u64(ret, CKA_OTP_LENGTH, digits));
	TRY(parts_put_u64(ret, CKA_OTP_COUNTER_REQUIREMENT, CK_OTP_PARAM_OPTIONAL));
	return parts_put(ret, CKA_OTP_COUNTER, SLICE_OF(first));
}

static enum hf_err output(const struct key *k, struct parts *ret)
{
	return defaults(k->value.n, k->half, ret);
}

const struct key_kind kind_otp = { CKK_HOTP, parse, NULL, NULL, output };

static enum hf_err generate(const struct mech *m, const struct params *p,
	const struct key_source *pub_tmpl, const struct key_source *tmpl, struct parts *pub,
	struct parts *priv)
{
	CLEANUP(secret_done) struct secret v = { 0 };
	CLEANUP(parts_done) struct parts all = { 0 };
	uint64_t n = GENERATED;
	size_t digits;

	(void)p;
	(void)pub_tmpl;
	(void)pub;
	if (source_has(tmpl, CKA_VALUE_LEN))
		TRY(source_u64(tmpl, CKA_VALUE_LEN, &n));
	if (n < m->min || n > m->max)
		return HF_E_ATTR_VALUE;
	TRY(attributes(tmpl, &digits));
	TRY(secret_alloc(&v, (size_t)n));
	TRY(crypto_random(v.p, v.n));
	TRY(parts_put(priv, CKA_VALUE, secret_slice(&v)));
	TRY(defaults((size_t)n, digits, &all));
	for (size_t i = 0; i < all.n; i++)
		if (!source_has(tmpl, all.v[i].cka))
			TRY(parts_put(priv, all.v[i].cka, secret_slice(&all.v[i].value)));
	return HF_OK;
}

/* --- passwords ----------------------------------------------------------------------- */

struct hotp {
	size_t digits;
	bool has_counter; /* the parameter brought one */
	uint64_t counter;
};

/* take_field: one of the parameter's fields. PIN, challenge and time are ignored, as
 * the key's attributes say. */
static enum hf_err take_field(struct hotp *s, uint64_t type, struct slice v)
{
	uint64_t n = v.n == 8 ? get_u64(v.p) : UINT64_MAX;

	if (type == CK_OTP_COUNTER) {
		s->has_counter = v.n == COUNTER;
		s->counter = n;
		return s->has_counter ? HF_OK : HF_E_MECHANISM_PARAM;
	}
	if (type == CK_OTP_OUTPUT_LENGTH) {
		s->digits = (size_t)n;
		return n >= DIGITS_MIN && n <= DIGITS_MAX ? HF_OK : HF_E_MECHANISM_PARAM;
	}
	if (type == CK_OTP_OUTPUT_FORMAT)
		return n == CK_OTP_FORMAT_DECIMAL ? HF_OK : HF_E_MECHANISM_PARAM;
	if (type == CK_OTP_FLAGS)
		return (n & ~(uint64_t)CKF_USER_FRIENDLY_OTP) == 0 ? HF_OK : HF_E_MECHANISM_PARAM;
	return type == CK_OTP_PIN || type == CK_OTP_CHALLENGE || type == CK_OTP_TIME ? HF_OK :
		HF_E_MECHANISM_PARAM;
}

static enum hf_err take_fields(struct hotp *s, struct slice fields)
{
	struct rd r = rd_of(fields);
	struct slice v;
	uint64_t type;

	while (!rd_done(&r)) {
		if (!rd_u64(&r, &type) || !rd_bytes(&r, r.n, &v))
			return HF_E_MECHANISM_PARAM;
		TRY(take_field(s, type, v));
	}
	return HF_OK;
}

static enum hf_err begin(struct crypt *c)
{
	struct hotp *s = secret_calloc(1, sizeof(*s));

	if (s == NULL)
		return HF_E_MEMORY;
	c->state = s;
	s->digits = c->key->half;
	TRY(take_fields(s, c->params->present ? c->params->u.otp.fields : SLICE_NONE));
	c->counts = c->verb == VERB_SIGN && !s->has_counter;
	/* Who verifies keeps the counter himself. */
	return c->verb == VERB_VERIFY && !s->has_counter ? HF_E_MECHANISM_PARAM : HF_OK;
}

/* password writes the digits (RFC 4226 §5.3). */
static enum hf_err password(const struct key *k, uint64_t counter, size_t digits, uint8_t *out)
{
	uint8_t text[COUNTER], mac[EVP_MAX_MD_SIZE];
	size_t n = 0, at;
	uint32_t v;

	put_u64(text, counter);
	if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA1", NULL, k->value.p, k->value.n, text, sizeof(text),
		    mac, sizeof(mac), &n) == NULL)
		return ossl_err(HF_E_INTERNAL);
	at = mac[n - 1] & 0xf;
	v = get_u32(mac + at) & 0x7fffffff;
	for (size_t i = digits; i > 0; i--, v /= 10)
		out[i - 1] = (uint8_t)('0' + v % 10);
	secret_wipe(mac, sizeof(mac));
	return HF_OK;
}

static enum hf_err finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	const struct hotp *s = c->state;
	uint64_t counter = s->has_counter ? s->counter : c->counter;
	uint8_t text[DIGITS_MAX];
	struct slice got = { text, s->digits };

	if (in.n != 0)
		return HF_E_DATA_LEN;
	TRY(password(c->key, counter, s->digits, text));
	if (c->verb == VERB_VERIFY) {
		if (sig.n != got.n)
			return HF_E_SIGNATURE_LEN;
		return secret_eq(sig, got) ? HF_OK : HF_E_SIGNATURE;
	}
	buf_raw(out, got);
	buf_u64(out, counter);
	return buf_err(out);
}

static size_t bound(const struct crypt *c, size_t in, bool last)
{
	const struct hotp *s = c->state;

	(void)in;
	return last && c->verb == VERB_SIGN ? s->digits + COUNTER : 0;
}

static void end(struct crypt *c)
{
	secret_free(c->state);
	c->state = NULL;
}

const struct family family_hotp = {
	.name = "hotp",
	.begin = begin,
	.finish = finish,
	.bound = bound,
	.end = end,
	.generate = generate,
};
