#include "map.h"
#include "wire.h"

struct loopback {
	struct transport t;
	loopback_serve serve;
	void *ctx;
	void (*closed)(void *ctx);
};

static enum hf_err ask(struct loopback *l, const struct request *q, struct buf *answer)
{
	CLEANUP(buf_done) struct buf frame = BUF_MAX(WIRE_HEAD + WIRE_MAX_BYTES);
	uint8_t *p = buf_add(&frame, WIRE_HEAD + request_size(q));

	if (p == NULL)
		return buf_err(&frame);
	request_put(q, p);
	l->serve(l->ctx, buf_slice(&frame), answer);
	return HF_OK;
}

/* An answer that is no whole frame is a connection that broke. */
static enum hf_err take_answer(struct slice answer, uint64_t request, struct buf *in,
	struct answer *ret)
{
	struct rd r = rd_of(answer);
	struct wire_head got;
	const uint8_t *h;

	if (!rd_take(&r, WIRE_HEAD, &h) || wire_head_get(h, r.n, &got) != HF_OK ||
	    got.length != r.n || got.request != request)
		return HF_E_CONNECTION;
	buf_raw(in, (struct slice){ r.p, r.n });
	TRY(buf_err(in));
	*ret = (struct answer){ got, buf_slice(in) };
	return HF_OK;
}

static enum hf_err loopback_call(struct transport *t, const struct request *q, struct buf *in,
	struct answer *ret, bool *ret_sent)
{
	CLEANUP(buf_done) struct buf answer = BUF_MAX(WIRE_HEAD + WIRE_MAX_BYTES);

	*ret_sent = false;
	buf_reset(in);
	TRY(ask(container_of(t, struct loopback, t), q, &answer));
	*ret_sent = true;
	TRY(buf_err(&answer));
	return take_answer(buf_slice(&answer), q->head.request, in, ret);
}

static void loopback_close(struct transport *t)
{
	struct loopback *l = container_of(t, struct loopback, t);

	if (l->closed != NULL)
		l->closed(l->ctx);
	hf_free(l);
}

static int loopback_peer(struct transport *t)
{
	(void)t;
	return 0;
}

static const struct transport_ops loopback_ops = {
	loopback_call, loopback_close, loopback_peer, .pairs = false
};

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
