/* key_use.h: a key is tried, and compared with what is known of it. */
#ifndef HF_KEY_USE_H
#define HF_KEY_USE_H

#include "mech.h"

/* key_use_once: a private key signs, agrees or decapsulates for its public half; a secret key gives its
 * check value. info and check are what is known (empty: nothing). HF_E_SELFTEST: they differ. */
enum hf_err key_use_once(const struct key *k, struct slice info, struct slice check) HF_MUST_CHECK;

#endif
