/* rsa_aes_wrap.c: keys of any length under RSA (PKCS#11 3.2 §6.1.21): a fresh AES
 * key under RSA-OAEP, and the key under that with AES-KWP.
 *
 *   OAEP(aes key), as long as the modulus | KWP(key)
 */
#include "crypto.h"
#include "families.h"
#include "rsa.h"

#define KWP_EXTRA 16 /* the integrity block and up to 7 bytes of filling */

static struct params oaep_params(const struct params *p)
{
	const struct param_rsa_aes_wrap *w = &p->u.rsa_aes_wrap;

	return (struct params){
		.id = PARAM_RSA_OAEP,
		.present = true,
		.u.rsa_oaep = { w->hash, w->mgf, w->source, w->label },
	};
}

static enum hf_err once(struct crypt c, struct slice in, struct buf *out)
{
	const struct family *f = c.mech->family;
	enum hf_err e = f->begin(&c);

	if (e == HF_OK)
		e = f->finish(&c, in, SLICE_NONE, out);
	f->end(&c);
	return e;
}

static enum hf_err rsa_once(const struct crypt *c, struct slice in, struct buf *out)
{
	struct params p = oaep_params(c->params);

	return once((struct crypt){ mech_find(CKM_RSA_PKCS_OAEP), c->verb, c->key, &p, NULL }, in,
		out);
}

static struct slice value_only(const void *ctx, uint32_t cka)
{
	return cka == CKA_VALUE ? *(const struct slice *)ctx : SLICE_NONE;
}

enum hf_err kwp_once(const struct crypt *c, struct slice value, struct slice in,
	struct buf *out)
{
	struct params p = { .id = PARAM_IV_OPTIONAL };
	struct key_source s = { value_only, &value };
	struct key *k = NULL;
	enum hf_err e = key_parse(CKO_SECRET_KEY, CKK_AES, &s, &k);

	if (e == HF_OK)
		e = once((struct crypt){ mech_find(CKM_AES_KEY_WRAP_KWP), c->verb, k, &p, NULL }, in,
			out);
	key_free(k);
	return e;
}

/* begin tries the OAEP parameters out. */
static enum hf_err begin(struct crypt *c)
{
	uint64_t bits = c->params->u.rsa_aes_wrap.aes_bits;
	struct params p = oaep_params(c->params);
	struct crypt oaep = { mech_find(CKM_RSA_PKCS_OAEP), c->verb, c->key, &p, NULL };
	enum hf_err e;

	if (bits != 128 && bits != 192 && bits != 256)
		return HF_E_MECHANISM_PARAM;
	e = oaep.mech->family->begin(&oaep);
	oaep.mech->family->end(&oaep);
	return e;
}

static enum hf_err wrap(const struct crypt *c, struct slice in, struct buf *out)
{
	CLEANUP(secret_done) struct secret k = { 0 };

	TRY(secret_alloc(&k, (size_t)c->params->u.rsa_aes_wrap.aes_bits / 8));
	TRY(crypto_random(k.p, k.n));
	TRY(rsa_once(c, secret_slice(&k), out));
	return kwp_once(c, secret_slice(&k), in, out);
}

static enum hf_err unwrap(const struct crypt *c, struct slice in, struct buf *out)
{
	CLEANUP(buf_done) struct buf k = BUF_MAX(rsa_bytes(c->key));
	size_t n = rsa_bytes(c->key);

	if (in.n < n + KWP_EXTRA)
		return HF_E_WRAPPED_KEY_LEN;
	TRY(rsa_once(c, (struct slice){ in.p, n }, &k));
	if (k.n * 8 != c->params->u.rsa_aes_wrap.aes_bits)
		return HF_E_WRAPPED_KEY;
	return kwp_once(c, buf_slice(&k), (struct slice){ in.p + n, in.n - n }, out);
}

static enum hf_err finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	size_t before = out->n;
	enum hf_err e;

	(void)sig;
	e = crypt_encrypts(c) ? wrap(c, in, out) : unwrap(c, in, out);
	if (e != HF_OK)
		buf_cut(out, before);
	return e;
}

static size_t bound(const struct crypt *c, size_t in, bool last)
{
	size_t n = rsa_bytes(c->key);

	if (!last)
		return 0;
	if (crypt_encrypts(c))
		return n + (in + 7) / 8 * 8 + 8;
	return in < n ? 0 : in - n;
}

static void end(struct crypt *c)
{
	(void)c;
}

const struct family family_rsa_aes_wrap = {
	.name = "rsa_aes_wrap",
	.begin = begin,
	.finish = finish,
	.bound = bound,
	.end = end,
};
