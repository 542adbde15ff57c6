/* keeper_ask.h: single questions to the keeper, and patience while it restarts. */
#ifndef HF_KEEPER_ASK_H
#define HF_KEEPER_ASK_H

#include "hsm.h"

#define KEEPER_PAGE (1u << 20)  /* bytes of one page of a scan */
#define KEEPER_WAIT_MS 10000u   /* how long a keeper may take to come back */

/* keeper_gone: the keeper could not be reached (it restarts); the outcome of
 * what was asked is not known. */
bool keeper_gone(enum hf_err e);

/* struct patience counts down while something is tried again. */
struct patience {
	unsigned waited_ms, step_ms;
};
/* patience_left sleeps a little longer each time; false when the time is up. */
bool patience_left(struct patience *p);

/* What they return lives in a. A keeper that restarts is waited for. */
enum hf_err keeper_get(struct keeper *k, const char *name, struct arena *a, bool *ret_found,
	struct record *ret) HF_MUST_CHECK;
enum hf_err keeper_scan(struct keeper *k, const char *prefix, struct slice after,
	uint32_t max_bytes, struct arena *a, struct store_scan_res *ret) HF_MUST_CHECK;
/* keeper_freeze: the store of now, or with on false none; keeper_scan_frozen: HF_E_OP_LOST once a
 * later one took its place, or the keeper restarted. */
enum hf_err keeper_freeze(struct keeper *k, bool on, uint64_t *ret_id) HF_MUST_CHECK;
enum hf_err keeper_scan_frozen(struct keeper *k, const struct store_scan_frozen_req *q,
	struct arena *a, struct store_scan_frozen_res *ret) HF_MUST_CHECK;
/* keeper_purge: what the store replaced or deleted before leaves no copy in its files. */
enum hf_err keeper_purge(struct keeper *k) HF_MUST_CHECK;
enum hf_err keeper_anchor(struct keeper *k, struct arena *a, struct slice *ret) HF_MUST_CHECK;
enum hf_err keeper_audit_tail(struct keeper *k, struct arena *a, struct audit_tail_res *ret)
	HF_MUST_CHECK;
enum hf_err keeper_audit_fetch(struct keeper *k, uint64_t from, uint32_t max, struct arena *a,
	struct entry_list *ret) HF_MUST_CHECK;
/* keeper_room keeps k->tight up. */
enum hf_err keeper_room(struct keeper *k) HF_MUST_CHECK;
/* These are sent once: the caller knows how to find out what became of them. */
enum hf_err keeper_commit(struct keeper *k, struct change_list changes, struct slice anchor)
	HF_MUST_CHECK;
/* keeper_commit_early returns when the store has the changes; the anchor is in place before the next commit,
 * and before an audit record that is made after this is kept. */
enum hf_err keeper_commit_early(struct keeper *k, struct change_list changes, struct slice anchor)
	HF_MUST_CHECK;
/* keeper_commit_last may have the room that is held back on a full disk. */
enum hf_err keeper_commit_last(struct keeper *k, struct change_list changes) HF_MUST_CHECK;
enum hf_err keeper_audit_append(struct keeper *k, const struct audit_append_req *q, bool *ret_mended)
	HF_MUST_CHECK;

#endif
