/* op.h: the engine for all operations of a session. */
#ifndef HF_OP_H
#define HF_OP_H

#include "module.h"
#include "object.h"

/* mech_check is the one check of every use of a mechanism: row, operation bit,
 * key type and size, CKA_<use>, CKA_ALLOWED_MECHANISMS, dates, policy, and the
 * decoded parameter. use: the CKF_ bit; key NULL where there is none. params
 * point into in.param. */
struct mech_use {
	const struct mech *mech;
	struct params params;
	const struct key *key;
};
enum hf_err mech_check(struct calls_ctx *c, const struct mech_in *in, uint32_t use,
	struct object *key, struct mech_use *ret) HF_MUST_CHECK;

struct op;
void op_free(struct op *op); /* NULL-safe */

/* op_data is the body of every single-part, update and final call. */
enum op_step { OP_SINGLE, OP_UPDATE, OP_FINAL };
struct op_io {
	struct slice in, signature;
	uint32_t max;
	uint32_t *ret_need;
	struct slice *ret_out; /* NULL for a call without output */
};
enum hf_err op_begin(struct calls_ctx *c, enum op_kind k, const struct mech_in *m, uint64_t key)
	HF_MUST_CHECK;
enum hf_err op_data(struct calls_ctx *c, enum op_kind k, enum op_step s, const struct op_io *io)
	HF_MUST_CHECK;
void op_cancel(struct session *s, enum op_kind k);

#endif
