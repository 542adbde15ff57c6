#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "tpm_int.h"

#define ANSWER_MS 60000 /* a TPM that makes a key may take long */
#define HEAD 10u

static struct tpm_channel *channel_of(TSS2_TCTI_CONTEXT *c)
{
	return (struct tpm_channel *)c;
}

static TSS2_RC transmit(TSS2_TCTI_CONTEXT *ctx, size_t size, const uint8_t *command)
{
	int fd = channel_of(ctx)->fd;
	ssize_t n = fd < 0 ? -1 : send(fd, command, size, MSG_NOSIGNAL);

	if (n < 0 && fd >= 0 && errno == ENOTSOCK)
		n = write(fd, command, size);
	if (n == (ssize_t)size)
		return TSS2_RC_SUCCESS;
	log_error("the TPM takes no command: %m");
	return TSS2_TCTI_RC_IO_ERROR;
}

/* A device gives its answer at once, a socket perhaps in pieces. */
static TSS2_RC read_answer(struct tpm_channel *c)
{
	struct pollfd p = { c->fd, POLLIN, 0 };
	size_t want = HEAD;

	while (c->have < want) {
		ssize_t n = poll(&p, 1, ANSWER_MS) == 1 ?
			read(c->fd, c->answer + c->have, sizeof(c->answer) - c->have) : -1;

		if (n <= 0) {
			log_error("the TPM does not answer");
			return TSS2_TCTI_RC_IO_ERROR;
		}
		c->have += (size_t)n;
		if (c->have >= HEAD)
			want = get_u32(c->answer + 2);
		if (want < HEAD || want > sizeof(c->answer) || c->have > want)
			return TSS2_TCTI_RC_MALFORMED_RESPONSE;
	}
	return TSS2_RC_SUCCESS;
}

/* tss2 asks for the size first (out is NULL then), and for the bytes after. */
static TSS2_RC receive(TSS2_TCTI_CONTEXT *ctx, size_t *size, uint8_t *out, int32_t timeout)
{
	struct tpm_channel *c = channel_of(ctx);
	TSS2_RC rc = TSS2_RC_SUCCESS;

	(void)timeout;
	if (c->have == 0)
		rc = read_answer(c);
	if (rc == TSS2_RC_SUCCESS && out != NULL && *size < c->have)
		rc = TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
	if (rc == TSS2_RC_SUCCESS)
		*size = c->have;
	if (rc == TSS2_RC_SUCCESS && out == NULL)
		return rc;
	if (rc == TSS2_RC_SUCCESS)
		memcpy(out, c->answer, c->have);
	secret_wipe(c->answer, c->have);
	c->have = 0;
	return rc;
}

static void finalize(TSS2_TCTI_CONTEXT *ctx)
{
	(void)ctx;
}

static TSS2_RC cancel(TSS2_TCTI_CONTEXT *ctx)
{
	(void)ctx;
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC poll_handles(TSS2_TCTI_CONTEXT *ctx, TSS2_TCTI_POLL_HANDLE *handles, size_t *n)
{
	(void)ctx;
	(void)handles;
	(void)n;
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC set_locality(TSS2_TCTI_CONTEXT *ctx, uint8_t locality)
{
	(void)ctx;
	(void)locality;
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

void tpm_channel_init(struct tpm_channel *c, int fd)
{
	*c = (struct tpm_channel){
		.common = {
			.magic = 0x686f6c6466617374, /* any number of one's own */
			.version = 1,
			.transmit = transmit,
			.receive = receive,
			.finalize = finalize,
			.cancel = cancel,
			.getPollHandles = poll_handles,
			.setLocality = set_locality,
		},
		.fd = fd,
	};
}
