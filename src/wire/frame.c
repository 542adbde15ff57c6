#include <errno.h>
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

/* advance drops n sent bytes from the front of the two pieces. */
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

enum hf_err wire_send(int fd, struct wire_head *head, struct slice fields)
{
	uint8_t h[WIRE_HEAD];
	struct iovec v[2] = { { h, sizeof(h) }, { (void *)(uintptr_t)fields.p, fields.n } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };

	if (fields.n > WIRE_MAX_BYTES)
		return HF_E_TOO_BIG;
	head->length = (uint32_t)fields.n;
	wire_head_put(head, h);
	while (m.msg_iovlen > 0) {
		ssize_t n = sendmsg(fd, &m, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return broken();
		if (n >= 0)
			advance(&m, (size_t)n);
	}
	return HF_OK;
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
