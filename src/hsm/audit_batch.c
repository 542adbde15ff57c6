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

bool audit_batch_has_room(const struct batch *b)
{
	return b->n < BATCH_RECORDS && b->bytes.n + RECORD_ROOM <= BATCH_BYTES;
}
