/* whole_cipher.c: modes that need all of the data at once: AES-XTS (SP 800-38E), and
 * CBC with ciphertext stealing, CS1 of SP 800-38A's addendum. */
#include <string.h>

#include <openssl/core_names.h>

#include "cipher.h"
#include "families.h"

#define XTS_MAX (16u << 20) /* SP 800-38E: a data unit has at most 2^20 blocks */

struct cipher_mode {
	const char *name; /* the row's argument */
	enum block_mode mode;
	size_t most;
};

static const struct cipher_mode modes[] = {
	{ "XTS", BLOCK_XTS, XTS_MAX },
	{ "CTS", BLOCK_CTS, GATHER_MAX },
};

static const struct cipher_mode *mode_of(const struct mech *m)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(modes[i].name, m->arg) == 0)
			return &modes[i];
	return NULL;
}

/* steal_as_cs1: OpenSSL has all three variants of ciphertext stealing. */
static enum hf_err steal_as_cs1(struct cipher *s)
{
	char name[] = OSSL_CIPHER_CTS_MODE_CS1;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_CIPHER_PARAM_CTS_MODE, name, 0),
		OSSL_PARAM_construct_end(),
	};

	OSSL_TRY(EVP_CIPHER_CTX_set_params(s->ctx, params), HF_E_INTERNAL);
	return HF_OK;
}

static enum hf_err begin(struct crypt *c)
{
	const struct cipher_mode *m = mode_of(c->mech);
	struct slice iv = c->params->u.iv.raw;
	struct cipher *s;
	enum hf_err e;

	if (iv.n != BLOCK_MAX)
		return HF_E_MECHANISM_PARAM;
	TRY(cipher_begin(c, m->mode, &s));
	s->mode = m;
	s->in.max = m->most;
	e = cipher_restart(s, iv.p);
	if (e == HF_OK && m->mode == BLOCK_CTS)
		e = steal_as_cs1(s);
	return e == HF_OK ? HF_OK : cipher_fail(c, e);
}

static enum hf_err update(struct crypt *c, struct slice in, struct buf *out)
{
	struct cipher *s = c->state;

	(void)out;
	return gather_more(&s->in, in);
}

static enum hf_err finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	struct cipher *s = c->state;

	(void)sig;
	TRY(gather_all(&s->in, in, &in));
	if (in.n < BLOCK_MAX || in.n > s->mode->most)
		return crypt_bad_len(c);
	return cipher_run(s, in, out);
}

static size_t bound(const struct crypt *c, size_t in, bool last)
{
	const struct cipher *s = c->state;

	return last ? s->in.n + in : 0;
}

const struct family family_whole_cipher = {
	.name = "whole_cipher",
	.begin = begin,
	.update = update,
	.finish = finish,
	.bound = bound,
	.end = cipher_end,
	.copy = cipher_copy,
};
