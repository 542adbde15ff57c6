#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "wire.h"

#define FIRST_PIECE 65536u /* bytes believed of a stranger's length at first */

void wire_head_put(const struct wire_head *h, uint8_t out[WIRE_HEAD])
{
	put_u32(out, h->length);
	put_u16(out + 4, h->opcode);
	put_u16(out + 6, h->flags);
	put_u64(out + 8, h->request);
	put_u64(out + 16, h->session);
}

enum hf_err wire_head_get(const uint8_t in[WIRE_HEAD], size_t max, struct wire_head *ret)
{
	struct wire_head h = {
		.length = get_u32(in),
		.opcode = get_u16(in + 4),
		.flags = get_u16(in + 6),
		.request = get_u64(in + 8),
		.session = get_u64(in + 16),
	};

	if (h.length > max)
		return HF_E_TOO_BIG;
	*ret = h;
	return HF_OK;
}

/* What a failed send or recv means. */
static enum hf_err broken(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK ? HF_E_TIMEOUT : HF_E_CONNECTION;
}

size_t request_size(const struct request *q)
{
	return q->fields.n + q->data.n + q->tail.n;
}

static uint8_t *put(uint8_t *p, struct slice s)
{
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return p + s.n;
}

void request_put_some(const struct request *q, uint8_t *p, size_t n)
{
	struct wire_head h = q->head;

	h.length = (uint32_t)request_size(q);
	wire_head_put(&h, p);
	p = put(p + WIRE_HEAD, q->fields);
	(void)put(p, (struct slice){ q->data.p, n });
	(void)put(p + q->data.n, q->tail);
}

void request_put(const struct request *q, uint8_t *p)
{
	request_put_some(q, p, q->data.n);
}

/* advance drops n sent bytes from the front of the pieces. */
static void advance(struct msghdr *m, size_t n)
{
	while (m->msg_iovlen > 0 && n >= m->msg_iov->iov_len) {
		n -= m->msg_iov->iov_len;
		m->msg_iov++;
		m->msg_iovlen--;
	}
	if (m->msg_iovlen > 0) {
		m->msg_iov->iov_base = (uint8_t *)m->msg_iov->iov_base + n;
		m->msg_iov->iov_len -= n;
	}
}

static struct iovec piece(struct slice s)
{
	return (struct iovec){ (void *)(uintptr_t)s.p, s.n };
}

static enum hf_err send_frame(int fd, const struct request *q)
{
	struct wire_head head = q->head;
	uint8_t h[WIRE_HEAD];
	struct iovec v[] = { { h, sizeof(h) }, piece(q->fields), piece(q->data), piece(q->tail) };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = sizeof(v) / sizeof(v[0]) };

	head.length = (uint32_t)request_size(q);
	wire_head_put(&head, h);
	while (m.msg_iovlen > 0) {
		ssize_t n = sendmsg(fd, &m, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return broken();
		if (n >= 0)
			advance(&m, (size_t)n);
	}
	return HF_OK;
}

enum hf_err wire_send_request(int fd, const struct request *q)
{
	if (request_size(q) > WIRE_MAX_BYTES)
		return HF_E_TOO_BIG;
	if (q->ahead != NULL)
		TRY(send_frame(fd, q->ahead));
	return send_frame(fd, q);
}

enum hf_err wire_send(int fd, struct wire_head *head, struct slice fields)
{
	head->length = (uint32_t)fields.n;
	return wire_send_request(fd, &(struct request){ .head = *head, .fields = fields });
}

enum hf_err transport_call(struct transport *t, struct wire_head *head, struct slice fields,
	struct buf *out, bool *ret_sent)
{
	const struct request q = { .head = *head, .fields = fields };
	struct answer a;

	TRY(t->ops->call(t, &q, out, &a, ret_sent));
	*head = a.head;
	if (a.fields.n > 0 && a.fields.p == out->p)
		return buf_err(out);
	buf_reset(out);
	buf_raw(out, a.fields);
	return buf_err(out);
}

static enum hf_err recv_all(int fd, uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t got = recv(fd, p, n, 0);

		if (got == 0)
			return HF_E_CONNECTION;
		if (got < 0 && errno != EINTR)
			return broken();
		if (got > 0) {
			p += got;
			n -= (size_t)got;
		}
	}
	return HF_OK;
}

/* recv_fields makes room only as bytes arrive: at first FIRST_PIECE, then as
 * much again as is there already. */
static enum hf_err recv_fields(int fd, size_t left, struct buf *out)
{
	while (left > 0) {
		size_t piece = out->n > FIRST_PIECE ? out->n : FIRST_PIECE;
		uint8_t *p;

		if (piece > left)
			piece = left;
		p = buf_add(out, piece);
		if (p == NULL)
			return buf_err(out);
		TRY(recv_all(fd, p, piece));
		left -= piece;
	}
	return HF_OK;
}

enum hf_err wire_recv(int fd, size_t max, struct wire_head *ret_head, struct buf *out)
{
	uint8_t h[WIRE_HEAD];
	struct wire_head head;

	buf_reset(out);
	TRY(recv_all(fd, h, sizeof(h)));
	if (wire_head_get(h, max, &head) != HF_OK)
		return HF_E_CONNECTION;
	TRY(recv_fields(fd, head.length, out));
	*ret_head = head;
	return HF_OK;
}
