/* lms.h: Leighton-Micali signatures, one tree of them (RFC 8554 §4, §5; SP 800-208 §4). */
#ifndef HF_LMS_H
#define HF_LMS_H

#include "hbs.h"

#define LMS_ID 16 /* bytes of I */

struct lms_set {
	uint32_t type;
	const char *hash;
	uint8_t n, height;
};

/* p: one-time chains; ls: what the checksum is shifted by (RFC 8554, appendix B). */
struct lmots_set {
	uint32_t type;
	const char *hash;
	uint8_t n, w, ls;
	uint16_t p;
};

/* NULL: none of that number. */
const struct lms_set *lms_set_of(uint64_t type);
const struct lmots_set *lmots_set_of(uint64_t type);
/* lms_fits: the two go together (SP 800-208 §4: the same hash and length). */
bool lms_fits(const struct lms_set *lms, const struct lmots_set *ots);
size_t lms_signature_size(const struct hbs_level *l);
#define LMS_PUBLIC_MOST (8 + LMS_ID + 32)
static inline size_t lms_public_size(const struct hbs_level *l)
{
	return 8 + LMS_ID + l->lms->n;
}

/* What follows works in the tree at w's level, whose key is I | SEED (verifying: I). */
enum hf_err lms_leaf(struct hbs_work *w, uint32_t at, uint8_t *out) HF_MUST_CHECK;
enum hf_err lms_parent(struct hbs_work *w, unsigned height, uint64_t at, const uint8_t *two,
	uint8_t *out) HF_MUST_CHECK;
/* lms_child_key derives I and SEED of the tree under a leaf; lms_sign appends a signature. */
enum hf_err lms_child_key(struct hbs_work *w, uint32_t leaf, uint8_t key[HBS_TREE_KEY]) HF_MUST_CHECK;
enum hf_err lms_sign(struct hbs_work *w, const struct hbs_leaf *by, struct slice message,
	struct buf *out) HF_MUST_CHECK;
/* lms_public appends the public key of a tree of that level. */
void lms_public(const struct hbs_level *l, const uint8_t *id, const uint8_t *root, struct buf *out);

struct lms_signature {
	struct hbs_leaf leaf;
	const uint8_t *c, *y;
};
/* lms_take reads a signature of that level's types; false: it is none. */
bool lms_take(struct rd *r, const struct hbs_level *l, struct lms_signature *ret);
enum hf_err lms_verify(struct hbs_work *w, const struct lms_signature *s, struct slice message,
	const uint8_t *root) HF_MUST_CHECK;

#endif
