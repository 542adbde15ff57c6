/* attestation.c: see attestation.h. */
#include "attestation.h"

#include "cbor.h"
#include "certificate.h"
#include "crypto.h"
#include "der.h"
#include "utf8.h"

const struct attest_row attest_rows[ATTEST_FIELDS] = {
#define ATTEST(id, tag, claim, kind, name) { tag, claim, ATTEST_KIND_##kind, name },
#include "attest.def"
#undef ATTEST
};

#define TAG_CWT 61u
#define TAG_COSE_SIGN1 18u
#define ED25519_SIG 64u

static bool is_bytes(enum attest_kind k)
{
	return k == ATTEST_KIND_TEXT || k == ATTEST_KIND_BYTES;
}

static size_t count(const struct attestation *a)
{
	size_t n = 0;

	for (size_t i = 0; i < ATTEST_FIELDS; i++)
		n += a->v[i].there;
	return n;
}

/* --- DER: SEQUENCE of fields, [tag] IMPLICIT ------------------------------------------ */

static void put_number(struct buf *b, uint8_t tag, uint64_t v)
{
	uint8_t p[9] = { 0 };
	size_t skip = 0;

	put_u64(p + 1, v);
	while (skip < 8 && p[skip] == 0 && p[skip + 1] < 0x80)
		skip++;
	der_head(b, tag, sizeof(p) - skip);
	buf_raw(b, (struct slice){ p + skip, sizeof(p) - skip });
}

enum hf_err attestation_der(const struct attestation *a, struct buf *out)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(ATTEST_MAX);

	for (size_t i = 0; i < ATTEST_FIELDS; i++) {
		const struct attest_row *r = &attest_rows[i];
		uint8_t tag = 0x80 | r->tag;

		if (!a->v[i].there)
			continue;
		if (is_bytes(r->kind)) {
			der_head(&b, tag, a->v[i].bytes.n);
			buf_raw(&b, a->v[i].bytes);
		} else if (r->kind == ATTEST_KIND_FLAG) {
			der_head(&b, tag, 1);
			buf_u8(&b, a->v[i].number ? 0xff : 0);
		} else {
			put_number(&b, tag, a->v[i].number);
		}
	}
	TRY(buf_err(&b));
	der_head(out, DER_SEQUENCE, b.n);
	buf_raw(out, buf_slice(&b));
	return buf_err(out);
}

static bool number_of(struct slice s, uint64_t *ret)
{
	if (s.n == 0 || s.n > 9 || s.p[0] >= 0x80 || (s.n == 9 && s.p[0] != 0) ||
	    (s.n > 1 && s.p[0] == 0 && s.p[1] < 0x80))
		return false;
	*ret = 0;
	for (size_t i = 0; i < s.n; i++)
		*ret = *ret << 8 | s.p[i];
	return true;
}

static bool field_of(struct attestation *a, size_t i, struct slice s)
{
	a->v[i].there = true;
	switch (attest_rows[i].kind) {
	case ATTEST_KIND_TEXT:
	case ATTEST_KIND_BYTES:
		a->v[i].bytes = s;
		return attest_rows[i].kind == ATTEST_KIND_BYTES || utf8_valid(s);
	case ATTEST_KIND_FLAG:
		a->v[i].number = s.n == 1 && s.p[0] == 0xff;
		return s.n == 1 && (s.p[0] == 0xff || s.p[0] == 0);
	case ATTEST_KIND_NUMBER:
	case ATTEST_KIND_TIME:
		return number_of(s, &a->v[i].number);
	}
	return false;
}

enum hf_err attestation_read_der(struct slice in, struct attestation *ret)
{
	struct slice body, s;
	struct rd r;

	*ret = (struct attestation){ 0 };
	if (!der_whole(in, DER_SEQUENCE, &body))
		return HF_E_MALFORMED;
	r = rd_of(body);
	for (size_t i = 0; i < ATTEST_FIELDS; i++)
		if (der_take(&r, 0x80 | attest_rows[i].tag, &s) && !field_of(ret, i, s))
			return HF_E_MALFORMED;
	return rd_done(&r) ? HF_OK : HF_E_MALFORMED;
}

/* --- CBOR: a map by claim --------------------------------------------------------------- */

static void put_claims(const struct attestation *a, struct buf *b)
{
	cbor_head(b, CBOR_MAP, count(a));
	for (size_t i = 0; i < ATTEST_FIELDS; i++) {
		const struct attest_row *r = &attest_rows[i];

		if (!a->v[i].there)
			continue;
		cbor_int(b, r->claim);
		if (is_bytes(r->kind))
			cbor_string(b, r->kind == ATTEST_KIND_TEXT ? CBOR_TEXT : CBOR_BYTES, a->v[i].bytes);
		else if (r->kind == ATTEST_KIND_FLAG)
			cbor_head(b, CBOR_SIMPLE, a->v[i].number ? CBOR_TRUE : CBOR_FALSE);
		else
			cbor_head(b, CBOR_UINT, a->v[i].number);
	}
}

static bool claim_of(struct rd *r, struct attestation *a, size_t i)
{
	uint64_t n;

	a->v[i].there = true;
	switch (attest_rows[i].kind) {
	case ATTEST_KIND_TEXT:
		return cbor_take_string(r, CBOR_TEXT, &a->v[i].bytes) && utf8_valid(a->v[i].bytes);
	case ATTEST_KIND_BYTES:
		return cbor_take_string(r, CBOR_BYTES, &a->v[i].bytes);
	case ATTEST_KIND_FLAG:
		if (!cbor_take(r, CBOR_SIMPLE, &n) || (n != CBOR_FALSE && n != CBOR_TRUE))
			return false;
		a->v[i].number = n == CBOR_TRUE;
		return true;
	case ATTEST_KIND_NUMBER:
	case ATTEST_KIND_TIME:
		return cbor_take(r, CBOR_UINT, &a->v[i].number);
	}
	return false;
}

static bool take_claims(struct slice in, struct attestation *a)
{
	struct rd r = rd_of(in);
	uint64_t n;
	int64_t claim;

	if (!cbor_take(&r, CBOR_MAP, &n) || n > ATTEST_FIELDS)
		return false;
	for (size_t i = 0; n > 0; n--) {
		if (!cbor_take_int(&r, &claim))
			return false;
		while (i < ATTEST_FIELDS && attest_rows[i].claim != claim)
			i++;
		if (i == ATTEST_FIELDS || !claim_of(&r, a, i++))
			return false;
	}
	return rd_done(&r);
}

/* --- COSE_Sign1 (RFC 9052 §4.2) ------------------------------------------------------------ */

static const uint8_t protected_header[] = { 0xa1, 1, 0x27 }; /* { alg: EdDSA } */

static enum hf_err to_sign(struct slice payload, struct buf *b)
{
	cbor_head(b, CBOR_ARRAY, 4);
	cbor_string(b, CBOR_TEXT, SLICE_STR("Signature1"));
	cbor_string(b, CBOR_BYTES, SLICE_OF(protected_header));
	cbor_string(b, CBOR_BYTES, SLICE_NONE);
	cbor_string(b, CBOR_BYTES, payload);
	return buf_err(b);
}

enum hf_err attestation_cose(const struct attestation *a, struct slice seed, struct buf *out)
{
	CLEANUP(buf_done) struct buf payload = BUF_MAX(ATTEST_MAX), tbs = BUF_MAX(ATTEST_MAX + 64);
	uint8_t own[32], id[KEY_ID_LEN], sig[ED25519_SIG];

	put_claims(a, &payload);
	TRY(buf_err(&payload));
	TRY(to_sign(buf_slice(&payload), &tbs));
	TRY(crypto_ed25519_public(seed, own));
	TRY(certificate_key_id(own, id));
	TRY(crypto_ed25519_sign(seed, buf_slice(&tbs), sig));
	cbor_head(out, CBOR_TAG, TAG_CWT);
	cbor_head(out, CBOR_TAG, TAG_COSE_SIGN1);
	cbor_head(out, CBOR_ARRAY, 4);
	cbor_string(out, CBOR_BYTES, SLICE_OF(protected_header));
	cbor_head(out, CBOR_MAP, 1);
	cbor_int(out, 4); /* kid */
	cbor_string(out, CBOR_BYTES, SLICE_OF(id));
	cbor_string(out, CBOR_BYTES, buf_slice(&payload));
	cbor_string(out, CBOR_BYTES, SLICE_OF(sig));
	return buf_err(out);
}

struct sign1 {
	struct slice kid, payload, sig;
};

static bool take_sign1(struct slice in, struct sign1 *ret)
{
	struct slice header;
	struct rd r = rd_of(in);
	uint64_t n;
	int64_t key;

	return cbor_take(&r, CBOR_TAG, &n) && n == TAG_CWT && cbor_take(&r, CBOR_TAG, &n) &&
	       n == TAG_COSE_SIGN1 && cbor_take(&r, CBOR_ARRAY, &n) && n == 4 &&
	       cbor_take_string(&r, CBOR_BYTES, &header) && slice_eq(header, SLICE_OF(protected_header)) &&
	       cbor_take(&r, CBOR_MAP, &n) && n == 1 && cbor_take_int(&r, &key) && key == 4 &&
	       cbor_take_string(&r, CBOR_BYTES, &ret->kid) &&
	       cbor_take_string(&r, CBOR_BYTES, &ret->payload) && ret->payload.n <= ATTEST_MAX &&
	       cbor_take_string(&r, CBOR_BYTES, &ret->sig) && rd_done(&r);
}

enum hf_err attestation_read_cose(struct slice in, const uint8_t public_key[32],
	struct attestation *ret, const char **ret_why)
{
	CLEANUP(buf_done) struct buf tbs = BUF_MAX(ATTEST_MAX + 64);
	uint8_t id[KEY_ID_LEN];
	struct sign1 s;

	*ret = (struct attestation){ 0 };
	*ret_why = "the statement is no CWT of this kind";
	if (!take_sign1(in, &s))
		return HF_E_MALFORMED;
	TRY(certificate_key_id(public_key, id));
	*ret_why = "the statement names another root: it is of another HSM";
	if (!slice_eq(s.kid, SLICE_OF(id)))
		return HF_E_SIGNATURE;
	TRY(to_sign(s.payload, &tbs));
	*ret_why = "the statement's signature is not the root's: it was altered";
	TRY(crypto_ed25519_verify((struct slice){ public_key, 32 }, buf_slice(&tbs), s.sig));
	*ret_why = "the statement says what this program does not understand";
	return take_claims(s.payload, ret) ? HF_OK : HF_E_MALFORMED;
}
