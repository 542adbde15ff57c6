#include "passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define LINE_MAX_BYTES 1024u /* of unlock's field in spec/calls */

enum hf_err passphrase_read(int fd, struct secret *ret)
{
	CLEANUP(secret_done) struct secret line = { 0 };
	const uint8_t *end;
	ssize_t n;

	if (fcntl(fd, F_GETFD) < 0)
		return HF_OK;
	TRY(secret_alloc(&line, LINE_MAX_BYTES + 1));
	n = pread(fd, line.p, line.n, 0);
	if (n < 0)
		log_error("passphrase-file cannot be read: %m");
	close(fd);
	if (n < 0)
		return HF_E_ARGUMENTS;
	end = n > 0 ? memchr(line.p, '\n', (size_t)n) : NULL;
	if (end != NULL)
		n = end - line.p;
	if (n == 0 || (size_t)n > LINE_MAX_BYTES) {
		log_error("passphrase-file: its first line must have 1 to %u bytes", LINE_MAX_BYTES);
		return HF_E_ARGUMENTS;
	}
	secret_cut(&line, (size_t)n);
	*ret = secret_take(&line);
	return HF_OK;
}

/* ask makes one call on c; its answer's error, or HF_E_CONNECTION. */
static enum hf_err ask(struct hsm_conn *c, enum calls_op op, const struct buf *fields)
{
	struct wire_head head = { .length = (uint32_t)fields->n, .opcode = (uint16_t)op, .request = op };
	CLEANUP(buf_done) struct buf out = BUF_MAX(WIRE_MAX_BYTES);
	struct wire_head answer;

	TRY(buf_err(fields));
	if (!hsm_serve(c, &head, buf_slice(fields), &out) || buf_err(&out) != HF_OK ||
	    out.n < WIRE_HEAD)
		return HF_E_CONNECTION;
	TRY(wire_head_get(out.p, WIRE_MAX_BYTES, &answer));
	return err_from_wire(answer.flags);
}

static enum hf_err unlock_on(struct hsm_conn *c, struct slice passphrase)
{
	static const uint8_t app[32] = "holdfastd passphrase-file";
	CLEANUP(buf_done) struct buf hello = BUF_MAX(512), unlock = BUF_MAX(LINE_MAX_BYTES + 64);
	const struct hello_req hi = { .version = WIRE_VERSION, .app = SLICE_OF(app),
		.program = SLICE_STR("holdfastd (passphrase-file)") };
	const struct unlock_req q = { .passphrase = passphrase };

	hello_req_enc(&hello, &hi);
	TRY(ask(c, CALLS_HELLO, &hello));
	unlock_req_enc(&unlock, &q);
	return ask(c, CALLS_UNLOCK, &unlock);
}

enum hf_err passphrase_unlock(struct hsm *h, struct slice passphrase)
{
	const struct peer self = { .uid = geteuid(), .gid = getegid(), .pid = (uint64_t)getpid() };
	struct hsm_conn *c;
	enum hf_err e;

	TRY(hsm_conn_open(h, &self, &c));
	e = unlock_on(c, passphrase);
	hsm_conn_close(c);
	return e;
}
