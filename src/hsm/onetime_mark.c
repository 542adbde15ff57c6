/* onetime_mark.c: the record "hsm/onetime": format 1 | mark 8; absent: the mark 0. */
#include "onetime.h"

#include <string.h>

#define FORMAT 1
#define MARK_NAME "hsm/onetime"

struct mark {
	uint64_t version, value;
	bool bad;
};

static enum hf_err mark_visit(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	struct mark *m = ctx;
	struct rd r = rd_of(plain);
	uint8_t format;

	(void)name;
	(void)version;
	if (!rd_u8(&r, &format) || format != FORMAT || !rd_u64(&r, &m->value) || !rd_done(&r))
		return HF_E_DAMAGED;
	return HF_OK;
}

static void mark_damaged(void *ctx, const char *name)
{
	struct mark *m = ctx;

	(void)name;
	m->bad = true;
}

static enum hf_err mark_version(void *ctx, const char *name, uint64_t version)
{
	struct mark *m = ctx;

	if (strcmp(name, MARK_NAME) == 0)
		m->version = version;
	return HF_OK;
}

static enum hf_err mark_draw(struct records *r, struct mark *m)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(16);
	struct record_change c = {
		.name = MARK_NAME, .expect = m->version, .version = m->version + 1, .seal = SEAL_STORE,
	};

	TRY(crypto_random((uint8_t *)&m->value, sizeof(m->value)));
	buf_u8(&b, FORMAT);
	buf_u64(&b, m->value);
	TRY(buf_err(&b));
	c.plain = buf_slice(&b);
	return records_write(r, &c, 1);
}

enum hf_err onetime_open(struct records *r, bool trouble, uint64_t *ret_mark)
{
	struct mark m = { 0 };
	const struct record_visit v = { &m, mark_visit, mark_damaged };

	TRY(records_get(r, MARK_NAME, SEAL_STORE, SLICE_NONE, &v));
	TRY(records_names(r, MARK_NAME, &m, mark_version));
	if (trouble || m.bad)
		TRY(mark_draw(r, &m));
	*ret_mark = m.value;
	return HF_OK;
}
