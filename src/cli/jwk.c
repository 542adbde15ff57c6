/* jwk.c: see jwk.h. */
#include "jwk.h"

#include <string.h>

#include "base64.h"
#include "crypto.h"
#include "keyfile.h"
#include "mech.h"
#include "pkcs11_numbers.h"

#define MEMBER_MAX 4096 /* bytes of a number */

/* struct member: a member of the JSON object and the attribute that holds it. */
struct member {
	const char *name;
	uint32_t cka;
	bool needed;
};

/* struct jwk_type: "kty" and, where there are several of it, the member that says which. How the
 * public value of a curve is made of its coordinates differs; everything else is a member each. */
struct jwk_type {
	const char *kty, *by, *name;
	uint32_t ckk, cka;   /* cka: the attribute that says which; 0: none */
	struct slice params; /* its value: for a curve DER of its OID */
	size_t coordinate;   /* bytes of x, and of y where it has one */
	bool has_y;
};

#define OID(...) { (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }) }

#define NUMBER(n) OID(0, 0, 0, 0, 0, 0, 0, n)
#define CURVE(kty, name, ckk, n, y, ...) { kty, "crv", name, ckk, CKA_EC_PARAMS, OID(__VA_ARGS__), n, y }
#define AKP(name, ckp) { "AKP", "alg", name, CKK_ML_DSA, CKA_PARAMETER_SET, NUMBER(ckp), 0, false }

/* SEC 2 §A, RFC 8410 §3, RFC 8812 §3.1. */
static const struct jwk_type types[] = {
	{ "RSA", NULL, NULL, CKK_RSA, 0, { 0 }, 0, false },
	CURVE("EC", "P-256", CKK_EC, 32, true, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7),
	CURVE("EC", "P-384", CKK_EC, 48, true, 6, 5, 0x2b, 0x81, 4, 0, 0x22),
	CURVE("EC", "P-521", CKK_EC, 66, true, 6, 5, 0x2b, 0x81, 4, 0, 0x23),
	CURVE("EC", "secp256k1", CKK_EC, 32, true, 6, 5, 0x2b, 0x81, 4, 0, 0x0a),
	CURVE("OKP", "Ed25519", CKK_EC_EDWARDS, 32, false, 6, 3, 0x2b, 0x65, 0x70),
	CURVE("OKP", "Ed448", CKK_EC_EDWARDS, 57, false, 6, 3, 0x2b, 0x65, 0x71),
	CURVE("OKP", "X25519", CKK_EC_MONTGOMERY, 32, false, 6, 3, 0x2b, 0x65, 0x6e),
	CURVE("OKP", "X448", CKK_EC_MONTGOMERY, 56, false, 6, 3, 0x2b, 0x65, 0x6f),
	AKP("ML-DSA-44", CKP_ML_DSA_44),
	AKP("ML-DSA-65", CKP_ML_DSA_65),
	AKP("ML-DSA-87", CKP_ML_DSA_87),
	{ "oct", NULL, NULL, CKK_GENERIC_SECRET, 0, { 0 }, 0, false },
};

static const struct member rsa_public[] = { { "n", CKA_MODULUS, true }, { "e", CKA_PUBLIC_EXPONENT, true } };
static const struct member rsa_private[] = {
	{ "d", CKA_PRIVATE_EXPONENT, true }, { "p", CKA_PRIME_1, false }, { "q", CKA_PRIME_2, false },
	{ "dp", CKA_EXPONENT_1, false }, { "dq", CKA_EXPONENT_2, false }, { "qi", CKA_COEFFICIENT, false },
};
static const struct member d_only[] = { { "d", CKA_VALUE, true } };
static const struct member k_only[] = { { "k", CKA_VALUE, true } };
static const struct member pub_only[] = { { "pub", CKA_VALUE, true } };
static const struct member seed_only[] = { { "priv", CKA_SEED, true } };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *text_of(json_t *o, const char *name)
{
	json_t *v = json_object_get(o, name);

	return json_is_string(v) ? json_string_value(v) : NULL;
}

static bool same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static const struct jwk_type *type_of(json_t *o)
{
	const char *kty = text_of(o, "kty");

	for (size_t i = 0; i < COUNT(types); i++)
		if (same(types[i].kty, kty) &&
		    (types[i].by == NULL || same(types[i].name, text_of(o, types[i].by))))
			return &types[i];
	return NULL;
}

static enum hf_err member(json_t *o, const char *name, struct secret *ret)
{
	const char *s = text_of(o, name);

	if (s == NULL || strlen(s) > MEMBER_MAX || base64_decode(slice_str(s), true, ret) != HF_OK)
		return HF_E_KEYFILE;
	return HF_OK;
}

static enum hf_err put_members(struct cli *c, struct incoming *i, json_t *o, const struct member *m, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		CLEANUP(secret_done) struct secret v = { 0 };

		if (!m[k].needed && json_object_get(o, m[k].name) == NULL)
			continue;
		TRY(member(o, m[k].name, &v));
		TRY(incoming_put(c, i, m[k].cka, secret_slice(&v)));
	}
	return HF_OK;
}

/* put_point: an uncompressed point (SEC 1 §2.3.3), or the bytes of x themselves. The vault
 * checks that it lies on the curve, and that it belongs to d. */
static enum hf_err put_point(struct cli *c, struct incoming *i, json_t *o, const struct jwk_type *t)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(2 * MEMBER_MAX);
	CLEANUP(secret_done) struct secret x = { 0 }, y = { 0 };

	TRY(member(o, "x", &x));
	if (t->has_y)
		TRY(member(o, "y", &y));
	if (x.n != t->coordinate || (t->has_y && y.n != t->coordinate))
		return HF_E_KEYFILE;
	if (t->has_y)
		buf_u8(&b, 4);
	buf_raw(&b, secret_slice(&x));
	buf_raw(&b, secret_slice(&y));
	TRY(buf_err(&b));
	return incoming_put(c, i, CKA_EC_POINT, buf_slice(&b));
}

static enum hf_err begin(struct cli *c, struct incoming_list *l, uint32_t cko, uint32_t ckk,
	struct incoming **ret)
{
	TRY(incoming_new(c, l, ret));
	TRY(incoming_put_u64(c, *ret, CKA_CLASS, cko));
	return incoming_put_u64(c, *ret, CKA_KEY_TYPE, ckk);
}

/* secret: an algorithm of AES's says that it is such a key (RFC 7518 §4.1, §5.1). */
static enum hf_err secret(struct cli *c, json_t *o, struct incoming_list *l)
{
	const char *alg = text_of(o, "alg");
	bool aes = alg != NULL && alg[0] == 'A' && strncmp(alg, "A128CBC-HS", 6) != 0 &&
		   strstr(alg, "CBC-HS") == NULL;
	struct incoming *i;

	TRY(begin(c, l, CKO_SECRET_KEY, aes ? CKK_AES : CKK_GENERIC_SECRET, &i));
	return put_members(c, i, o, k_only, COUNT(k_only));
}

/* begin_half begins one of a pair; what says which key of its type it is stands in both. */
static enum hf_err begin_half(struct cli *c, struct incoming_list *l, uint32_t cko,
	const struct jwk_type *t, struct incoming **ret)
{
	TRY(begin(c, l, cko, t->ckk, ret));
	return t->cka == 0 ? HF_OK : incoming_put(c, *ret, t->cka, t->params);
}

static enum hf_err public_half(struct cli *c, json_t *o, const struct jwk_type *t, struct incoming_list *l)
{
	struct incoming *i;

	TRY(begin_half(c, l, CKO_PUBLIC_KEY, t, &i));
	if (t->ckk == CKK_RSA)
		return put_members(c, i, o, rsa_public, COUNT(rsa_public));
	if (t->ckk == CKK_ML_DSA)
		return put_members(c, i, o, pub_only, COUNT(pub_only));
	return put_point(c, i, o, t);
}

static enum hf_err private_half(struct cli *c, json_t *o, const struct jwk_type *t, struct incoming_list *l)
{
	struct incoming *i;

	TRY(begin_half(c, l, CKO_PRIVATE_KEY, t, &i));
	if (t->ckk == CKK_ML_DSA)
		return put_members(c, i, o, seed_only, COUNT(seed_only));
	if (t->ckk != CKK_RSA)
		return put_members(c, i, o, d_only, COUNT(d_only));
	TRY(put_members(c, i, o, rsa_public, COUNT(rsa_public)));
	return put_members(c, i, o, rsa_private, COUNT(rsa_private));
}

static struct slice source_of(const void *ctx, uint32_t cka)
{
	const struct incoming *i = ctx;

	for (size_t k = 0; k < i->n; k++)
		if (i->v[k].type == cka)
			return i->v[k].value;
	return SLICE_NONE;
}

/* info gives the SubjectPublicKeyInfo that the half comes to. */
static enum hf_err info(uint32_t cko, uint32_t ckk, const struct incoming *i, struct parts *ret)
{
	struct key_source s = { source_of, i };

	return key_import(cko, ckk, &s, ret);
}

/* belong: a private key that signs for another public half would mislead whoever has that. */
static enum hf_err belong(const struct jwk_type *t, const struct parts *pub, const struct incoming *i,
	const char **ret_wrong)
{
	CLEANUP(parts_done) struct parts priv = { 0 };

	TRY(info(CKO_PRIVATE_KEY, t->ckk, i, &priv));
	if (slice_eq(parts_get(pub, CKA_PUBLIC_KEY_INFO), parts_get(&priv, CKA_PUBLIC_KEY_INFO)))
		return HF_OK;
	*ret_wrong = "the private and the public half do not belong together";
	return HF_E_KEYFILE;
}

static void drop(json_t **o)
{
	json_decref(*o);
}

json_t *jwk_file(struct slice text, bool *ret_set)
{
	CLEANUP(drop) json_t *o = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	json_t *keys = json_object_get(o, "keys");

	*ret_set = keys != NULL;
	if (keys == NULL)
		return json_is_object(o) ? json_pack("[O]", o) : NULL;
	return json_is_array(keys) && json_array_size(keys) > 0 ? json_incref(keys) : NULL;
}

const char *jwk_kid(json_t *o)
{
	return text_of(o, "kid");
}

/* pair reads both halves, or the public one where there is no other. */
static enum hf_err pair(struct cli *c, json_t *o, const struct jwk_type *t, struct incoming_list *l,
	struct jwk *ret)
{
	CLEANUP(parts_done) struct parts pub = { 0 };
	uint8_t hash[CRYPTO_HASH];

	TRY(public_half(c, o, t, l));
	TRY(info(CKO_PUBLIC_KEY, t->ckk, &l->v[l->n - 1], &pub));
	if (ret->kid.n == 0) {
		TRY(crypto_sha256(parts_get(&pub, CKA_PUBLIC_KEY_INFO), hash));
		TRY(arena_dup(&c->arena, (struct slice){ hash, KEYFILE_ID }, &ret->id));
	}
	if (json_object_get(o, t->ckk == CKK_ML_DSA ? "priv" : "d") == NULL)
		return HF_OK;
	TRY(private_half(c, o, t, l));
	return belong(t, &pub, &l->v[l->n - 1], &ret->wrong);
}

enum hf_err jwk_read(struct cli *c, json_t *o, struct incoming_list *l, struct jwk *ret)
{
	const struct jwk_type *t = type_of(o);
	const char *kid = jwk_kid(o);
	enum hf_err e;

	*ret = (struct jwk){ .is_public = t != NULL && t->ckk != CKK_GENERIC_SECRET };
	if (t == NULL)
		return HF_E_KEYFILE;
	if (kid != NULL)
		TRY(arena_dup(&c->arena, slice_str(kid), &ret->kid));
	ret->id = ret->kid;
	e = ret->is_public ? pair(c, o, t, l, ret) : secret(c, o, l);
	return e == HF_OK || e == HF_E_MEMORY ? e : HF_E_KEYFILE;
}

/* --- to JSON ------------------------------------------------------------- */

static bool set(json_t *o, const char *name, struct slice v)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(2 * MEMBER_MAX);

	while (v.n > 1 && v.p[0] == 0 && strlen(name) == 1 && strchr("ne", name[0]) != NULL) {
		v.p++;
		v.n--;
	}
	return base64_encode(v, true, &b) == HF_OK &&
	       json_object_set_new(o, name, json_stringn((const char *)b.p, b.n)) == 0;
}

static bool set_point(json_t *o, const struct jwk_type *t, struct slice p)
{
	size_t n = t->coordinate;

	p = cli_point(p);
	if (!t->has_y)
		return p.n == n && set(o, "x", p);
	return p.n == 1 + 2 * n && p.p[0] == 4 && set(o, "x", (struct slice){ p.p + 1, n }) &&
	       set(o, "y", (struct slice){ p.p + 1 + n, n });
}

static const struct jwk_type *type_for(struct cli *c, uint64_t session, uint64_t object)
{
	struct slice type = cli_attr(c, session, object, CKA_KEY_TYPE);

	for (size_t i = 0; type.n == 8 && i < COUNT(types); i++)
		if (types[i].ckk == get_u64(type.p) && types[i].ckk != CKK_GENERIC_SECRET &&
		    (types[i].cka == 0 ||
			    slice_eq(types[i].params, cli_attr(c, session, object, types[i].cka))))
			return &types[i];
	return NULL;
}

json_t *jwk_public(struct cli *c, uint64_t session, uint64_t object)
{
	const struct jwk_type *t = type_for(c, session, object);
	json_t *o;
	bool ok;

	if (t == NULL)
		return NULL;
	o = json_pack("{s:s}", "kty", t->kty);
	ok = t->by == NULL || json_object_set_new(o, t->by, json_string(t->name)) == 0;
	if (t->ckk == CKK_RSA)
		ok = ok && set(o, "n", cli_attr(c, session, object, CKA_MODULUS)) &&
		     set(o, "e", cli_attr(c, session, object, CKA_PUBLIC_EXPONENT));
	else if (t->ckk == CKK_ML_DSA)
		ok = ok && set(o, "pub", cli_attr(c, session, object, CKA_VALUE));
	else
		ok = ok && set_point(o, t, cli_attr(c, session, object, CKA_EC_POINT));
	if (ok)
		return o;
	json_decref(o);
	return NULL;
}
