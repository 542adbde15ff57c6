/* lms.c: see lms.h. */
#include "lms.h"

#include <string.h>

/* Domain separation, RFC 8554 §7.1; the last three are indices that no chain has: of the
 * randomizer (SP 800-208 §6.1), and of the seed and the identifier of a tree below. */
#define D_PBLC 0x8080
#define D_MESG 0x8181
#define D_LEAF 0x8282
#define D_INTR 0x8383
#define I_RANDOMIZER 0xfffd
#define I_CHILD_SEED 0xfffe
#define I_CHILD_ID 0xffff

/* Input of a hash: I 16 | number 4 | index or domain 2 | step 1 | value */
#define AT_NUMBER LMS_ID
#define AT_INDEX (AT_NUMBER + 4)
#define AT_STEP (AT_INDEX + 2)
#define AT_VALUE (AT_STEP + 1)

#define LMS_SETS(first, hash, n)                                               \
	{ (first), hash, n, 5 }, { (first) + 1, hash, n, 10 }, { (first) + 2, hash, n, 15 }, \
	{ (first) + 3, hash, n, 20 }, { (first) + 4, hash, n, 25 }

/* RFC 8554 §5.1, RFC 9858 §3 */
static const struct lms_set lms_sets[] = {
	LMS_SETS(5, "SHA256", 32), LMS_SETS(10, "SHA256", 24),
	LMS_SETS(15, "SHAKE256", 32), LMS_SETS(20, "SHAKE256", 24),
};

#define LMOTS_32(first, hash)                                                  \
	{ (first), hash, 32, 1, 7, 265 }, { (first) + 1, hash, 32, 2, 6, 133 },    \
	{ (first) + 2, hash, 32, 4, 4, 67 }, { (first) + 3, hash, 32, 8, 0, 34 }
#define LMOTS_24(first, hash)                                                  \
	{ (first), hash, 24, 1, 8, 200 }, { (first) + 1, hash, 24, 2, 6, 101 },    \
	{ (first) + 2, hash, 24, 4, 4, 51 }, { (first) + 3, hash, 24, 8, 0, 26 }

/* RFC 8554 §4.1, RFC 9858 §4 */
static const struct lmots_set lmots_sets[] = {
	LMOTS_32(1, "SHA256"), LMOTS_24(5, "SHA256"), LMOTS_32(9, "SHAKE256"), LMOTS_24(13, "SHAKE256"),
};

const struct lms_set *lms_set_of(uint64_t type)
{
	for (size_t i = 0; i < sizeof(lms_sets) / sizeof(lms_sets[0]); i++)
		if (lms_sets[i].type == type)
			return &lms_sets[i];
	return NULL;
}

const struct lmots_set *lmots_set_of(uint64_t type)
{
	for (size_t i = 0; i < sizeof(lmots_sets) / sizeof(lmots_sets[0]); i++)
		if (lmots_sets[i].type == type)
			return &lmots_sets[i];
	return NULL;
}

bool lms_fits(const struct lms_set *lms, const struct lmots_set *ots)
{
	return lms != NULL && ots != NULL && lms->n == ots->n && strcmp(lms->hash, ots->hash) == 0;
}

size_t lms_signature_size(const struct hbs_level *l)
{
	return 4 + 4 + (size_t)l->ots->n * (1u + l->ots->p) + 4 + (size_t)l->lms->n * l->lms->height;
}

static const struct hbs_level *level_of(const struct hbs_work *w)
{
	return &w->k->level[w->level];
}

/* --- one-time signatures ----------------------------------------------------- */

static void address(struct hbs_work *w, uint32_t number, uint16_t index)
{
	memcpy(w->in, w->key, LMS_ID);
	put_u32(w->in + AT_NUMBER, number);
	put_u16(w->in + AT_INDEX, index);
}

/* The value that a chain is at stands where the next step of it reads it. */
static enum hf_err step(struct hbs_work *w, uint8_t j)
{
	struct slice in = { w->in, AT_VALUE + w->hash.n };

	w->in[AT_STEP] = j;
	return hbs_hash_do(&w->hash, &in, 1, w->in + AT_VALUE);
}

/* secret puts the start of chain i there (RFC 8554, appendix A). */
static enum hf_err secret(struct hbs_work *w, uint32_t q, uint16_t i)
{
	address(w, q, i);
	memcpy(w->in + AT_VALUE, w->key + LMS_ID, w->hash.n);
	return step(w, 0xff);
}

static enum hf_err chain(struct hbs_work *w, unsigned from, unsigned to)
{
	for (unsigned j = from; j < to; j++)
		TRY(step(w, (uint8_t)j));
	return HF_OK;
}

/* own_hash hashes what address says of the tree, and further parts. */
static enum hf_err own_hash(struct hbs_work *w, struct slice a, struct slice b, uint8_t *out)
{
	struct slice part[] = { { w->in, AT_STEP }, a, b };

	return hbs_hash_do(&w->hash, part, 3, out);
}

static unsigned digit(const uint8_t *s, unsigned i, unsigned bits)
{
	unsigned at = i * bits;

	return s[at / 8] >> (8 - bits - at % 8) & ((1u << bits) - 1);
}

/* checked_digest: Q and its checksum (RFC 8554 §4.4), n + 2 bytes. */
static enum hf_err checked_digest(struct hbs_work *w, uint32_t q, const uint8_t *c,
	struct slice message, uint8_t *out)
{
	const struct lmots_set *s = level_of(w)->ots;
	unsigned sum = 0, most = (1u << s->w) - 1;

	address(w, q, D_MESG);
	TRY(own_hash(w, (struct slice){ c, s->n }, message, out));
	for (unsigned i = 0; i < s->n * 8u / s->w; i++)
		sum += most - digit(out, i, s->w);
	put_u16(out + s->n, (uint16_t)(sum << s->ls));
	return HF_OK;
}

/* leaf_of hashes the one-time public key in w->ots into the leaf. */
static enum hf_err leaf_of(struct hbs_work *w, uint32_t q, uint8_t *out)
{
	const struct hbs_level *l = level_of(w);

	address(w, q, D_PBLC);
	TRY(own_hash(w, (struct slice){ w->ots, (size_t)l->ots->p * l->ots->n }, SLICE_NONE, out));
	address(w, (1u << l->lms->height) + q, D_LEAF);
	return own_hash(w, (struct slice){ out, w->hash.n }, SLICE_NONE, out);
}

enum hf_err lms_leaf(struct hbs_work *w, uint32_t at, uint8_t *out)
{
	const struct lmots_set *s = level_of(w)->ots;

	for (uint16_t i = 0; i < s->p; i++) {
		TRY(secret(w, at, i));
		TRY(chain(w, 0, (1u << s->w) - 1));
		memcpy(w->ots + (size_t)i * s->n, w->in + AT_VALUE, s->n);
	}
	return leaf_of(w, at, out);
}

enum hf_err lms_parent(struct hbs_work *w, unsigned height, uint64_t at, const uint8_t *two,
	uint8_t *out)
{
	address(w, (1u << (level_of(w)->lms->height - height)) + (uint32_t)at, D_INTR);
	return own_hash(w, (struct slice){ two, 2 * w->hash.n }, SLICE_NONE, out);
}

enum hf_err lms_child_key(struct hbs_work *w, uint32_t leaf, uint8_t key[HBS_TREE_KEY])
{
	TRY(secret(w, leaf, I_CHILD_ID));
	memcpy(key, w->in + AT_VALUE, LMS_ID);
	TRY(secret(w, leaf, I_CHILD_SEED));
	memcpy(key + LMS_ID, w->in + AT_VALUE, w->hash.n);
	return HF_OK;
}

/* --- signatures -------------------------------------------------------------- */

/*  q 4 | one-time type 4 | C n | y p * n | tree type 4 | path height * n  */
enum hf_err lms_sign(struct hbs_work *w, const struct hbs_leaf *by, struct slice message,
	struct buf *out)
{
	const struct hbs_level *l = level_of(w);
	uint8_t c[HBS_N_MAX], digest[HBS_N_MAX + 2];

	TRY(secret(w, by->at, I_RANDOMIZER));
	memcpy(c, w->in + AT_VALUE, l->ots->n);
	TRY(checked_digest(w, by->at, c, message, digest));
	buf_u32(out, by->at);
	buf_u32(out, l->ots->type);
	buf_raw(out, (struct slice){ c, l->ots->n });
	for (uint16_t i = 0; i < l->ots->p; i++) {
		TRY(secret(w, by->at, i));
		TRY(chain(w, 0, digit(digest, i, l->ots->w)));
		buf_raw(out, (struct slice){ w->in + AT_VALUE, l->ots->n });
	}
	buf_u32(out, l->lms->type);
	buf_raw(out, (struct slice){ by->path, (size_t)l->lms->n * l->lms->height });
	return buf_err(out);
}

void lms_public(const struct hbs_level *l, const uint8_t *id, const uint8_t *root, struct buf *out)
{
	buf_u32(out, l->lms->type);
	buf_u32(out, l->ots->type);
	buf_raw(out, (struct slice){ id, LMS_ID });
	buf_raw(out, (struct slice){ root, l->lms->n });
}

bool lms_take(struct rd *r, const struct hbs_level *l, struct lms_signature *ret)
{
	uint32_t ots, lms;

	return rd_u32(r, &ret->leaf.at) && rd_u32(r, &ots) && ots == l->ots->type &&
		rd_take(r, l->ots->n, &ret->c) && rd_take(r, (size_t)l->ots->n * l->ots->p, &ret->y) &&
		rd_u32(r, &lms) && lms == l->lms->type &&
		rd_take(r, (size_t)l->lms->n * l->lms->height, &ret->leaf.path) &&
		ret->leaf.at >> l->lms->height == 0;
}

enum hf_err lms_verify(struct hbs_work *w, const struct lms_signature *s, struct slice message,
	const uint8_t *root)
{
	const struct hbs_level *l = level_of(w);
	uint8_t digest[HBS_N_MAX + 2], value[HBS_N_MAX], made[HBS_N_MAX];

	TRY(checked_digest(w, s->leaf.at, s->c, message, digest));
	for (uint16_t i = 0; i < l->ots->p; i++) {
		address(w, s->leaf.at, i);
		memcpy(w->in + AT_VALUE, s->y + (size_t)i * l->ots->n, l->ots->n);
		TRY(chain(w, digit(digest, i, l->ots->w), (1u << l->ots->w) - 1));
		memcpy(w->ots + (size_t)i * l->ots->n, w->in + AT_VALUE, l->ots->n);
	}
	TRY(leaf_of(w, s->leaf.at, value));
	TRY(hbs_root(w, l->lms->height, &s->leaf, value, made));
	return slice_eq((struct slice){ made, l->lms->n }, (struct slice){ root, l->lms->n }) ? HF_OK :
		HF_E_SIGNATURE;
}
