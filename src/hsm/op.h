/* op.h: the engine for all operations of a session. */
#ifndef HF_OP_H
#define HF_OP_H

#include "module.h"
#include "object.h"

/* mech_check is the one check of every use of a mechanism: row, operation bit,
 * key type and size, CKA_<use>, CKA_ALLOWED_MECHANISMS, dates, policy, and the
 * decoded parameter. use: the CKF_ bit; key NULL where there is none. params
 * point into in.param. It puts mechanism and key into the call's audit record. */
struct mech_use {
	const struct mech *mech;
	struct params params;
	const struct key *key;
};
enum hf_err mech_check(struct calls_ctx *c, const struct mech_in *in, uint32_t use,
	struct object *key, struct mech_use *ret) HF_MUST_CHECK;
/* mech_may is mech_check that does not count the use (guard.h). */
enum hf_err mech_may(struct calls_ctx *c, const struct mech_in *in, uint32_t use,
	struct object *key, struct mech_use *ret) HF_MUST_CHECK;
/* With this bit in use, in.param of a cipher is that of a message (aead_message.h). */
#define USE_MESSAGE 0x80000000u

/* mech_lets is the part of it that holds for keys besides the one of the operation,
 * too: CKA_ALLOWED_MECHANISMS, dates, policy. */
enum hf_err mech_lets(struct calls_ctx *c, const struct mech *m, uint32_t use,
	const struct object *key) HF_MUST_CHECK;

/* mech_ops: the CKF_ bits of a row that its family has functions for and that
 * the partition allows, those of messages too; 0: none. */
uint32_t mech_ops(const struct partition *p, const struct mech *m);

struct op;
void op_free(struct op *op); /* NULL-safe */

/* op_data is the body of every single-part, update and final call. */
enum op_step { OP_SINGLE, OP_UPDATE, OP_FINAL };
struct op_io {
	struct slice in, signature;
	uint32_t max;
	uint32_t *ret_need;
	struct slice *ret_out; /* NULL for a call without output */
	bool in_sight;         /* op_data's: the client may see and change in, and the answer */
};
enum hf_err op_begin(struct calls_ctx *c, enum op_kind k, const struct mech_in *m, uint64_t key)
	HF_MUST_CHECK;
enum hf_err op_data(struct calls_ctx *c, enum op_kind k, enum op_step s, const struct op_io *io)
	HF_MUST_CHECK;
void op_cancel(struct session *s, enum op_kind k);
/* op_expect gives a verification that has begun its signature ahead of the data. */
enum hf_err op_expect(struct calls_ctx *c, enum op_kind k, struct slice signature) HF_MUST_CHECK;
/* op_digest_key digests a secret key's value. HF_E_KEY_INDIGESTIBLE: it is none,
 * or so short that the digest would give it away. */
enum hf_err op_digest_key(struct calls_ctx *c, uint64_t key) HF_MUST_CHECK;

/* op_context_login: a PIN was given for the operations with this key, or with all (0) that
 * run in the session. op_waits_for_login: the key of one that wants it, for
 * CKA_ALWAYS_AUTHENTICATE (PKCS#11 3.2 §4.9) or a PIN of its own; 0: none. The
 * caller holds session.lock. */
void op_context_login(struct session *s, uint64_t key);
uint64_t op_waits_for_login(const struct session *s);
/* ops_drop_private ends the operations with private keys (a logout), ops_drop
 * all of them. The caller holds session.lock. */
void ops_drop_private(struct session *s);
void ops_drop(struct session *s);

/* crypt_once runs a whole operation over in and appends the result to out;
 * crypt_bound: at most so many bytes (wrapping, unwrapping). */
enum hf_err crypt_once(const struct mech_use *u, enum verb v, struct slice in, struct buf *out)
	HF_MUST_CHECK;
enum hf_err crypt_bound(const struct mech_use *u, enum verb v, size_t in, size_t *ret)
	HF_MUST_CHECK;

/* out_fits puts the length into *io->ret_need and tells whether the caller has
 * room for so many bytes; false for a mere question, too. */
bool out_fits(const struct op_io *io, size_t need);
/* out_room gives a buffer for n bytes that lives as long as the call. */
enum hf_err out_room(struct calls_ctx *c, size_t n, struct buf *ret) HF_MUST_CHECK;

#endif
