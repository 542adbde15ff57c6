/* onetime.h: which one-time key of a stateful signature key (HSS, XMSS, XMSS^MT) is next.
 *
 * Using one twice gives the key away. So a number is handed out only when the record
 * "p/SERIAL/onetime/UID", sealed by the store key, says durably that all below a higher
 * number are used up: numbers are reserved a range at a time, and those of a range that
 * a crash cut short are lost. Where the store is not what it was left as (an older one was put
 * back, records are missing, the anchor is gone) the HSM draws a new mark, the record
 * "hsm/onetime", and keys counted under another mark never sign again.
 *
 * A session object's count lives in memory, with the object. */
#ifndef HF_ONETIME_H
#define HF_ONETIME_H

#include "object.h"
#include "records.h"

/* struct onetimes: those of a partition's token objects. */
struct onetimes;
enum hf_err onetimes_new(struct onetimes **ret) HF_MUST_CHECK;
void onetimes_free(struct onetimes *t); /* NULL-safe */
void onetimes_clear(struct onetimes *t);

/* onetime_open reads the mark under which keys count now; trouble: draws a new one. */
enum hf_err onetime_open(struct records *r, bool trouble, uint64_t *ret_mark) HF_MUST_CHECK;
/* onetime_load takes a record in; one of another mark than the present is remembered as such. */
enum hf_err onetime_load(struct onetimes *t, uint64_t mark, const char *name, uint64_t version,
	struct slice plain) HF_MUST_CHECK;

/* struct onetime_change: the record that is written with a key, or deleted with it. */
struct onetime_change {
	char name[80];
	struct buf plain;
};
void onetime_change_done(struct onetime_change *s);
/* onetime_stage_new describes the record of a new token object; onetime_stage_gone the
 * deletion of it (false: there is none). */
enum hf_err onetime_stage_new(struct calls_ctx *c, const struct object *o, struct onetime_change *s,
	struct record_change *ret) HF_MUST_CHECK;
bool onetime_stage_gone(struct calls_ctx *c, const struct object *o, struct onetime_change *s,
	struct record_change *ret);
/* onetime_born starts to count for a new object, before it can be seen; onetime_gone ends. */
enum hf_err onetime_born(struct calls_ctx *c, const struct object *o) HF_MUST_CHECK;
void onetime_gone(struct calls_ctx *c, const struct object *o);

/* onetime_take gives a number that no signature of that key had. HF_E_KEY_EXHAUSTED: none
 * is left. HF_E_KEY_STALE: the count cannot be trusted any more. */
enum hf_err onetime_take(struct calls_ctx *c, const struct object *key, uint64_t *ret) HF_MUST_CHECK;
/* onetime_left: how many numbers can still be given out. */
uint64_t onetime_left(struct calls_ctx *c, const struct object *key);

/* struct onetime_session: a session object's count, which its later snapshots share. */
struct onetime_session;
struct onetime_session *onetime_session_ref(struct onetime_session *s); /* NULL-safe */
void onetime_session_unref(struct onetime_session *s);                  /* NULL-safe */
/* onetime_session_new: for objects that count, else *ret stays NULL. */
enum hf_err onetime_session_new(const struct attrs *a, struct onetime_session **ret) HF_MUST_CHECK;

#endif
