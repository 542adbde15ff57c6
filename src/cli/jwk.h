/* jwk.h: JSON Web Keys and sets of them (RFC 7517, RFC 7518 §6, RFC 8037; ML-DSA as RFC 9964's
 * AKP). */
#ifndef HF_CLI_JWK_H
#define HF_CLI_JWK_H

#include "incoming.h"

/* struct jwk: what it says besides. */
struct jwk {
	const char *wrong; /* HF_E_KEYFILE: where more is known of it; else NULL */
	bool is_public;   /* the first object is the public half */
	struct slice kid; /* in the arena; empty: none */
	struct slice id;  /* the kid, or what stands for it; empty: none */
};

/* jwk_file gives the keys of a text, which is a JWK or a set (RFC 7517 §5), as an array that the
 * caller owns; NULL: it is neither. */
json_t *jwk_file(struct slice text, bool *ret_set);

/* jwk_kid; NULL: none. The string stays o's. */
const char *jwk_kid(json_t *o);

/* jwk_read makes one object of a public or symmetric key, two of a private one: the
 * public half comes first. HF_E_KEYFILE: it is none, or of a kind that is not known. */
enum hf_err jwk_read(struct cli *c, json_t *o, struct incoming_list *l, struct jwk *ret) HF_MUST_CHECK;

/* jwk_public makes one of a public key; NULL: its type has none. The caller owns it. */
json_t *jwk_public(struct cli *c, uint64_t session, uint64_t object);

#endif
