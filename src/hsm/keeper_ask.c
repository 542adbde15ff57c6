#include "keeper_ask.h"

#include <stdatomic.h>
#include <time.h>

#include "secret.h"

bool keeper_gone(enum hf_err e)
{
	return e == HF_E_CONNECTION || e == HF_E_TIMEOUT || e == HF_E_NO_DAEMON;
}

bool patience_left(struct patience *p)
{
	struct timespec t;

	if (p->waited_ms >= KEEPER_WAIT_MS)
		return false;
	p->step_ms = p->step_ms == 0 ? 5 : p->step_ms < 200 ? p->step_ms * 2 : p->step_ms;
	p->waited_ms += p->step_ms;
	t = (struct timespec){ p->step_ms / 1000, (long)(p->step_ms % 1000) * 1000000 };
	(void)nanosleep(&t, NULL);
	return true;
}

static enum hf_err ask_once(struct keeper *k, enum keeper_op op, struct buf *fields,
	struct arena *a, struct rd *ret)
{
	TRY(buf_err(fields));
	return k->call(k, op, buf_slice(fields), a, ret);
}

static enum hf_err ask(struct keeper *k, enum keeper_op op, struct buf *fields, struct arena *a,
	struct rd *ret)
{
	struct patience p = { 0 };
	enum hf_err e = ask_once(k, op, fields, a, ret);

	while (keeper_gone(e) && patience_left(&p))
		e = ask_once(k, op, fields, a, ret);
	return e;
}

enum hf_err keeper_get(struct keeper *k, const char *name, struct arena *a, bool *ret_found,
	struct record *ret)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(4096);
	struct store_get_req q = { slice_str(name) };
	struct store_get_res r;
	struct rd rest;

	store_get_req_enc(&b, &q);
	TRY(ask(k, KEEPER_STORE_GET, &b, a, &rest));
	if (!store_get_res_dec(&rest, a, &r) || !rd_done(&rest))
		return HF_E_MALFORMED;
	*ret_found = r.found.n > 0;
	if (r.found.n > 0)
		*ret = r.found.v[0];
	return HF_OK;
}

enum hf_err keeper_scan(struct keeper *k, const char *prefix, struct slice after,
	uint32_t max_bytes, struct arena *a, struct store_scan_res *ret)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(4096);
	struct store_scan_req q = { slice_str(prefix), after, max_bytes };
	struct rd rest;

	store_scan_req_enc(&b, &q);
	TRY(ask(k, KEEPER_STORE_SCAN, &b, a, &rest));
	return store_scan_res_dec(&rest, a, ret) && rd_done(&rest) ? HF_OK : HF_E_MALFORMED;
}

enum hf_err keeper_freeze(struct keeper *k, bool on, uint64_t *ret_id)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	CLEANUP(buf_done) struct buf b = BUF_MAX(64);
	struct store_freeze_req q = { on };
	struct store_freeze_res r;
	struct rd rest;

	store_freeze_req_enc(&b, &q);
	TRY(ask(k, KEEPER_STORE_FREEZE, &b, &a, &rest));
	if (!store_freeze_res_dec(&rest, &a, &r) || !rd_done(&rest))
		return HF_E_MALFORMED;
	*ret_id = r.id;
	return HF_OK;
}

enum hf_err keeper_scan_frozen(struct keeper *k, const struct store_scan_frozen_req *q,
	struct arena *a, struct store_scan_frozen_res *ret)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(4096);
	struct rd rest;

	store_scan_frozen_req_enc(&b, q);
	TRY(ask(k, KEEPER_STORE_SCAN_FROZEN, &b, a, &rest));
	return store_scan_frozen_res_dec(&rest, a, ret) && rd_done(&rest) ? HF_OK : HF_E_MALFORMED;
}

enum hf_err keeper_purge(struct keeper *k)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	CLEANUP(buf_done) struct buf b = BUF_MAX(64);
	struct rd rest;

	return ask(k, KEEPER_STORE_PURGE, &b, &a, &rest);
}

enum hf_err keeper_anchor(struct keeper *k, struct arena *a, struct slice *ret)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(64);
	struct anchor_get_res r;
	struct rd rest;

	TRY(ask(k, KEEPER_ANCHOR_GET, &b, a, &rest));
	if (!anchor_get_res_dec(&rest, a, &r) || !rd_done(&rest))
		return HF_E_MALFORMED;
	*ret = r.anchor;
	return HF_OK;
}

enum hf_err keeper_audit_tail(struct keeper *k, struct arena *a, struct audit_tail_res *ret)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(64);
	struct rd rest;

	TRY(ask(k, KEEPER_AUDIT_TAIL, &b, a, &rest));
	return audit_tail_res_dec(&rest, a, ret) && rd_done(&rest) ? HF_OK : HF_E_MALFORMED;
}

enum hf_err keeper_audit_fetch(struct keeper *k, uint64_t from, uint32_t max, struct arena *a,
	struct entry_list *ret)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(64);
	struct audit_fetch_req q = { from, max };
	struct audit_fetch_res r;
	struct rd rest;

	audit_fetch_req_enc(&b, &q);
	TRY(ask(k, KEEPER_AUDIT_FETCH, &b, a, &rest));
	if (!audit_fetch_res_dec(&rest, a, &r) || !rd_done(&rest))
		return HF_E_MALFORMED;
	*ret = r.records;
	return HF_OK;
}

enum hf_err keeper_room(struct keeper *k)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	CLEANUP(buf_done) struct buf b = BUF_MAX(64);
	struct audit_room_req q = { 0 };
	struct audit_room_res r;
	struct rd rest;

	audit_room_req_enc(&b, &q);
	TRY(ask(k, KEEPER_AUDIT_ROOM, &b, &a, &rest));
	if (!audit_room_res_dec(&rest, &a, &r) || !rd_done(&rest))
		return HF_E_MALFORMED;
	atomic_store(&k->tight, r.tight);
	return HF_OK;
}

static enum hf_err commit(struct keeper *k, const struct store_commit_req *q)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	CLEANUP(buf_done) struct buf b = BUF_MAX(WIRE_MAX_BYTES);
	struct rd rest;
	enum hf_err e;

	store_commit_req_enc(&b, q);
	e = ask_once(k, KEEPER_STORE_COMMIT, &b, &a, &rest);
	if (e == HF_OK || e == HF_E_STORE)
		atomic_store(&k->store_failing, e != HF_OK);
	return e;
}

enum hf_err keeper_commit(struct keeper *k, struct change_list changes, struct slice anchor)
{
	return commit(k, &(struct store_commit_req){ .changes = changes, .anchor = anchor });
}

enum hf_err keeper_commit_early(struct keeper *k, struct change_list changes, struct slice anchor)
{
	return commit(k, &(struct store_commit_req){ .changes = changes, .anchor = anchor, .early = true });
}

enum hf_err keeper_commit_last(struct keeper *k, struct change_list changes)
{
	return commit(k, &(struct store_commit_req){ .changes = changes, .last = true });
}

enum hf_err keeper_audit_append(struct keeper *k, const struct audit_append_req *q, bool *ret_mended)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	CLEANUP(buf_done) struct buf b = BUF_MAX(WIRE_MAX_BYTES);
	struct audit_append_res r;
	struct rd rest;

	audit_append_req_enc(&b, q);
	TRY(ask_once(k, KEEPER_AUDIT_APPEND, &b, &a, &rest));
	if (!audit_append_res_dec(&rest, &a, &r) || !rd_done(&rest))
		return HF_E_MALFORMED;
	*ret_mended = r.mended;
	atomic_store(&k->archive_failing, r.archive_failing);
	return HF_OK;
}
