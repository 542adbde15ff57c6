/* guard.h: what a key needs besides its attributes: a PIN of its own, a number of
 * uses, the approval of several named users.
 *
 * An approver is a person, not a name: a user who was deleted and made again, or whose PIN an
 * officer set, is another one. A request says what for, and serves for nothing else.
 *
 * The record "p/SERIAL/guard/UID" is sealed by the store key; each use that is
 * counted, each attempt at the PIN and each approval is durable before it holds. */
#ifndef HF_GUARD_H
#define HF_GUARD_H

#include "object.h"
#include "roles.h"

#define APPROVERS_MAX 16u
#define REQUESTS_MAX 4u    /* that wait for one key, each of another user */
#define COMMENT_MAX 64u
#define CHANGE_TEXT 640u
#define GUARD_FAILURES 10u /* then the key's PIN is locked until it is set anew */

struct person {
	char name[USER_NAME_MAX + 1];
	uint64_t id; /* role_record.person */
};

/* struct use_for: the one use that is approved: CKF_SIGN, ..., the mechanism, SHA-256 of its
 * parameter (zero: none) and of the data. All zero: any. */
struct use_for {
	uint32_t ckf, mechanism;
	uint8_t param[CRYPTO_HASH], data[CRYPTO_HASH];
};

enum asked_for { FOR_USE, FOR_GUARD, FOR_PIN, FOR_COUNT };
struct approval {
	uint64_t number, expires; /* 0: none; UTC, microseconds */
	uint8_t what;             /* enum asked_for */
	struct use_for use;       /* FOR_USE's */
	struct person by;
	uint32_t approved;        /* bits: approvers */
	char comment[COMMENT_MAX + 1];
};

struct guard {
	struct map_node by_handle;
	uint8_t uid[UID_LEN];
	uint64_t version;
	uint64_t limit, used;        /* limit 0: none */
	bool has_pin;
	struct pin_memory pin;
	uint32_t failures;           /* of versions before the anchor counted them */
	uint8_t needed;              /* approvals for one use; 0: none */
	bool any_data;               /* which may be of any data */
	uint8_t approver_count;
	struct person approvers[APPROVERS_MAX];
	uint32_t valid_s;            /* how long a request waits */
	struct approval requests[REQUESTS_MAX];
	char change[CHANGE_TEXT];    /* what the request for FOR_GUARD is for */
};

/* struct guards: a partition's. */
struct guards {
	struct mutex lock; /* held while a guard is written */
	struct map by_handle;
};
enum hf_err guards_new(struct guards **ret) HF_MUST_CHECK;
void guards_free(struct guards *g); /* NULL-safe */
void guards_clear(struct guards *g);
enum hf_err guard_load(struct guards *g, const char *name, uint64_t version, struct slice plain)
	HF_MUST_CHECK;

/* struct key_use: what a call does with a key. */
struct key_use {
	uint32_t ckf;          /* CKF_SIGN, ... */
	struct mech_in mech;
	struct slice aad;      /* of a message */
	struct slice data;     /* what is signed, decrypted, ...; of a call that makes keys all of it */
	const uint8_t *sha256; /* of the data, where they are gone by now; or NULL */
	const struct object *leaves; /* the key that is wrapped; or NULL */
};
/* guard_use: may this call use the key so? Counts the use. HF_E_KEY_EXHAUSTED, HF_E_KEY_GUARDED,
 * HF_E_APPROVAL: where the guard wants to know the data, it asks for the approvals. use NULL: nobody
 * can say what of; such a guard refuses. */
enum hf_err guard_use(struct calls_ctx *c, const struct object *key, const struct key_use *use)
	HF_MUST_CHECK;
/* guard_begin is for an operation whose data come later. *ret_bound: the guard wants to know them, so
 * guard_use comes at the end; else the use is counted now. */
enum hf_err guard_begin(struct calls_ctx *c, const struct object *key, bool *ret_bound) HF_MUST_CHECK;
/* use_of_call: of a call that makes or takes keys. */
struct key_use use_of_call(const struct calls_ctx *c, uint32_t ckf, const struct mech_in *m);
/* guard_double: may there be another of this key that no guard follows? Not of one that the partition's
 * policies want guarded. */
enum hf_err guard_double(struct calls_ctx *c, const struct object *key) HF_MUST_CHECK;
bool guarded(struct calls_ctx *c, const struct object *key);
bool guard_has_pin(struct calls_ctx *c, uint64_t handle);
/* guard_enter: the key's own PIN, which holds in this session until a logout or another
 * key's. A wrong one counts: HF_E_PIN_INCORRECT, HF_E_PIN_LOCKED; HF_E_PIN_NOT_SET. */
enum hf_err guard_enter(struct calls_ctx *c, uint64_t handle, struct slice pin) HF_MUST_CHECK;

/* guard_limited: the key has a limit of uses. */
bool guard_limited(struct calls_ctx *c, uint64_t handle);

/* A backup carries a key's guard. guard_export writes nothing where there is none;
 * guard_restore leaves one that is there already alone, but that no more uses are left than in the
 * backup. */
void guard_export(struct calls_ctx *c, uint64_t handle, struct buf *out);
enum hf_err guard_restore(struct calls_ctx *c, const uint8_t uid[UID_LEN], struct slice plain)
	HF_MUST_CHECK;

/* For handlers_guard.c and approval.c; the caller holds guards.lock. */
struct guard *guard_of(struct guards *g, uint64_t handle);
/* guard_after goes through all of them, from NULL to NULL. */
struct guard *guard_after(struct guards *t, struct guard *g);
/* guards_void ends all requests for approval: of a store that was put back, nobody knows
 * which approvals were used. */
enum hf_err guards_void(struct hsm *h, struct partition *p) HF_MUST_CHECK;
/* guard_become writes next in the place of now (all zero: a new one). */
enum hf_err guard_become(struct calls_ctx *c, struct guard *now, const struct guard *next)
	HF_MUST_CHECK;
/* guard_may: what is wanted now (what, use); change: what FOR_GUARD would make of it, else "". *ret_at:
 * the request that approves it; REQUESTS_MAX: none is needed. */
enum hf_err guard_may(struct calls_ctx *c, const struct guard *g, const struct approval *want,
	const char *change, unsigned *ret_at) HF_MUST_CHECK;
/* approval_ask puts r's request into next, which becomes g. HF_E_LIMIT: no place is free. approval_own:
 * the request of that person that waits; or NULL. */
enum hf_err approval_ask(struct calls_ctx *c, struct guard *g, struct guard *next, struct approval *r)
	HF_MUST_CHECK;
const struct approval *approval_own(const struct guard *g, const struct person *who);
/* use_text says in words what for, but for the data. */
#define USE_TEXT 200u
void use_text(const struct use_for *u, char ret[USE_TEXT]);
/* guard_text says in words what next would be. */
void guard_text(const struct guard *next, bool pin, char ret[CHANGE_TEXT]);

/* person_named: HF_E_USER_TYPE: there is no such user. person_there: she still is who she was, and
 * is let in. person_calling: who is logged in where the call comes from. */
enum hf_err person_named(struct partition *p, struct slice name, struct person *ret) HF_MUST_CHECK;
bool person_there(struct partition *p, const struct person *who);
bool person_same(const struct person *a, const struct person *b);
enum hf_err person_calling(struct calls_ctx *c, struct person *ret) HF_MUST_CHECK;
/* approval_holds: approver i gave it, and is there. approvals counts them. request_waits: there is
 * one, and it is not too old. */
bool approval_holds(struct partition *p, const struct guard *g, const struct approval *r, unsigned i);
unsigned approvals(struct partition *p, const struct guard *g, const struct approval *r);
bool request_waits(const struct approval *r);
/* approvers_told lists the approvers: "+" after those who approved r (or NULL), and who is gone. */
enum hf_err approvers_told(struct calls_ctx *c, const struct guard *g, const struct approval *r,
	struct slice *ret) HF_MUST_CHECK;
/* guard_key: the private or secret key of that handle, to be released. guard_changed makes of now
 * (all zero: none) what is asked for, but for the PIN. */
enum hf_err guard_key(struct calls_ctx *c, uint64_t handle, struct object **ret) HF_MUST_CHECK;
struct guard_change {
	uint64_t limit;
	uint8_t needed;
	bool any_data;
	uint32_t valid_s;
	struct slice approvers;
};
enum hf_err guard_changed(struct calls_ctx *c, const struct guard_change *q, const struct guard *now,
	struct guard *next) HF_MUST_CHECK;

#endif
