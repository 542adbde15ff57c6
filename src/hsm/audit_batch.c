/* audit_batch.c: records on their way to the keeper. */
#include "audit_int.h"

#define BATCH_BYTES (4u << 20)
#define RECORD_ROOM 8192u /* more than any record takes */

struct batch *audit_batch_new(void)
{
	struct batch *b = hf_alloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->bytes = BUF_MAX(BATCH_BYTES);
	cond_init(&b->kept);
	return b;
}

void audit_batch_free(struct batch *b)
{
	if (b == NULL)
		return;
	buf_done(&b->bytes);
	cond_done(&b->kept);
	hf_free(b);
}

void audit_batch_empty(struct batch *b)
{
	buf_reset(&b->bytes);
	b->n = 0;
	b->sync = b->jump = b->last = false;
}

bool audit_batch_has_room(const struct batch *b, size_t most)
{
	return b->n < most && b->bytes.n + RECORD_ROOM <= BATCH_BYTES;
}

void audit_batch_lay_out(struct batch *b)
{
	size_t at = 0;

	for (size_t i = 0; i < b->n; at += b->v[i].record.n, i++)
		b->v[i].record.p = b->bytes.p + at;
}

/* An append that ended in an error may have been kept, whole or in part. */
static size_t already_kept(const struct batch *b, struct keeper *k)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	struct audit_tail_res r;

	if (keeper_audit_tail(k, &arena, &r) != HF_OK || r.seq < b->first)
		return 0;
	return r.seq - b->first + 1 < b->n ? (size_t)(r.seq - b->first + 1) : b->n;
}

enum hf_err audit_batch_send(const struct batch *b, struct keeper *k, bool again, bool *ret_mended)
{
	size_t done = again ? already_kept(b, k) : 0, n;

	do {
		n = b->n - done < APPEND_RECORDS ? b->n - done : APPEND_RECORDS;
		struct audit_append_req q = {
			.first = b->first + done,
			.records = { b->v + done, n },
			.sync = (b->sync || again) && done + n == b->n,
			.jump = b->jump && done == 0,
			.last = b->last,
		};
		bool mended;

		TRY(keeper_audit_append(k, &q, &mended));
		*ret_mended |= mended;
		done += n;
	} while (done < b->n);
	return HF_OK;
}
