/* op_int.h: what the files of the engine share. */
#ifndef HF_OP_INT_H
#define HF_OP_INT_H

#include "op.h"

/* struct op is one running operation of a session, or a process of many messages. */
struct op {
	struct crypt crypt;
	struct params params; /* views into param, or into message */
	struct secret param;
	struct object *key;   /* NULL: a digest */
	bool begun;           /* the family holds state */
	bool fed;             /* an update went through */
	bool gathers;         /* data waits in gathered for the end */
	bool finished;        /* the result waits in stash to be fetched */
	bool wants_login, authenticated;
	uint32_t use;         /* op_sorts' */
	bool use_waits;       /* the key's own PIN was missing: guard_begin comes with the data */
	bool bound;           /* the guard approves named data: guard_use comes at the end (op_bound.c), */
	bool paid;            /* and came, for data of this digest, whose result had no room: */
	uint8_t paid_for[CRYPTO_HASH];
	struct crypt digest;  /* SHA-256 of what was fed, if bound */
	struct buf gathered;
	struct secret expected; /* a signature that came with the init */
	struct secret stash;
	bool in_message;      /* one is under way */
	size_t tag;           /* bytes of its tag; 0: it has none */
	struct secret message; /* its parameter and additional data */
};

struct op_sort {
	uint32_t use; /* as mech_check's */
	enum verb verb;
	bool varies;  /* the result may be shorter than its bound */
};
extern const struct op_sort op_sorts[OPK_COUNT];

static inline bool op_is_message(enum op_kind k)
{
	return (op_sorts[k].use & USE_MESSAGE) != 0;
}

enum hf_err op_start(struct op *op) HF_MUST_CHECK;
void op_end(struct op *op);
/* op_usable: may the operation take this step, in what is left of the login? */
enum hf_err op_usable(struct calls_ctx *c, struct op *op, enum op_step s) HF_MUST_CHECK;
/* op_bound_*: an operation with a key whose guard approves named data. It takes parts of them, gives
 * nothing out before the end, and uses the key there. op_first_use: as far as it can be told before the
 * data; HF_E_KEY_GUARDED: op.use_waits. */
enum hf_err op_first_use(struct calls_ctx *c, struct op *op) HF_MUST_CHECK;
enum hf_err op_bound_feed(struct op *op, struct slice in) HF_MUST_CHECK;
enum hf_err op_bound_use(struct calls_ctx *c, struct op *op, struct slice in) HF_MUST_CHECK;
void op_bound_end(struct op *op);

/* op_feed takes a part of the data. */
enum hf_err op_feed(struct op *op, struct slice in, struct buf *out) HF_MUST_CHECK;

/* op_copy makes a second one of an operation, as far as it has come.
 * HF_E_STATE_UNSAVEABLE: its family cannot, or what it gathered is too much. */
enum hf_err op_copy(const struct op *from, struct op **ret) HF_MUST_CHECK;

/* message_first makes of an op that mech_may agreed to a process of messages. */
enum hf_err message_first(enum op_kind k, struct op *op) HF_MUST_CHECK;

#endif
