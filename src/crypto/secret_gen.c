/* secret_gen.c: random secret keys. The row's key type says which. */
#include "families.h"
#include "family.h"

#include "crypto.h"

static enum hf_err generate(const struct mech *m, const struct params *p,
	const struct key_source *pub_tmpl, const struct key_source *tmpl, struct parts *pub,
	struct parts *priv)
{
	CLEANUP(secret_done) struct secret v = { 0 };
	uint64_t n;

	(void)p;
	(void)pub_tmpl;
	(void)pub;
	n = key_only_size(m->key);
	if (n == 0 || source_has(tmpl, CKA_VALUE_LEN))
		TRY(source_u64(tmpl, CKA_VALUE_LEN, &n));
	if (n < m->min || n > m->max || !secret_size_ok(m->key, (size_t)n))
		return HF_E_ATTR_VALUE;
	TRY(secret_alloc(&v, (size_t)n));
	TRY(crypto_random(v.p, v.n));
	TRY(key_fit(m->key, &v));
	TRY(parts_put(priv, CKA_VALUE, secret_slice(&v)));
	return secret_output(m->key, secret_slice(&v), priv);
}

const struct family family_secret_gen = { .name = "secret_gen", .generate = generate };
