/* tls_stream.h: a TLS client over a connected socket. Blocking; the socket's own
 * time limits hold. Not part of the vault. */
#ifndef HF_TLS_STREAM_H
#define HF_TLS_STREAM_H

#include "bytes.h"
#include "err.h"

struct tls_stream;

/* struct tls_files: PEM files. ca NULL: the system's. cert NULL: none is shown;
 * it holds the certificate, what is above it, and its private key. */
struct tls_files {
	const char *ca, *cert;
};

/* tls_stream_open shakes hands; the other side's certificate has to be for `host`.
 * HF_E_CONNECTION: *ret_why says what went wrong. fd is borrowed. */
enum hf_err tls_stream_open(int fd, const char *host, const struct tls_files *f,
	struct tls_stream **ret, const char **ret_why) HF_MUST_CHECK;
enum hf_err tls_stream_write(struct tls_stream *s, struct slice bytes) HF_MUST_CHECK;
/* tls_stream_read gives what there is, at least a byte; *ret_n 0: closed in order. */
enum hf_err tls_stream_read(struct tls_stream *s, uint8_t *p, size_t max, size_t *ret_n)
	HF_MUST_CHECK;
/* tls_stream_end says that nothing more comes. */
enum hf_err tls_stream_end(struct tls_stream *s) HF_MUST_CHECK;
void tls_stream_close(struct tls_stream *s); /* NULL-safe */

#endif
