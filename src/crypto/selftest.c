/* selftest.c: known answers and the random source's health, at power-on. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/core_names.h>
#include <openssl/rand.h>

#include "crypto.h"
#include "family.h"
#include "fips.h"
#include "selftest.h"

#define KAT_BYTES 4096 /* longest value of a known answer */


static struct slice source_part(const void *ctx, uint32_t cka)
{
	return parts_get(ctx, cka);
}

static bool unhex(const char *hex, struct secret *ret)
{
	size_t n = hex == NULL ? 0 : strlen(hex) / 2;

	return secret_alloc(ret, n) == HF_OK &&
	       (n == 0 || (n <= KAT_BYTES && hex_decode(hex, ret->p, n, &n)));
}

static bool kat_key(const struct kat *k, struct key **ret)
{
	CLEANUP(parts_done) struct parts parts = { 0 };
	struct key_source s = { source_part, &parts };

	*ret = NULL;
	if (k->ckk == CKK_NONE)
		return true;
	for (size_t i = 0; i < KAT_PARTS && k->part[i].hex != NULL; i++) {
		CLEANUP(secret_done) struct secret v = { 0 };

		if (!unhex(k->part[i].hex, &v) ||
		    parts_put(&parts, k->part[i].cka, secret_slice(&v)) != HF_OK)
			return false;
	}
	return key_parse(k->cko, k->ckk, &s, ret) == HF_OK;
}

static enum hf_err run(const struct kat *k, enum verb verb, const struct key *key, struct slice in,
	struct slice sig, struct buf *out)
{
	struct crypt c = { mech_find(k->ckm), verb, key, &k->params, .has_leaf = true };
	enum hf_err e;

	if (c.mech == NULL)
		return HF_E_MECHANISM;
	e = c.mech->family->begin(&c);
	if (e == HF_OK)
		e = c.mech->family->finish(&c, in, sig, out);
	c.mech->family->end(&c);
	return e;
}

/* same: v is out, or out is the SHA-256 of a longer v. */
static bool same(struct slice v, struct slice out)
{
	uint8_t hash[CRYPTO_HASH];

	if (v.n > KAT_BYTES / 4 && out.n == CRYPTO_HASH && crypto_sha256(v, hash) == HF_OK)
		v = SLICE_OF(hash);
	return secret_eq(v, out);
}

/* undo: the way back from out to in; true where there is none. */
static bool undo(const struct kat *k, const struct key *key, struct slice in, struct slice out)
{
	CLEANUP(buf_done) struct buf back = BUF_MAX(KAT_BYTES);
	bool unwrap = k->verb == VERB_WRAP;

	if (k->verb == VERB_SIGN && k->cko == CKO_SECRET_KEY)
		return run(k, VERB_VERIFY, key, in, out, &back) == HF_OK;
	if (k->verb != VERB_ENCRYPT && !unwrap)
		return true;
	return run(k, unwrap ? VERB_UNWRAP : VERB_DECRYPT, key, out, SLICE_NONE, &back) == HF_OK &&
	       secret_eq(buf_slice(&back), in);
}

static bool check_output(const struct kat *k, const struct key *key, struct slice in,
	struct slice want)
{
	CLEANUP(buf_done) struct buf out = BUF_MAX(2 * KAT_BYTES);

	return run(k, k->verb, key, in, SLICE_NONE, &out) == HF_OK &&
	       same(buf_slice(&out), want) && undo(k, key, in, buf_slice(&out));
}

static bool check_verify(const struct kat *k, const struct key *key, struct slice in,
	struct secret *sig)
{
	CLEANUP(buf_done) struct buf none = BUF_MAX(0);

	if (run(k, VERB_VERIFY, key, in, secret_slice(sig), &none) != HF_OK)
		return false;
	sig->p[sig->n - 1] ^= 1;
	return run(k, VERB_VERIFY, key, in, secret_slice(sig), &none) == HF_E_SIGNATURE;
}

static bool check_derive(const struct kat *k, const struct key *key, struct slice want)
{
	CLEANUP(secret_done) struct secret v = { 0 };
	const struct mech *m = mech_find(k->ckm);

	return m != NULL &&
	       m->family->derive(m, &k->params, key, NULL, want.n, &v) == HF_OK &&
	       secret_eq(secret_slice(&v), want);
}

static bool check_decapsulate(const struct kat *k, const struct key *key, struct slice in,
	struct slice want)
{
	CLEANUP(buf_done) struct buf none = BUF_MAX(0);
	CLEANUP(secret_done) struct secret v = { 0 };
	const struct mech *m = mech_find(k->ckm);

	return m != NULL && m->family->kem(m, &k->params, key, in, &none, &v) == HF_OK &&
	       secret_eq(secret_slice(&v), want);
}

static void key_done(struct key **k)
{
	key_free(*k);
}

static bool check(const struct kat *k)
{
	CLEANUP(secret_done) struct secret in = { 0 }, sig = { 0 }, out = { 0 };
	CLEANUP(key_done) struct key *key = NULL;

	if (!unhex(k->in, &in) || !unhex(k->sig, &sig) || !unhex(k->out, &out) || !kat_key(k, &key))
		return false;
	switch (k->kind) {
	case KAT_OUTPUT:
		return check_output(k, key, secret_slice(&in), secret_slice(&out));
	case KAT_VERIFY:
		return check_verify(k, key, secret_slice(&in), &sig);
	case KAT_DERIVE:
		return check_derive(k, key, secret_slice(&out));
	case KAT_DECAPSULATE:
		return check_decapsulate(k, key, secret_slice(&in), secret_slice(&out));
	}
	return false;
}

/* --- generated keys ------------------------------------------------------- */

/* check_pair: ECDSA signatures are random, so a fresh pair signs and verifies. */
static bool check_pair(void)
{
	static const uint8_t p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
	CLEANUP(parts_done) struct parts tmpl = { 0 }, pub = { 0 }, priv = { 0 };
	const struct mech *m = mech_find(CKM_EC_KEY_PAIR_GEN);
	struct key_source s = { source_part, &tmpl };
	struct params none = { .approved = true };

	return m != NULL && parts_put(&tmpl, CKA_EC_PARAMS, SLICE_OF(p256)) == HF_OK &&
	       m->family->generate(m, &none, &s, &s, &pub, &priv) == HF_OK;
}

/* --- the random generator -------------------------------------------------- */

#define DRBG_OUT 256

/* CTR_DRBG with AES-256 and derivation function: ACVP, test case 46. */
static const struct {
	const char *entropy, *nonce, *personal, *reseed, *out;
} drbg = {
	"870a849e85798ea03a6ebef5822470423c70656ebc1e6a1557b32423ac34cc49",
	"d8b65dc19351257f3ef44b51bc23dcc0",
	"90b82daa950bf95d8b718ef04042d355",
	"671114b0850fc63e241adffd667c326318f886886c43d19cba0aae4cb7b2bb1a",
	/* the last output's first bytes */
	"ba1f7450578e3aef9741f56531de3fbced7a9c80dce50bf9f865bc12ccbaf35a",
};

struct rands {
	EVP_RAND_CTX *source, *ctr;
};

static void rands_done(struct rands *r)
{
	EVP_RAND_CTX_free(r->ctr);
	EVP_RAND_CTX_free(r->source);
}

static EVP_RAND_CTX *rand_new(const char *name, EVP_RAND_CTX *parent)
{
	EVP_RAND *alg = EVP_RAND_fetch(NULL, name, NULL);
	EVP_RAND_CTX *ctx = alg == NULL ? NULL : EVP_RAND_CTX_new(alg, parent);

	EVP_RAND_free(alg);
	return ctx;
}

static bool source_gives(EVP_RAND_CTX *source, struct secret *entropy, struct secret *nonce)
{
	unsigned strength = 256;
	OSSL_PARAM p[] = {
		OSSL_PARAM_construct_octet_string(OSSL_RAND_PARAM_TEST_ENTROPY, entropy->p,
			entropy->n),
		OSSL_PARAM_construct_octet_string(OSSL_RAND_PARAM_TEST_NONCE, nonce->p, nonce->n),
		OSSL_PARAM_construct_uint(OSSL_RAND_PARAM_STRENGTH, &strength),
		OSSL_PARAM_construct_end(),
	};

	return EVP_RAND_CTX_set_params(source, p) == 1;
}

static bool drbg_run(struct rands *r, struct secret v[5])
{
	static char cipher[] = "AES-256-CTR";
	int df = 1;
	OSSL_PARAM p[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_DRBG_PARAM_CIPHER, cipher, 0),
		OSSL_PARAM_construct_int(OSSL_DRBG_PARAM_USE_DF, &df),
		OSSL_PARAM_construct_end(),
	};
	uint8_t out[DRBG_OUT];

	return source_gives(r->source, &v[0], &v[1]) &&
	       EVP_RAND_instantiate(r->source, 256, 0, NULL, 0, NULL) == 1 &&
	       EVP_RAND_instantiate(r->ctr, 256, 0, v[2].p, v[2].n, p) == 1 &&
	       source_gives(r->source, &v[3], &v[1]) &&
	       EVP_RAND_reseed(r->ctr, 0, NULL, 0, NULL, 0) == 1 &&
	       EVP_RAND_generate(r->ctr, out, sizeof(out), 256, 0, NULL, 0) == 1 &&
	       EVP_RAND_generate(r->ctr, out, sizeof(out), 256, 0, NULL, 0) == 1 &&
	       secret_eq((struct slice){ out, v[4].n }, secret_slice(&v[4]));
}

static bool check_drbg(void)
{
	const char *const hex[5] = { drbg.entropy, drbg.nonce, drbg.personal, drbg.reseed, drbg.out };
	CLEANUP(rands_done) struct rands r = { rand_new("TEST-RAND", NULL), NULL };
	struct secret v[5] = { 0 };
	bool ok = r.source != NULL;

	r.ctr = ok ? rand_new("CTR-DRBG", r.source) : NULL;
	ok = r.ctr != NULL;
	for (size_t i = 0; i < 5; i++)
		ok = unhex(hex[i], &v[i]) && ok;
	ok = ok && drbg_run(&r, v);
	for (size_t i = 0; i < 5; i++)
		secret_done(&v[i]);
	ERR_clear_error();
	return ok;
}

/* Health of the kernel's source, on bytes that feed the generator: SP 800-90B
 * §4.4 with a false-positive rate of 2^-20 and an assumed min-entropy of 4 bits a
 * byte, which the kernel's conditioned output has many times over. */
#define SAMPLES 4096
#define REPETITION_CUTOFF 6  /* 1 + ceil(20 / 4) */
#define PROPORTION_WINDOW 512
#define PROPORTION_CUTOFF 62 /* 1 + CRITBINOM(512, 2^-4, 1 - 2^-20) */

static bool draw(uint8_t *out, size_t n)
{
	while (n > 0) {
		ssize_t got = getrandom(out, n < 256 ? n : 256, 0);

		if (got <= 0)
			return false;
		out += got;
		n -= (size_t)got;
	}
	return true;
}

bool crypto_repetition_ok(struct slice s)
{
	unsigned run_length = 1;

	for (size_t i = 1; i < s.n; i++) {
		run_length = s.p[i] == s.p[i - 1] ? run_length + 1 : 1;
		if (run_length >= REPETITION_CUTOFF)
			return false;
	}
	return true;
}

bool crypto_proportion_ok(struct slice s)
{
	for (size_t at = 0; s.n - at >= PROPORTION_WINDOW; at += PROPORTION_WINDOW) {
		unsigned count = 0;

		for (size_t i = at; i < at + PROPORTION_WINDOW; i++)
			count += s.p[i] == s.p[at];
		if (count >= PROPORTION_CUTOFF)
			return false;
	}
	return true;
}

static bool check_source(bool (*ok)(struct slice s))
{
	uint8_t s[SAMPLES];

	return draw(s, sizeof(s)) && ok(SLICE_OF(s));
}

/* --- all ------------------------------------------------------------------- */

struct reporter {
	void (*report)(void *ctx, const char *name, bool ok);
	void *ctx;
	bool all;
};

bool selftest_told(const char *name)
{
	const char *fail = secure_getenv("HOLDFAST_TEST_FAIL_SELFTEST");

	return fail != NULL && strcmp(fail, name) == 0;
}

static void tell(struct reporter *r, const char *name, bool ok)
{
	ok = ok && !selftest_told(name);
	r->all = r->all && ok;
	if (r->report != NULL)
		r->report(r->ctx, name, ok);
}

bool crypto_selftest(void (*report)(void *ctx, const char *name, bool ok), void *ctx)
{
	struct reporter r = { report, ctx, true };

	tell(&r, "random-repetition", check_source(crypto_repetition_ok));
	tell(&r, "random-proportion", check_source(crypto_proportion_ok));
	tell(&r, "ctr-drbg", check_drbg());
	for (size_t i = 0; i < kat_count; i++)
		tell(&r, kats[i].name, check(&kats[i]));
	tell(&r, "ecdsa-pair", check_pair());
	if (crypto_is_fips())
		tell(&r, "fips-provider", fips_selftest());
	return r.all;
}
