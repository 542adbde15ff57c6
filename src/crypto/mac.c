/* mac.c: see mac.h. */
#include "ciphers.h"
#include "mac.h"

static void drop(struct kept *k)
{
	struct mac *s = (struct mac *)k;

	EVP_MAC_CTX_free(s->ctx);
	secret_free(s);
}

static enum hf_err start(struct mac *s, const struct crypt *c, EVP_MAC *mac,
	const OSSL_PARAM params[])
{
	uint8_t room[BLOCK_KEY_MAX];
	struct slice key;
	int ok;

	if (s->ctx != NULL) { /* the key is in it already */
		OSSL_TRY(EVP_MAC_init(s->ctx, NULL, 0, NULL), HF_E_INTERNAL);
		return HF_OK;
	}
	s->ctx = EVP_MAC_CTX_new(mac);
	if (s->ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	key = block_key(c->key->ckk, secret_slice(&c->key->value), room);
	ok = EVP_MAC_init(s->ctx, key.p, key.n, params);
	secret_wipe(room, sizeof(room));
	OSSL_TRY(ok, HF_E_INTERNAL);
	return HF_OK;
}

enum hf_err mac_length(const struct crypt *c, size_t otherwise, size_t full, size_t *ret)
{
	uint64_t n = otherwise;

	if (c->mech->param == PARAM_MAC_LEN)
		n = c->params->u.mac_len.value;
	if (n == 0 || n > full)
		return HF_E_MECHANISM_PARAM;
	*ret = (size_t)n;
	return HF_OK;
}

enum hf_err mac_begin(struct crypt *c, EVP_MAC *mac, const OSSL_PARAM params[], size_t full)
{
	struct mac *s;
	enum hf_err e;
	bool fresh;
	size_t n;

	TRY(mac_length(c, full, full, &n));
	TRY(kept_begin(c, sizeof(*s), drop, &fresh));
	s = c->state;
	if (s->full != full) { /* SHA-512/t of another t */
		EVP_MAC_CTX_free(s->ctx);
		s->ctx = NULL;
	}
	s->full = full;
	s->n = n;
	e = start(s, c, mac, params);
	if (e != HF_OK) {
		c->state = NULL;
		drop(&s->kept);
	}
	return e;
}

enum hf_err mac_update(struct crypt *c, struct slice in, struct buf *out)
{
	struct mac *s = c->state;

	(void)out;
	OSSL_TRY(EVP_MAC_update(s->ctx, in.p, in.n), HF_E_INTERNAL);
	return HF_OK;
}

enum hf_err mac_copy(const struct crypt *from, struct crypt *to)
{
	const struct mac *f = from->state;
	struct mac *t = to->state;
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(f->ctx);

	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	EVP_MAC_CTX_free(t->ctx);
	t->ctx = ctx;
	return HF_OK;
}

enum hf_err mac_answer(const struct crypt *c, struct slice code, struct slice sig, struct buf *out)
{
	if (c->verb == VERB_SIGN) {
		buf_raw(out, code);
		return buf_err(out);
	}
	if (sig.n != code.n)
		return HF_E_SIGNATURE_LEN;
	return secret_eq(code, sig) ? HF_OK : HF_E_SIGNATURE;
}

enum hf_err mac_finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	struct mac *s = c->state;
	uint8_t code[EVP_MAX_MD_SIZE];
	enum hf_err e;
	size_t n;

	OSSL_TRY(EVP_MAC_update(s->ctx, in.p, in.n), HF_E_INTERNAL);
	OSSL_TRY(EVP_MAC_final(s->ctx, code, &n, sizeof(code)), HF_E_INTERNAL);
	if (n != s->full)
		return HF_E_INTERNAL;
	e = mac_answer(c, (struct slice){ code, s->n }, sig, out);
	secret_wipe(code, sizeof(code)); /* the right code of a forged message */
	return e;
}

size_t mac_bound(const struct crypt *c, size_t in, bool last)
{
	const struct mac *s = c->state;

	(void)in;
	return last && c->verb == VERB_SIGN ? s->n : 0;
}
