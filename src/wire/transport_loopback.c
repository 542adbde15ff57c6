#include "map.h"
#include "wire.h"

struct loopback {
	struct transport t;
	loopback_serve serve;
	void *ctx;
	void (*closed)(void *ctx);
};

static enum hf_err ask(struct loopback *l, struct wire_head *head, struct slice fields,
	struct buf *answer)
{
	CLEANUP(buf_done) struct buf q = BUF_MAX(WIRE_HEAD + WIRE_MAX_BYTES);
	uint8_t *h = buf_add(&q, WIRE_HEAD);

	head->length = (uint32_t)fields.n;
	if (h != NULL)
		wire_head_put(head, h);
	buf_raw(&q, fields);
	TRY(buf_err(&q));
	l->serve(l->ctx, buf_slice(&q), answer);
	return HF_OK;
}

/* An answer that is no whole frame is a connection that broke. */
static enum hf_err take_answer(struct slice answer, struct wire_head *head, struct buf *out)
{
	struct rd r = rd_of(answer);
	struct wire_head got;
	const uint8_t *h;

	if (!rd_take(&r, WIRE_HEAD, &h) || wire_head_get(h, r.n, &got) != HF_OK ||
	    got.length != r.n || got.request != head->request)
		return HF_E_CONNECTION;
	buf_raw(out, (struct slice){ r.p, r.n });
	TRY(buf_err(out));
	*head = got;
	return HF_OK;
}

static enum hf_err loopback_call(struct transport *t, struct wire_head *head,
	struct slice fields, struct buf *out, bool *ret_sent)
{
	CLEANUP(buf_done) struct buf answer = BUF_MAX(WIRE_HEAD + WIRE_MAX_BYTES);

	*ret_sent = false;
	buf_reset(out);
	TRY(ask(container_of(t, struct loopback, t), head, fields, &answer));
	*ret_sent = true;
	TRY(buf_err(&answer));
	return take_answer(buf_slice(&answer), head, out);
}

static void loopback_close(struct transport *t)
{
	struct loopback *l = container_of(t, struct loopback, t);

	if (l->closed != NULL)
		l->closed(l->ctx);
	hf_free(l);
}

static const struct transport_ops loopback_ops = { loopback_call, NULL, loopback_close };

enum hf_err transport_loopback(loopback_serve serve, void *ctx, void (*closed)(void *ctx),
	struct transport **ret)
{
	struct loopback *l = hf_alloc(1, sizeof(*l));

	if (l == NULL)
		return HF_E_MEMORY;
	*l = (struct loopback){ { &loopback_ops }, serve, ctx, closed };
	*ret = &l->t;
	return HF_OK;
}
