/* asks.h: what waits for custodians. A call that needs them is refused once, and from
 * then on there is an ask: for that call with these very fields, by this user. Each
 * custodian gives his share to it, from wherever he sits; with the last one the call
 * goes through when it is sent again, once.
 *
 * Nothing of it is stored: a restart forgets asks and shares, and so does the time. */
#ifndef HF_ASKS_H
#define HF_ASKS_H

#include "quorum.h"

#define ASK_WHAT 2000u  /* bytes of what is asked for */
#define ASK_SCOPE 56u   /* bytes of "hsm", or "SERIAL/role" */
#define SCOPE_HSM "hsm"

struct asks;

/* seconds: within which the shares come, and then the call is sent again. */
enum hf_err asks_new(unsigned seconds, struct asks **ret) HF_MUST_CHECK;
void asks_free(struct asks *a);   /* NULL-safe */
void asks_forget(struct asks *a); /* every ask, every share */

/* The HSM's own custodians; m is 0 where there are none. */
void asks_custodians_set(struct asks *a, const struct quorum *q);
void asks_custodians(struct asks *a, struct quorum *ret);

/* struct want is what somebody asks for. */
struct want {
	unsigned opcode;
	uint64_t uid;
	uint8_t digest[CRYPTO_HASH]; /* of the partition and the call's fields */
	const char *scope;           /* whose custodians */
	const struct quorum *quorum;
	const char *what;            /* in words, for who is to agree */
};
/* asks_digest tells requests apart without keeping their fields, PINs among them: under
 * a key of this start. */
enum hf_err asks_digest(struct asks *a, struct slice place, struct slice fields,
	uint8_t ret[CRYPTO_HASH]) HF_MUST_CHECK;

/* asks_need: HF_OK: they agreed, and the ask is taken until asks_end; *ret_secret is
 * what their shares made, empty if it is the HSM's. HF_E_QUORUM: it waits. *ret_id is
 * its number in both cases. HF_E_LIMIT: too many of this user wait, all with shares. */
enum hf_err asks_need(struct asks *a, const struct want *w, uint64_t *ret_id,
	struct secret *ret_secret) HF_MUST_CHECK;
/* asks_end: used up, or to be had again because the call failed. */
void asks_end(struct asks *a, uint64_t id, bool used);

/* asks_give takes a share for the ask of that number; 0: the only one that waits for
 * these custodians. *ret_secret is full once it was the last one needed, and the ask
 * waits for asks_agree. HF_E_SHARE_FOREIGN, _OTHER, _OLD, _WRONG, _TWICE; HF_E_REQUEST:
 * there is none; HF_E_ASK_WHICH: several wait. */
struct given {
	uint64_t id;
	unsigned opcode;
	uint8_t have, needed;
	char scope[ASK_SCOPE + 1], what[ASK_WHAT + 1], custodian[CUSTODIAN_NAME + 1];
};
enum hf_err asks_give(struct asks *a, uint64_t id, struct slice share, struct given *ret,
	struct secret *ret_secret) HF_MUST_CHECK;
/* asks_agree: the shares made the right secret; which a role's ask keeps until it is used. */
void asks_agree(struct asks *a, uint64_t id, struct secret *secret);
/* asks_cancel: HF_E_REQUEST: there is none; HF_E_DENIED: it is another user's. */
enum hf_err asks_cancel(struct asks *a, uint64_t id, uint64_t uid, bool admin) HF_MUST_CHECK;
/* asks_list: those that there are, in arena. */
enum hf_err asks_list(struct asks *a, struct arena *arena, struct asking_list *ret) HF_MUST_CHECK;

/* Shares that were made and handed out, but are not in force: one set for each scope. */
struct dealt {
	uint64_t uid, since_ns;
	char scope[ASK_SCOPE + 1];
	bool of_hsm;          /* its own custodians or roles: there is always room for them */
	bool again;           /* in the place of those that are under way */
	struct quorum quorum;
	struct secret secret;
};
/* asks_deal takes it over. HF_E_CEREMONY: others of that scope are under way, *ret_other (without
 * its secret), since a time that is not over. HF_E_LIMIT: too many are. */
enum hf_err asks_deal(struct asks *a, struct dealt *d, struct dealt *ret_other) HF_MUST_CHECK;
/* asks_dealt takes out the set of that id, which ret->uid had made for ret->scope; HF_E_SET: it is
 * not there, and whatever is stays. */
enum hf_err asks_dealt(struct asks *a, struct slice set, struct dealt *ret) HF_MUST_CHECK;
/* asks_undeal forgets a set. HF_E_SET: there is none; HF_E_DENIED: it is another user's. */
enum hf_err asks_undeal(struct asks *a, struct slice set, uint64_t uid, bool admin) HF_MUST_CHECK;
unsigned asks_seconds(const struct asks *a); /* as asks_new had it */
void dealt_done(struct dealt *d);
/* quorum_deal is the rest of a call that makes shares: d has scope, m, n and again. */
enum hf_err quorum_deal(struct calls_ctx *c, struct dealt *d, struct slice names,
	struct share_list *ret) HF_MUST_CHECK;
/* quorum_dealt is the start of one that puts them in force. */
enum hf_err quorum_dealt(struct calls_ctx *c, const char *scope, struct slice set, struct dealt *ret)
	HF_MUST_CHECK;

#endif
