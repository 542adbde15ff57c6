/* message.h: many messages under one key (PKCS#11 3.2 §5.9, §5.11, §5.14, §5.16).
 *
 * Each message is a use of the key of its own: the key is looked up anew and all that mech_check
 * looks at holds for it; where the key wants its PIN for each use, for each message. A message
 * that fails ends, the process goes on. */
#ifndef HF_MESSAGE_H
#define HF_MESSAGE_H

#include "module.h"

struct message_io {
	struct slice param, aad; /* with the message's beginning */
	struct slice in;
	struct slice tag;        /* with the last part of what is decrypted */
	struct slice signature;  /* with the last part of what is verified */
	bool last;
	uint32_t max;
	uint32_t *ret_need;
	struct slice *ret_out;   /* NULL for a call without output */
	struct slice *ret_iv, *ret_tag; /* NULL but for encryption */
};

/* message_whole does a message in one call, message_begin and message_next in several.
 * HF_E_OP_ACTIVE: another message is under way, HF_E_OP_NONE: none is. */
enum hf_err message_whole(struct calls_ctx *c, enum op_kind k, const struct message_io *io)
	HF_MUST_CHECK;
enum hf_err message_begin(struct calls_ctx *c, enum op_kind k, const struct message_io *io)
	HF_MUST_CHECK;
enum hf_err message_next(struct calls_ctx *c, enum op_kind k, const struct message_io *io)
	HF_MUST_CHECK;
/* message_final ends the process; HF_E_OP_ACTIVE within a message. */
enum hf_err message_final(struct calls_ctx *c, enum op_kind k) HF_MUST_CHECK;

#endif
