/* guard.h: what a key needs besides its attributes: a PIN of its own, a number of
 * uses, the approval of several named users.
 *
 * The record "p/SERIAL/guard/UID" is sealed by the store key; each use that is
 * counted, each attempt at the PIN and each approval is durable before it holds. */
#ifndef HF_GUARD_H
#define HF_GUARD_H

#include "object.h"
#include "roles.h"

#define APPROVERS_MAX 16u
#define GUARD_FAILURES 10u /* then the key's PIN is locked until it is set anew */

struct guard {
	struct map_node by_handle;
	uint8_t uid[UID_LEN];
	uint64_t version;
	uint64_t limit, used;        /* limit 0: none */
	bool has_pin;
	struct pin_memory pin;
	uint32_t failures;           /* of versions before the anchor counted them */
	uint8_t needed;              /* approvals for one use; 0: none */
	uint8_t approver_count;
	char approvers[APPROVERS_MAX][USER_NAME_MAX + 1];
	uint32_t valid_s;            /* how long a request waits */
	/* The request that waits, if request is not 0. */
	uint64_t request, expires;   /* UTC, microseconds */
	char requester[USER_NAME_MAX + 1];
	uint32_t approved;           /* bits: approvers */
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

/* guard_use: may this call use the key now? Counts the use. HF_E_KEY_EXHAUSTED,
 * HF_E_KEY_GUARDED, HF_E_APPROVAL. */
enum hf_err guard_use(struct calls_ctx *c, const struct object *key) HF_MUST_CHECK;
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

/* For handlers_guard.c; the caller holds guards.lock. */
struct guard *guard_of(struct guards *g, uint64_t handle);
/* guards_void ends all requests for approval: of a store that was put back, nobody knows
 * which approvals were used. */
enum hf_err guards_void(struct hsm *h, struct partition *p) HF_MUST_CHECK;
/* guard_become writes next in the place of now (all zero: a new one). */
enum hf_err guard_become(struct calls_ctx *c, struct guard *now, const struct guard *next)
	HF_MUST_CHECK;
/* guard_caller: who is logged in where the call comes from. */
void guard_caller(struct calls_ctx *c, char ret[USER_NAME_MAX + 1]);
enum hf_err guard_may(struct calls_ctx *c, uint64_t handle, const struct guard *g) HF_MUST_CHECK;

#endif
