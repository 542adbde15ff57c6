/* certificate.c: see certificate.h. Made by hand from a few pieces of DER; checked by
 * OpenSSL, which shares no code with the making. */
#include "certificate.h"

#include <limits.h>
#include <string.h>

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "alg.h"
#include "clock.h"
#include "crypto.h"
#include "der.h"

#define CERTIFICATE_MAX 65536u
#define DER_UTF8_STRING 0x0c
#define DER_UTC_TIME 0x17
#define DER_GENERAL_TIME 0x18
#define DER_SET 0x31
#define DER_EXPLICIT(n) (0xa0 | (n))

#define ED25519_OID 0x30, 5, 6, 3, 0x2b, 0x65, 0x70

static const uint8_t attestation[] = { 0x69, 0x83, 0xcf, 0xc4, 0xd0, 0x89, 0xbe, 0x8f, 0xd0, 0x8a,
	0xcf, 0xc8, 0xe0, 0xf5, 0xd6, 0xe7, 0xf1, 0xe1, 0xb8, 0x5d };
const struct slice oid_attestation = { attestation, sizeof(attestation) };

static const uint8_t ed25519[] = { ED25519_OID };
static const uint8_t ed25519_info[] = { 0x30, 0x2a, ED25519_OID, DER_BIT_STRING, 33, 0 };
static const uint8_t version_3[] = { DER_EXPLICIT(0), 3, DER_INTEGER, 1, 2 };
static const uint8_t common_name[] = { DER_OID, 3, 0x55, 4, 3 };

/* --- making ----------------------------------------------------------------------- */

static void put(struct buf *b, uint8_t tag, struct slice content)
{
	der_head(b, tag, content.n);
	buf_raw(b, content);
}

/* wrap_from wraps what stands in b from `at` on: its content was written first. */
static void wrap_from(struct buf *b, size_t at, uint8_t tag)
{
	CLEANUP(buf_done) struct buf inner = BUF_MAX(CERTIFICATE_MAX);

	if (b->err != HF_OK)
		return;
	buf_raw(&inner, (struct slice){ b->p + at, b->n - at });
	if (inner.err != HF_OK) {
		b->err = inner.err;
		return;
	}
	buf_cut(b, at);
	put(b, tag, buf_slice(&inner));
}

static void put_name(struct buf *b, const char *name)
{
	size_t at = b->n;

	buf_raw(b, SLICE_OF(common_name));
	put(b, DER_UTF8_STRING, slice_str(name));
	wrap_from(b, at, DER_SEQUENCE);
	wrap_from(b, at, DER_SET);
	wrap_from(b, at, DER_SEQUENCE);
}

/* Without a known end (RFC 5280 §4.1.2.5). */
static void put_validity(struct buf *b, uint64_t since_us)
{
	uint8_t t[16]; /* YYYYMMDDhhmmss00 */
	size_t at = b->n;

	clock_digits(since_us, t);
	t[14] = 'Z';
	if (t[0] == '2' && t[1] == '0' && t[2] < '5')
		put(b, DER_UTC_TIME, (struct slice){ t + 2, 13 });
	else
		put(b, DER_GENERAL_TIME, (struct slice){ t, 15 });
	put(b, DER_GENERAL_TIME, SLICE_STR("99991231235959Z"));
	wrap_from(b, at, DER_SEQUENCE);
}

static void put_extension(struct buf *b, struct slice oid, bool critical, struct slice value)
{
	size_t at = b->n;

	put(b, DER_OID, oid);
	if (critical)
		put(b, 0x01, SLICE_STR("\xff"));
	put(b, DER_OCTET_STRING, value);
	wrap_from(b, at, DER_SEQUENCE);
}

static void put_key_id(struct buf *b, uint8_t kind, uint8_t tag, const uint8_t id[KEY_ID_LEN])
{
	CLEANUP(buf_done) struct buf v = BUF_MAX(64);
	uint8_t oid[] = { 0x55, 0x1d, kind };

	put(&v, tag, (struct slice){ id, KEY_ID_LEN });
	if (tag != DER_OCTET_STRING)
		wrap_from(&v, 0, DER_SEQUENCE);
	put_extension(b, SLICE_OF(oid), false, buf_slice(&v));
}

static void put_extensions(struct buf *b, const struct certificate *c, const uint8_t id[KEY_ID_LEN])
{
	static const uint8_t ca[] = { 0x30, 3, 1, 1, 0xff }, sign[] = { DER_BIT_STRING, 2, 2, 4 };
	size_t at = b->n;

	if (c->extension.p == NULL) {
		put_extension(b, SLICE_STR("\x55\x1d\x13"), true, SLICE_OF(ca));
		put_extension(b, SLICE_STR("\x55\x1d\x0f"), true, SLICE_OF(sign));
		put_key_id(b, 14, DER_OCTET_STRING, id);
	} else {
		put_key_id(b, 35, 0x80, id);
		put_extension(b, oid_attestation, false, c->extension);
	}
	wrap_from(b, at, DER_SEQUENCE);
	wrap_from(b, at, DER_EXPLICIT(3));
}

static void put_body(struct buf *b, const struct certificate *c, const uint8_t own[32],
	const uint8_t id[KEY_ID_LEN])
{
	size_t at = b->n;

	buf_raw(b, SLICE_OF(version_3));
	put(b, DER_INTEGER, c->serial);
	buf_raw(b, SLICE_OF(ed25519));
	put_name(b, c->issuer);
	put_validity(b, c->since_us);
	put_name(b, c->subject);
	if (c->public_key.p != NULL) {
		buf_raw(b, c->public_key);
	} else {
		buf_raw(b, SLICE_OF(ed25519_info));
		buf_raw(b, (struct slice){ own, 32 });
	}
	put_extensions(b, c, id);
	wrap_from(b, at, DER_SEQUENCE);
}

enum hf_err certificate_key_id(const uint8_t public_key[32], uint8_t ret[KEY_ID_LEN])
{
	uint8_t hash[CRYPTO_HASH];

	TRY(crypto_sha256((struct slice){ public_key, 32 }, hash));
	memcpy(ret, hash, KEY_ID_LEN);
	return HF_OK;
}

enum hf_err certificate_make(const struct certificate *c, struct slice seed, struct buf *out)
{
	CLEANUP(buf_done) struct buf body = BUF_MAX(CERTIFICATE_MAX);
	uint8_t own[32], id[KEY_ID_LEN], sig[65] = { 0 }; /* no unused bits */
	size_t at = out->n;

	TRY(crypto_ed25519_public(seed, own));
	TRY(certificate_key_id(own, id));
	put_body(&body, c, own, id);
	TRY(buf_err(&body));
	TRY(crypto_ed25519_sign(seed, buf_slice(&body), sig + 1));
	buf_raw(out, buf_slice(&body));
	buf_raw(out, SLICE_OF(ed25519));
	put(out, DER_BIT_STRING, SLICE_OF(sig));
	wrap_from(out, at, DER_SEQUENCE);
	return buf_err(out);
}

enum hf_err certificate_pem(struct slice der, struct buf *out)
{
	uint8_t line[65 + 1];

	buf_raw(out, SLICE_STR("-----BEGIN CERTIFICATE-----\n"));
	for (size_t i = 0; i < der.n; i += 48) {
		size_t n = der.n - i < 48 ? der.n - i : 48;
		int len = EVP_EncodeBlock(line, der.p + i, (int)n);

		buf_raw(out, (struct slice){ line, (size_t)len });
		buf_u8(out, '\n');
	}
	buf_raw(out, SLICE_STR("-----END CERTIFICATE-----\n"));
	return buf_err(out);
}

/* --- checking --------------------------------------------------------------------- */

OSSL_CLEANUP(X509, X509_free)
OSSL_CLEANUP(BIO, BIO_free_all)

#define PEM_HEAD SLICE_STR("-----BEGIN ")

bool certificate_is(struct slice in)
{
	struct slice head = PEM_HEAD;

	return in.n > head.n && (in.p[0] == DER_SEQUENCE || slice_eq((struct slice){ in.p, head.n }, head));
}

static X509 *parse(struct slice in)
{
	const uint8_t *p = in.p;
	X509 *x = NULL;

	if (!certificate_is(in) || in.n > CERTIFICATE_MAX * 2)
		return NULL;
	if (in.p[0] == DER_SEQUENCE) {
		x = d2i_X509(NULL, &p, (long)in.n);
		if (x != NULL && p != in.p + in.n) { /* something behind it */
			X509_free(x);
			x = NULL;
		}
	} else {
		CLEANUP(BIO_free_all_p) BIO *b = BIO_new_mem_buf(in.p, (int)in.n);

		if (b != NULL)
			x = PEM_read_bio_X509(b, NULL, NULL, NULL);
	}
	return x;
}

static enum hf_err refuse(const char **ret_why, const char *why)
{
	*ret_why = why;
	return ossl_err(HF_E_SIGNATURE);
}

static enum hf_err parse_root(struct slice in, X509 **ret, const char **ret_why)
{
	EVP_PKEY *key;

	*ret = parse(in);
	if (*ret == NULL)
		return refuse(ret_why, "the root is no X.509 certificate");
	key = X509_get0_pubkey(*ret);
	if (key == NULL || !EVP_PKEY_is_a(key, "ED25519"))
		return refuse(ret_why, "the root's key is no Ed25519 key: it is not the root of an HSM");
	if (X509_check_ca(*ret) != 1)
		return refuse(ret_why, "the root certificate is none that may sign others");
	if (X509_check_issued(*ret, *ret) != X509_V_OK || X509_verify(*ret, key) != 1)
		return refuse(ret_why, "the root certificate is not signed by itself: it was altered");
	return HF_OK;
}

enum hf_err certificate_root(struct slice in, uint8_t ret_key[32], const char **ret_why)
{
	CLEANUP(X509_free_p) X509 *root = NULL;
	size_t n = 32;

	TRY(parse_root(in, &root, ret_why));
	OSSL_TRY(EVP_PKEY_get_raw_public_key(X509_get0_pubkey(root), ret_key, &n), HF_E_INTERNAL);
	return HF_OK;
}

/* The one extension with our identifier; p NULL: there is none, or several. */
static struct slice find_extension(const X509 *x)
{
	struct slice found = SLICE_NONE;

	for (int i = 0; i < X509_get_ext_count(x); i++) {
		X509_EXTENSION *e = X509_get_ext(x, i);
		const ASN1_OBJECT *o = X509_EXTENSION_get_object(e);
		const ASN1_OCTET_STRING *v = X509_EXTENSION_get_data(e);

		if (!slice_eq((struct slice){ OBJ_get0_data(o), OBJ_length(o) }, oid_attestation))
			continue;
		if (found.p != NULL)
			return SLICE_NONE;
		found = (struct slice){ ASN1_STRING_get0_data(v), (size_t)ASN1_STRING_length(v) };
	}
	return found;
}

static enum hf_err tell(const X509 *x, struct slice extension, struct buf *mem, struct certified *ret)
{
	uint8_t *der = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
	size_t at = mem->n;

	if (n < 0)
		return ossl_err(HF_E_PUBLIC_KEY);
	buf_raw(mem, extension);
	buf_raw(mem, (struct slice){ der, (size_t)n });
	OPENSSL_free(der);
	TRY(buf_err(mem));
	ret->extension = (struct slice){ mem->p + at, extension.n };
	ret->public_key = (struct slice){ mem->p + at + extension.n, (size_t)n };
	return HF_OK;
}

enum hf_err certificate_check(struct slice root_in, struct slice in, struct buf *mem,
	struct certified *ret, const char **ret_why)
{
	CLEANUP(X509_free_p) X509 *root = NULL;
	CLEANUP(X509_free_p) X509 *x = NULL;
	struct slice extension;

	TRY(parse_root(root_in, &root, ret_why));
	x = parse(in);
	if (x == NULL)
		return refuse(ret_why, "the statement is no X.509 certificate");
	if (X509_check_issued(root, x) != X509_V_OK)
		return refuse(ret_why, "the statement names another issuer: it is of another HSM");
	if (X509_verify(x, X509_get0_pubkey(root)) != 1)
		return refuse(ret_why, "the statement's signature is not the root's: it was altered");
	extension = find_extension(x);
	if (extension.p == NULL)
		return refuse(ret_why, "the certificate has no statement about a key in it");
	return tell(x, extension, mem, ret);
}
