/* hbs.h: what the stateful hash-based signatures share (RFC 8554, RFC 8391, SP 800-208):
 * a hash that is called millions of times, and levels of trees whose leaves are
 * one-time keys. Level 0 is the topmost; a leaf of it signs the root of the tree
 * below it, a leaf of the lowest level a message.
 *
 * Everything of a key follows from its seeds and the number of the signature, so
 * that a number which is never given out twice is all the state there is. Who
 * counts, and how that survives, is not known here (src/hsm/onetime.h). */
#ifndef HF_HBS_H
#define HF_HBS_H

#include "family.h"
#include "lock.h"

#define HBS_N_MAX 64         /* bytes of a node */
#define HBS_LEVELS_MAX 12
#define HBS_TOTAL_MAX 62     /* height of all levels together */
#define HBS_OTS_MAX 8480     /* bytes of the longest one-time public key */
#define HBS_TREE_KEY 64      /* bytes that a tree may have of its own */
#define HBS_STORED_LOG 11    /* of a tree so many levels of nodes are kept; what is
                              * below, a part of the leaves at a time */

struct hbs;
struct lms_set;
struct lmots_set;
struct xmss_set;

/* struct hbs_hash: a hash with output of n bytes, and where it works. */
struct hbs_hash {
	EVP_MD_CTX *ctx;
	const EVP_MD *md;
	size_t n;
	uint8_t whole[EVP_MAX_MD_SIZE]; /* where it is cut */
};
/* hbs_hash_set chooses the function: "SHA256", "SHA512", "SHAKE128", "SHAKE256". */
enum hf_err hbs_hash_set(struct hbs_hash *h, const char *name, size_t n) HF_MUST_CHECK;
enum hf_err hbs_hash_do(struct hbs_hash *h, const struct slice part[], size_t parts, uint8_t *out)
	HF_MUST_CHECK;

/* struct hbs_work: one thread's place of work, and the tree that it works in. */
struct hbs_work {
	const struct hbs *k;
	unsigned level;
	uint64_t tree;               /* which of its level, from the left */
	uint8_t key[HBS_TREE_KEY];   /* the tree's own (LMS: I, SEED) */
	struct hbs_hash hash;
	uint8_t in[4 * HBS_N_MAX];   /* a hash's input */
	uint8_t ots[HBS_OTS_MAX];    /* a one-time public key */
};
enum hf_err hbs_work_new(const struct hbs *k, struct hbs_work **ret) HF_MUST_CHECK;
void hbs_work_free(struct hbs_work *w); /* wipes; NULL-safe */
static inline void hbs_work_free_p(struct hbs_work **w)
{
	hbs_work_free(*w);
}

/* struct hbs_leaf: a leaf of the tree that w works in, and its path to the root. */
struct hbs_leaf {
	uint32_t at;
	const uint8_t *path;
};

/* struct hbs_child: a tree of the level below, to be signed. */
struct hbs_child {
	const uint8_t *key, *root;
};

struct hbs_scheme {
	/* child_key makes the key of the tree under that leaf; NULL: trees have none. */
	enum hf_err (*child_key)(struct hbs_work *w, uint32_t leaf, uint8_t key[HBS_TREE_KEY]);
	enum hf_err (*leaf)(struct hbs_work *w, uint32_t at, uint8_t *out);
	/* parent of two nodes, one behind the other; height and place are the parent's. */
	enum hf_err (*parent)(struct hbs_work *w, unsigned height, uint64_t at, const uint8_t *two,
		uint8_t *out);
	/* certify appends what a signature says of a lower tree. */
	enum hf_err (*certify)(struct hbs_work *w, const struct hbs_leaf *by,
		const struct hbs_child *child, struct buf *out);
	void (*root_key)(const struct hbs *k, uint8_t key[HBS_TREE_KEY]);
};

/* struct hbs_tree: a tree in use. */
struct hbs_tree {
	bool ready;
	uint64_t at, used;
	uint8_t key[HBS_TREE_KEY];
	uint8_t *top;    /* the nodes from height low on, as a heap: 1 is the root */
	uint8_t *sub;    /* those under one of the lowest of them, likewise */
	uint64_t sub_at; /* which; UINT64_MAX: none yet */
	struct buf cert; /* what the level above says of it */
};
#define HBS_TREES 2 /* of a level in use: threads that are a little behind want the older one */

struct hbs_level {
	unsigned height;
	const struct lms_set *lms;     /* HSS */
	const struct lmots_set *ots;
};

/* struct hbs: a parsed key. */
struct hbs {
	const struct hbs_scheme *scheme;
	const char *hash;             /* level 0's; a private key's of all levels */
	size_t n;
	unsigned levels, total;       /* total: height of all together */
	struct hbs_level level[HBS_LEVELS_MAX];
	const struct xmss_set *xmss;  /* XMSS */
	size_t signature;             /* bytes */
	struct secret pub;            /* as CKA_VALUE of the public key */
	struct secret seeds;          /* private: as the scheme has them */
	struct secret stored;         /* private: level 0's lowest nodes that are kept */
	struct mutex lock;            /* what follows */
	uint64_t clock;
	struct hbs_tree tree[HBS_LEVELS_MAX][HBS_TREES];
};
enum hf_err hbs_new(const struct hbs_scheme *scheme, struct hbs **ret) HF_MUST_CHECK;
void hbs_free(struct hbs *k); /* wipes; NULL-safe */
static inline void hbs_free_p(struct hbs **k)
{
	hbs_free(*k);
}

/* hbs_levels_done computes total from the levels. False: taller than can be counted. */
bool hbs_levels_done(struct hbs *k);
/* hbs_stored_size: bytes of `stored`. */
size_t hbs_stored_size(const struct hbs *k);
/* hbs_grow builds the top tree of a new key: fills stored and the root. Slow. */
enum hf_err hbs_grow(struct hbs *k, uint8_t *ret_root) HF_MUST_CHECK;

/* struct hbs_ticket: what a signature consists of besides the message's own. */
struct hbs_ticket {
	uint32_t leaf;                     /* of the lowest tree */
	struct buf cert[HBS_LEVELS_MAX];   /* [i]: about the tree at level i; [0] empty */
	struct buf path;
};
void hbs_ticket_done(struct hbs_ticket *t);
/* hbs_prepare finds out all that signature number `index` needs, building trees that are
 * not there yet, and leaves w in the lowest of them. */
enum hf_err hbs_prepare(struct hbs *k, struct hbs_work *w, uint64_t index, struct hbs_ticket *ret)
	HF_MUST_CHECK;

/* hbs_root computes the root that a leaf's value and its path lead to. */
enum hf_err hbs_root(struct hbs_work *w, unsigned height, const struct hbs_leaf *l,
	const uint8_t *value, uint8_t *out) HF_MUST_CHECK;

/* hbs_take_leaf: the number that the engine took for this signature, once. */
enum hf_err hbs_take_leaf(struct crypt *c, uint64_t *ret) HF_MUST_CHECK;
/* Those members of a family that are the same. */
enum hf_err hbs_begin(struct crypt *c);
/* hbs_sign does what sign does; after an error nothing of the signature is in out. */
enum hf_err hbs_sign(struct crypt *c, enum hf_err (*sign)(struct crypt *c, struct slice in, struct buf *out),
	struct slice in, struct buf *out) HF_MUST_CHECK;
size_t hbs_bound(const struct crypt *c, size_t in, bool last);
void hbs_end(struct crypt *c);

#endif
