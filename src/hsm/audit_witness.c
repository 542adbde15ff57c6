#include "audit_witness.h"

#include <string.h>

#define NAME "hsm/audit"
#define FORMAT 2 /* 1: without the count of gaps */

static enum hf_err visit(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	struct audit_witness *w = ctx;
	struct rd r = rd_of(plain);
	struct audit_mark m = { 0 };
	uint64_t gaps = 0;
	const uint8_t *hash;
	uint8_t format;

	(void)name;
	w->version = version;
	if (!rd_u8(&r, &format) || format < 1 || format > FORMAT || !rd_u64(&r, &m.seq) ||
	    !rd_take(&r, sizeof(m.hash), &hash) || (format > 1 && !rd_u64(&r, &gaps)) || !rd_done(&r))
		return HF_E_DAMAGED;
	memcpy(m.hash, hash, sizeof(m.hash));
	w->mark = m;
	w->gaps = gaps;
	return HF_OK;
}

static void damaged(void *ctx, const char *name)
{
	struct audit_witness *w = ctx;

	(void)name;
	w->damaged = true;
}

static enum hf_err find_version(void *ctx, const char *name, uint64_t version)
{
	struct audit_witness *w = ctx;

	if (strcmp(name, NAME) == 0)
		w->version = version;
	return HF_OK;
}

enum hf_err audit_witness_open(struct records *r, struct audit_witness *ret)
{
	struct audit_witness w = { .records = r };
	const struct record_visit v = { &w, visit, damaged };

	TRY(records_get(r, NAME, SEAL_STORE, SLICE_NONE, &v));
	if (w.damaged) /* it is written over all the same */
		TRY(records_names(r, NAME, &w, find_version));
	*ret = w;
	return HF_OK;
}

enum hf_err audit_witness_keep(struct audit_witness *w, const struct audit_mark *m)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(64);
	struct record_change c = {
		.name = NAME, .expect = w->version, .version = w->version + 1, .seal = SEAL_STORE,
	};

	buf_u8(&b, FORMAT);
	buf_u64(&b, m->seq);
	buf_raw(&b, SLICE_OF(m->hash));
	buf_u64(&b, w->gaps);
	TRY(buf_err(&b));
	c.plain = buf_slice(&b);
	TRY(records_write(w->records, &c, 1));
	w->version = c.version;
	w->mark = *m;
	return HF_OK;
}
