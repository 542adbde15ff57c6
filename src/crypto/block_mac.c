/* block_mac.c: MACs that are the last block of a CBC encryption: CBC-MAC (FIPS 113)
 * of any block cipher, and AES-XCBC-MAC (RFC 3566). */
#include <string.h>

#include "ciphers.h"
#include "families.h"
#include "mac.h"

#define PIECE 4096

struct mac_kind {
	const char *name; /* the row's argument */
	bool xcbc;
	size_t n; /* bytes of the code; 0: half a block (PKCS#11 3.2 §6.10.8) */
};

static const struct mac_kind kinds[] = {
	{ "CBC-MAC", false, 0 },
	{ "XCBC", true, 16 },
	{ "XCBC-96", true, 12 },
};

struct block_mac {
	struct kept kept;
	EVP_CIPHER_CTX *cbc;
	size_t block, n;
	bool xcbc;
	uint8_t mask[2][BLOCK_MAX]; /* XCBC's K2 and K3, for a last block whole and filled */
	size_t held;
	uint8_t last[BLOCK_MAX]; /* of the data, up to a block */
	uint8_t code[BLOCK_MAX]; /* of the ciphertext */
};

static const struct mac_kind *kind_of(const struct mech *m)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, m->arg) == 0)
			return &kinds[i];
	return NULL;
}

static void drop(struct kept *k)
{
	struct block_mac *s = (struct block_mac *)k;

	EVP_CIPHER_CTX_free(s->cbc);
	secret_free(s);
}

/* xcbc_keys: K1, K2 and K3 encrypt blocks of ones, twos and threes. */
static enum hf_err xcbc_keys(struct block_mac *s, struct slice key, uint8_t k1[BLOCK_MAX])
{
	CLEANUP(EVP_CIPHER_CTX_free_p) EVP_CIPHER_CTX *ecb = EVP_CIPHER_CTX_new();
	uint8_t *const to[] = { k1, s->mask[0], s->mask[1] };
	uint8_t from[BLOCK_MAX];
	int n;

	if (ecb == NULL)
		return ossl_err(HF_E_MEMORY);
	OSSL_TRY(EVP_EncryptInit_ex2(ecb, cipher_find(CKK_AES, key.n, BLOCK_ECB), key.p, NULL, NULL),
		HF_E_INTERNAL);
	for (int i = 0; i < 3; i++) {
		memset(from, i + 1, sizeof(from));
		OSSL_TRY(EVP_EncryptUpdate(ecb, to[i], &n, from, sizeof(from)), HF_E_INTERNAL);
	}
	return HF_OK;
}

static enum hf_err set_key(struct block_mac *s, const struct crypt *c)
{
	const struct key *k = c->key;
	uint8_t room[BLOCK_KEY_MAX];
	struct slice key = block_key(k->ckk, secret_slice(&k->value), room);
	enum hf_err e = HF_OK;

	if (s->xcbc) {
		e = xcbc_keys(s, key, room);
		key = (struct slice){ room, BLOCK_MAX };
	}
	if (e == HF_OK && EVP_EncryptInit_ex2(s->cbc, cipher_find(k->ckk, k->value.n, BLOCK_CBC),
				  key.p, NULL, NULL) != 1)
		e = ossl_err(HF_E_INTERNAL);
	secret_wipe(room, sizeof(room));
	return e;
}

static enum hf_err setup(struct block_mac *s, const struct crypt *c, bool fresh)
{
	static const uint8_t zeros[BLOCK_MAX];

	if (fresh) {
		s->cbc = EVP_CIPHER_CTX_new();
		if (s->cbc == NULL)
			return ossl_err(HF_E_MEMORY);
		TRY(set_key(s, c));
	}
	OSSL_TRY(EVP_EncryptInit_ex2(s->cbc, NULL, NULL, zeros, NULL), HF_E_INTERNAL);
	OSSL_TRY(EVP_CIPHER_CTX_set_padding(s->cbc, 0), HF_E_INTERNAL);
	return HF_OK;
}

static enum hf_err begin(struct crypt *c)
{
	const struct mac_kind *kind = kind_of(c->mech);
	size_t block = cipher_block(c->key->ckk), n;
	struct block_mac *s;
	enum hf_err e;
	bool fresh;

	TRY(mac_length(c, kind->n != 0 ? kind->n : block / 2, block, &n));
	TRY(kept_begin(c, sizeof(*s), drop, &fresh));
	s = c->state;
	s->block = block;
	s->n = n;
	s->held = 0;
	s->xcbc = kind->xcbc;
	e = setup(s, c, fresh);
	if (e != HF_OK) {
		c->state = NULL;
		drop(&s->kept);
	}
	return e;
}

/* absorb encrypts whole blocks. */
static enum hf_err absorb(struct block_mac *s, const uint8_t *p, size_t n)
{
	uint8_t out[PIECE];
	int got = 0;

	for (size_t step; n > 0; p += step, n -= step) {
		step = n < PIECE ? n : PIECE;
		OSSL_TRY(EVP_EncryptUpdate(s->cbc, out, &got, p, (int)step), HF_E_INTERNAL);
		memcpy(s->code, out + step - s->block, s->block);
	}
	secret_wipe(out, (size_t)got); /* the ends of shorter messages' codes */
	return HF_OK;
}

static enum hf_err update(struct crypt *c, struct slice in, struct buf *out)
{
	struct block_mac *s = c->state;
	size_t n = s->block - s->held < in.n ? s->block - s->held : in.n;

	(void)out;
	if (n > 0)
		memcpy(s->last + s->held, in.p, n);
	s->held += n;
	if (n == in.n)
		return HF_OK;
	TRY(absorb(s, s->last, s->block));
	in = (struct slice){ in.p + n, in.n - n };
	n = (in.n - 1) / s->block * s->block; /* the last block stays */
	TRY(absorb(s, in.p, n));
	s->held = in.n - n;
	memcpy(s->last, in.p + n, s->held);
	return HF_OK;
}

/* fill ends the data: CBC-MAC with zeros, XCBC with a one and zeros and a mask. */
static void fill(struct block_mac *s)
{
	const uint8_t *mask = s->mask[s->held < s->block];

	memset(s->last + s->held, 0, s->block - s->held);
	if (!s->xcbc)
		return;
	if (s->held < s->block)
		s->last[s->held] = 0x80;
	for (size_t i = 0; i < s->block; i++)
		s->last[i] ^= mask[i];
}

static enum hf_err finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	struct block_mac *s = c->state;
	enum hf_err e;

	TRY(update(c, in, out));
	if (s->held == 0 && !s->xcbc)
		return HF_E_DATA_LEN; /* FIPS 113 has no code of nothing */
	fill(s);
	TRY(absorb(s, s->last, s->block));
	e = mac_answer(c, (struct slice){ s->code, s->n }, sig, out);
	secret_wipe(s->code, sizeof(s->code));
	secret_wipe(s->last, sizeof(s->last));
	return e;
}

static enum hf_err copy(const struct crypt *from, struct crypt *to)
{
	const struct block_mac *f = from->state;
	struct block_mac *t = to->state;

	OSSL_TRY(EVP_CIPHER_CTX_copy(t->cbc, f->cbc), HF_E_INTERNAL);
	t->held = f->held;
	memcpy(t->last, f->last, sizeof(t->last));
	memcpy(t->code, f->code, sizeof(t->code));
	return HF_OK;
}

static size_t bound(const struct crypt *c, size_t in, bool last)
{
	const struct block_mac *s = c->state;

	(void)in;
	return last && c->verb == VERB_SIGN ? s->n : 0;
}

const struct family family_block_mac = {
	.name = "block_mac",
	.begin = begin,
	.update = update,
	.finish = finish,
	.bound = bound,
	.end = kept_end,
	.copy = copy,
};
