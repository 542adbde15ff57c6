/* ml_dsa.c: ML-DSA and SLH-DSA (FIPS 204, FIPS 205), and both over a given or our
 * own digest. The two standards put context and digest into the message alike. */
#include <openssl/core_names.h>
#include <string.h>

#include "families.h"
#include "family.h"
#include "fips.h"
#include "ml.h"


/* OIDs of the digests, FIPS 204 §5.4.1: 2.16.840.1.101.3.4.2.x. */
#define OID_LEN 11
static const struct {
	const char *name;
	uint8_t last;
} oids[] = {
	{ "SHA256", 1 }, { "SHA384", 2 }, { "SHA512", 3 }, { "SHA224", 4 },
	{ "SHA512-224", 5 }, { "SHA512-256", 6 }, { "SHA3-224", 7 }, { "SHA3-256", 8 },
	{ "SHA3-384", 9 }, { "SHA3-512", 10 }, { "SHAKE128", 11 }, { "SHAKE256", 12 },
};

struct ml_dsa {
	struct kept kept;
	EVP_PKEY_CTX *pctx;
	const struct hash *hash; /* NULL: pure */
	bool ours;               /* the digest is ours to make */
	EVP_MD_CTX *md;
	struct buf given; /* the caller's digest, as it comes */
	bool plain;       /* pctx has no context and the default randomness */
};

/* The two parameters, as one. */
struct additional {
	uint64_t hedge, hash;
	struct slice context;
};

static void drop(struct kept *k)
{
	struct ml_dsa *s = (struct ml_dsa *)k;

	EVP_PKEY_CTX_free(s->pctx);
	EVP_MD_CTX_free(s->md);
	buf_done(&s->given);
	secret_free(s);
}

static enum hf_err additional_of(const struct crypt *c, struct additional *ret)
{
	const struct params *p = c->params;

	*ret = (struct additional){ .hedge = CKH_HEDGE_PREFERRED };
	if (p->id == PARAM_HASH_CONTEXT) {
		ret->hedge = p->u.hash_context.hedge;
		ret->context = p->u.hash_context.context;
		ret->hash = p->u.hash_context.hash;
	} else if (p->present) {
		ret->hedge = p->u.context.hedge;
		ret->context = p->u.context.context;
	}
	if (ret->hedge > CKH_DETERMINISTIC_REQUIRED || ret->context.n > ML_CONTEXT_MAX)
		return HF_E_MECHANISM_PARAM;
	return HF_OK;
}

/* mu_row: the caller brings mu (FIPS 204 §6.2, step 6), so that a context has no place. */
static bool mu_row(const struct mech *m)
{
	return m->arg != NULL && strcmp(m->arg, "mu") == 0;
}

/* pure_row: neither the parameter nor the row names a digest. */
static bool pure_row(const struct mech *m)
{
	return m->param == PARAM_CONTEXT && (m->arg == NULL || mu_row(m));
}

/* setup: pre-hashed messages are encoded here (FIPS 204 §5.4.1, FIPS 205 §10.2.2), pure ones by
 * OpenSSL. */
static enum hf_err setup(struct ml_dsa *s, const struct crypt *c, const struct additional *a)
{
	int deterministic = a->hedge == CKH_DETERMINISTIC_REQUIRED, raw = 0, mu = 1;
	EVP_SIGNATURE *alg = EVP_SIGNATURE_fetch(NULL, c->key->set->name, NULL);
	OSSL_PARAM params[4], *p = params;
	bool given = mu_row(c->mech);
	int ok = 0;

	*p++ = OSSL_PARAM_construct_int(OSSL_SIGNATURE_PARAM_DETERMINISTIC, &deterministic);
	if (s->hash != NULL)
		*p++ = OSSL_PARAM_construct_int(OSSL_SIGNATURE_PARAM_MESSAGE_ENCODING, &raw);
	else if (given)
		*p++ = OSSL_PARAM_construct_int(OSSL_SIGNATURE_PARAM_MU, &mu);
	else if (a->context.n > 0)
		*p++ = OSSL_PARAM_construct_octet_string(OSSL_SIGNATURE_PARAM_CONTEXT_STRING,
			(void *)(uintptr_t)a->context.p, a->context.n);
	*p = OSSL_PARAM_construct_end();
	EVP_PKEY_CTX_free(s->pctx);
	s->pctx = EVP_PKEY_CTX_new_from_pkey(NULL, c->key->pkey, fips_props_of(c->key->pkey));
	if (s->pctx != NULL && alg != NULL)
		ok = c->verb == VERB_SIGN ? EVP_PKEY_sign_message_init(s->pctx, alg, params) :
					    EVP_PKEY_verify_message_init(s->pctx, alg, params);
	EVP_SIGNATURE_free(alg);
	OSSL_TRY(ok, HF_E_INTERNAL);
	return HF_OK;
}

static enum hf_err start(struct ml_dsa *s, const struct crypt *c, const struct additional *a)
{
	bool pure = pure_row(c->mech);
	bool plain = a->hedge != CKH_DETERMINISTIC_REQUIRED && (!pure || a->context.n == 0);

	s->given.max = EVP_MAX_MD_SIZE;
	s->ours = !pure && c->mech->arg != NULL;
	if (!pure) {
		s->hash = s->ours ? hash_by_name(c->mech->arg) : hash_by_ckm(a->hash);
		if (s->hash == NULL)
			return HF_E_MECHANISM_PARAM;
	}
	if (s->ours) {
		if (s->md == NULL)
			s->md = EVP_MD_CTX_new();
		if (s->md == NULL)
			return ossl_err(HF_E_MEMORY);
		OSSL_TRY(EVP_DigestInit_ex2(s->md, s->hash->md, NULL), HF_E_INTERNAL);
	}
	if (s->pctx != NULL && s->plain && plain)
		return HF_OK;
	s->plain = plain;
	return setup(s, c, a);
}

static enum hf_err begin(struct crypt *c)
{
	struct additional a;
	struct ml_dsa *s;
	enum hf_err e;
	bool fresh;

	TRY(additional_of(c, &a));
	TRY(kept_begin(c, sizeof(*s), drop, &fresh));
	s = c->state;
	e = start(s, c, &a);
	if (e != HF_OK) {
		c->state = NULL;
		drop(&s->kept);
	}
	return e;
}

static enum hf_err update(struct crypt *c, struct slice in, struct buf *out)
{
	struct ml_dsa *s = c->state;

	(void)out;
	if (!s->ours)
		return gather_more(&s->given, in) == HF_OK ? HF_OK : HF_E_DATA_LEN;
	OSSL_TRY(EVP_DigestUpdate(s->md, in.p, in.n), HF_E_INTERNAL);
	return HF_OK;
}

static enum hf_err digest(struct ml_dsa *s, struct slice in, uint8_t *out)
{
	OSSL_TRY(EVP_DigestUpdate(s->md, in.p, in.n), HF_E_INTERNAL);
	if (EVP_MD_xof(s->hash->md))
		OSSL_TRY(EVP_DigestFinalXOF(s->md, out, s->hash->n), HF_E_INTERNAL);
	else
		OSSL_TRY(EVP_DigestFinal_ex(s->md, out, NULL), HF_E_INTERNAL);
	return HF_OK;
}

/*  1 | length of context | context | OID of the digest | digest  */
static enum hf_err encode(const struct crypt *c, struct slice in, struct buf *ret)
{
	uint8_t oid[OID_LEN] = { 0x06, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0 };
	struct ml_dsa *s = c->state;
	struct additional a;

	TRY(additional_of(c, &a));
	for (size_t i = 0; i < sizeof(oids) / sizeof(oids[0]); i++)
		if (strcmp(oids[i].name, s->hash->name) == 0)
			oid[OID_LEN - 1] = oids[i].last;
	if (oid[OID_LEN - 1] == 0)
		return HF_E_MECHANISM_PARAM; /* SHA-1 */
	buf_u8(ret, 1);
	buf_u8(ret, (uint8_t)a.context.n);
	buf_raw(ret, a.context);
	buf_raw(ret, SLICE_OF(oid));
	buf_raw(ret, in);
	return buf_err(ret);
}

static enum hf_err prehash(struct crypt *c, struct slice in, struct buf *ret)
{
	struct ml_dsa *s = c->state;
	uint8_t md[EVP_MAX_MD_SIZE];

	if (!s->ours && (gather_all(&s->given, in, &in) != HF_OK || in.n != s->hash->n))
		return HF_E_DATA_LEN;
	if (s->ours) {
		TRY(digest(s, in, md));
		in = (struct slice){ md, s->hash->n };
	}
	return encode(c, in, ret);
}

static enum hf_err finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	CLEANUP(buf_done) struct buf m = BUF_MAX(512);
	struct ml_dsa *s = c->state;
	size_t n = c->key->set->out;
	uint8_t *p;

	if (s->hash != NULL) {
		TRY(prehash(c, in, &m));
		in = buf_slice(&m);
	}
	if (mu_row(c->mech) && in.n != ML_DSA_MU)
		return HF_E_DATA_LEN;
	if (c->verb == VERB_VERIFY) {
		if (sig.n != n)
			return HF_E_SIGNATURE_LEN;
		OSSL_TRY(EVP_PKEY_verify(s->pctx, sig.p, sig.n, in.p, in.n), HF_E_SIGNATURE);
		return HF_OK;
	}
	TRY(out_add(out, n, &p));
	if (EVP_PKEY_sign(s->pctx, p, &n, in.p, in.n) == 1)
		return HF_OK;
	buf_cut(out, out->n - c->key->set->out);
	return ossl_err(HF_E_INTERNAL);
}

static enum hf_err copy(const struct crypt *from, struct crypt *to)
{
	const struct ml_dsa *f = from->state;
	struct ml_dsa *t = to->state;

	if (!f->ours)
		return gather_copy(&f->given, &t->given);
	OSSL_TRY(EVP_MD_CTX_copy_ex(t->md, f->md), HF_E_INTERNAL);
	return HF_OK;
}

static size_t bound(const struct crypt *c, size_t in, bool last)
{
	(void)in;
	return last && c->verb == VERB_SIGN ? c->key->set->out : 0;
}

static void end(struct crypt *c)
{
	struct ml_dsa *s = c->state;

	if (s != NULL)
		buf_reset(&s->given);
	kept_end(c);
}

const struct family family_ml_dsa = {
	.name = "ml_dsa",
	.begin = begin,
	.finish = finish,
	.bound = bound,
	.end = end,
};

const struct family family_hash_ml_dsa = {
	.name = "hash_ml_dsa",
	.begin = begin,
	.update = update,
	.finish = finish,
	.bound = bound,
	.end = end,
	.copy = copy,
};
