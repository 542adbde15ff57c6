/* aead_message.h: parameters of messages, and what they are to the families: those of an
 * operation of their own, additional data in them. */
#ifndef HF_AEAD_MESSAGE_H
#define HF_AEAD_MESSAGE_H

#include "iv.h"
#include "params.h"

struct aead_message {
	struct iv_wish iv;
	size_t tag; /* bytes */
};

/* aead_message_look: what such a parameter says. HF_E_MECHANISM_PARAM: none was given, or a
 * tag of a length that there is not. */
enum hf_err aead_message_look(const struct params *message, struct aead_message *ret) HF_MUST_CHECK;
/* aead_message_params: the family's parameter, with that IV and additional data, which *ret views. */
void aead_message_params(const struct params *message, struct slice iv, struct slice aad,
	struct params *ret);

#endif
