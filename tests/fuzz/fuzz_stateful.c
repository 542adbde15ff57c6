/* fuzz_stateful: public keys and signatures of HSS, XMSS and XMSS^MT from a stranger. The
 * first byte says what the rest is. */
#include <stdlib.h>
#include <string.h>

#include "crypto.h"
#include "fuzz.h"
#include "mech.h"
#include "pkcs11_numbers.h"

#define MESSAGE SLICE_STR("a message")

/* struct kind: a type of key, and one of it with a signature to start from. */
struct kind {
	uint32_t ckk, gen, ckm;
	uint8_t set;
	struct parts pub;
	struct key *key;
	struct buf signature;
};
static struct kind kinds[] = {
	{ .ckk = CKK_HSS, .gen = CKM_HSS_KEY_PAIR_GEN, .ckm = CKM_HSS },
	{ .ckk = CKK_XMSS, .gen = CKM_XMSS_KEY_PAIR_GEN, .ckm = CKM_XMSS, .set = 0x0d },
	{ .ckk = CKK_XMSSMT, .gen = CKM_XMSSMT_KEY_PAIR_GEN, .ckm = CKM_XMSSMT, .set = 2 },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void must(enum hf_err e)
{
	if (e != HF_OK)
		abort();
}

static struct slice from_parts(const void *ctx, uint32_t cka)
{
	return parts_get(ctx, cka);
}

static enum hf_err run(const struct kind *k, enum verb v, const struct key *key, struct slice sig,
	struct buf *out)
{
	struct params none = { 0 };
	struct crypt c = { mech_find(k->ckm), v, key, &none, .leaf = 9, .has_leaf = true };
	enum hf_err e = c.mech->family->begin(&c);

	if (e == HF_OK)
		e = c.mech->family->finish(&c, MESSAGE, sig, out);
	c.mech->family->end(&c);
	return e;
}

/* Two levels of HSS, so that a signature carries a public key. */
static void types(const struct kind *k, struct parts *t)
{
	static const uint8_t lms[16] = { [7] = 5, [15] = 5 }, ots[16] = { [7] = 4, [15] = 4 };

	if (k->ckk != CKK_HSS) {
		must(parts_put_u64(t, CKA_PARAMETER_SET, k->set));
		return;
	}
	must(parts_put(t, CKA_HSS_LMS_TYPES, SLICE_OF(lms)));
	must(parts_put(t, CKA_HSS_LMOTS_TYPES, SLICE_OF(ots)));
}

static void prepare(struct kind *k)
{
	struct parts t = { 0 }, priv = { 0 };
	struct key_source want = { from_parts, &t }, own = { from_parts, &priv },
		pub = { from_parts, &k->pub };
	struct params none = { 0 };
	struct key *key;

	types(k, &t);
	must(mech_find(k->gen)->family->generate(mech_find(k->gen), &none, &want, &want, &k->pub, &priv));
	must(key_parse(CKO_PUBLIC_KEY, k->ckk, &pub, &k->key));
	must(key_parse(CKO_PRIVATE_KEY, k->ckk, &own, &key));
	k->signature = BUF_MAX(32768);
	must(run(k, VERB_SIGN, key, SLICE_NONE, &k->signature));
	must(run(k, VERB_VERIFY, k->key, buf_slice(&k->signature), NULL));
	key_free(key);
	parts_done(&t);
	parts_done(&priv);
}

static void ready(void)
{
	if (kinds[0].key != NULL)
		return;
	must(crypto_init());
	for (size_t i = 0; i < KINDS; i++)
		prepare(&kinds[i]);
}

/* A key that parses is used: its signature has to be wrong, or the key is the one it was. */
static void a_public_key(const struct kind *k, struct slice in)
{
	struct parts p = { 0 };
	struct key_source s = { from_parts, &p };
	struct key *key;

	must(parts_put(&p, CKA_VALUE, in));
	must(parts_put(&p, CKA_PARAMETER_SET, parts_get(&k->pub, CKA_PARAMETER_SET)));
	if (key_parse(CKO_PUBLIC_KEY, k->ckk, &s, &key) == HF_OK) {
		if (run(k, VERB_VERIFY, key, buf_slice(&k->signature), NULL) == HF_OK &&
		    !slice_eq(in, parts_get(&k->pub, CKA_VALUE)))
			abort();
		key_free(key);
	}
	parts_done(&p);
}

static void a_signature(const struct kind *k, struct slice in)
{
	if (run(k, VERB_VERIFY, k->key, in, NULL) == HF_OK && !slice_eq(in, buf_slice(&k->signature)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice in = { p + 1, n - 1 };

	ready();
	if (n == 0)
		return 0;
	if (p[0] % 2 == 0)
		a_public_key(&kinds[p[0] / 2 % KINDS], in);
	else
		a_signature(&kinds[p[0] / 2 % KINDS], in);
	return 0;
}

size_t fuzz_seed(size_t i, uint8_t *p, size_t max)
{
	const struct kind *k = &kinds[i / 2 % KINDS];
	struct slice s;

	ready();
	s = i % 2 == 0 ? parts_get(&k->pub, CKA_VALUE) : buf_slice(&k->signature);
	if (i >= 2 * KINDS || s.n + 1 > max)
		return 0;
	p[0] = (uint8_t)i;
	memcpy(p + 1, s.p, s.n);
	return s.n + 1;
}
