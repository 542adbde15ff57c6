#include "audit_resume.h"

#include <string.h>

#include "audit.h"
#include "audit_check.h"
#include "audit_sign.h"
#include "keeper_ask.h"

enum hf_err audit_seq(struct slice encoded, uint64_t *ret)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct audit_record rec;

	if (!audit_read(encoded, &a, &rec))
		return HF_E_DAMAGED;
	*ret = rec.seq;
	return HF_OK;
}

/* gap: numbers are missing before a gap's record. */
static bool gap(struct slice encoded, struct arena *a)
{
	struct audit_record rec;

	return audit_read(encoded, a, &rec) && audit_is_gap(&rec);
}

/* check_last checks the last record with the one before it. */
static enum hf_err check_last(struct keeper *k, const struct audit_pair *pair,
	struct audit_last *last)
{
	uint64_t seq = last->mark.seq;
	CLEANUP(arena_done) struct arena arena = { 0 };
	struct audit_check c = { 0 };
	struct audit_record rec;
	struct entry_list l;

	memcpy(c.public_key, pair->old_key, sizeof(c.public_key));
	memcpy(c.next_key, pair->new_key, sizeof(c.next_key));
	c.has_next = true;
	TRY(keeper_audit_fetch(k, seq > 1 ? seq - 1 : 1, 2, &arena, &l));
	last->why = l.n == (seq > 1 ? 2 : 1) || (l.n == 1 && gap(l.v[0].record, &arena)) ? NULL :
		"records are missing";
	for (size_t i = 0; i < l.n && last->why == NULL; i++)
		if (audit_check_next(&c, l.v[i].record, &arena, &rec, &last->why)) {
			last->time_us = rec.time_us;
			last->stopped = slice_eq(rec.event, SLICE_STR("stop"));
		}
	return HF_OK;
}

/* check_witness compares the log with what the store knows of it. A later record in the place of the one that
 * the store knows is no trouble: retention deleted that. */
static enum hf_err check_witness(struct keeper *k, const struct audit_witness *w, uint64_t seq,
	const char **ret_why)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	const struct audit_mark *m = &w->mark;
	uint8_t hash[CRYPTO_HASH];
	struct entry_list l = { 0 };
	uint64_t there;

	if (w->damaged)
		*ret_why = "what the store knew of the log's end is damaged";
	if (m->seq == 0)
		return HF_OK;
	if (m->seq <= seq)
		TRY(keeper_audit_fetch(k, m->seq, 1, &arena, &l));
	if (l.n == 0) {
		*ret_why = "records at the end of the log are missing";
		return HF_OK;
	}
	if (audit_seq(l.v[0].record, &there) == HF_OK && there > m->seq)
		return HF_OK;
	TRY(crypto_sha256(l.v[0].record, hash));
	if (!slice_eq(SLICE_OF(hash), SLICE_OF(m->hash)))
		*ret_why = "the log was replaced by another one";
	return HF_OK;
}

enum hf_err audit_cut(struct keeper *k, const struct audit_witness *w, const char **ret_why)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	struct audit_tail_res r;

	*ret_why = NULL;
	TRY(keeper_audit_tail(k, &arena, &r));
	return check_witness(k, w, r.last.n > 0 ? r.seq : 0, ret_why);
}

/* find_last: the last record, and what is wrong with it. */
static enum hf_err find_last(struct keeper *k, const struct audit_pair *pair,
	struct audit_last *last)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	struct audit_tail_res r;
	uint64_t seq;

	TRY(keeper_audit_tail(k, &arena, &r));
	if (r.last.n == 0)
		return HF_OK;
	TRY(crypto_sha256(r.last.v[0].record, last->mark.hash));
	last->mark.seq = r.seq;
	if (audit_seq(r.last.v[0].record, &seq) == HF_OK && seq == r.seq)
		return check_last(k, pair, last);
	last->why = "the last record is damaged";
	return HF_OK;
}

enum hf_err audit_resume(struct keeper *k, const struct audit_pair *pair,
	const struct audit_witness *w, struct audit_last *ret)
{
	struct audit_last last = { 0 };

	TRY(find_last(k, pair, &last));
	if (last.why == NULL && w != NULL)
		TRY(check_witness(k, w, last.mark.seq, &last.why));
	*ret = last;
	return HF_OK;
}

/* --- an older store ---------------------------------------------------------------- */

#define PAGE 256u /* records */

bool audit_counts(enum hf_err result)
{
	return result == HF_E_PIN_INCORRECT || result == HF_E_PIN_LOCKED;
}

static bool tells(const struct audit_record *rec)
{
	return audit_counts((enum hf_err)rec->result) || (rec->kind == AUDIT_EVENT && rec->signature.n > 0);
}

/* store_of: the number at the end of the detail, which the vault itself put there; 0: none. */
static uint64_t store_of(const struct audit_record *rec)
{
	const struct slice word = SLICE_STR(AUDIT_STORE);
	struct slice d = rec->detail;
	uint64_t n = 0, tens = 1;

	while (d.n > 0 && d.p[d.n - 1] >= '0' && d.p[d.n - 1] <= '9' && tens <= UINT64_MAX / 100) {
		n += (uint64_t)(d.p[--d.n] - '0') * tens;
		tens *= 10;
	}
	return d.n >= word.n && slice_eq((struct slice){ d.p + d.n - word.n, word.n }, word) ? n : 0;
}

/* look goes through one page; *at moves behind it. A record that is damaged is audit_resume's matter. */
static enum hf_err look(struct keeper *k, uint64_t *at, uint64_t sequence, uint64_t *ret, bool *ret_end)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	struct entry_list l = { 0 };

	TRY(keeper_audit_fetch(k, *at, PAGE, &arena, &l));
	*ret_end = l.n == 0;
	for (size_t i = 0; i < l.n; i++) {
		struct rd r = rd_of(l.v[i].record);
		struct audit_record rec;

		(*at)++;
		if (!audit_record_dec(&r, &arena, &rec) || !rd_done(&r))
			continue;
		if (rec.seq >= *at) /* the log's beginning was deleted */
			*at = rec.seq + 1;
		if (tells(&rec) && store_of(&rec) > sequence)
			*ret = store_of(&rec);
	}
	return HF_OK;
}

enum hf_err audit_later(struct keeper *k, const struct audit_witness *w, uint64_t sequence, uint64_t *ret)
{
	uint64_t at = w->mark.seq + 1;
	bool end = w->mark.seq == 0; /* a new store knows nothing of a log before it */

	*ret = 0;
	while (!end && *ret == 0)
		TRY(look(k, &at, sequence, ret, &end));
	return HF_OK;
}
