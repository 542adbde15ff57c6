/* audit_target.h: where audit records are sent.
 *
 * file:PATH, tcp://HOST:PORT, tls://HOST:PORT, udp://HOST:PORT, journald:, and
 * http://HOST:PORT/PATH, https://... in the form of Splunk's collector. */
#ifndef HF_AUDIT_TARGET_H
#define HF_AUDIT_TARGET_H

#include <stdbool.h>
#include <stdio.h>

#include "audit_format.h"
#include "tls_stream.h"

enum target_kind { TARGET_FILE, TARGET_UDP, TARGET_TCP, TARGET_TLS, TARGET_HTTP, TARGET_HTTPS,
	TARGET_JOURNALD };

struct audit_target {
	enum target_kind kind;
	enum audit_format format;
	char host[256], port[16];
	const char *path, *token;
	struct tls_files tls;
	char why[256]; /* what went wrong last */
};

/* audit_target_of takes an address apart; false: it is none. */
bool audit_target_of(const char *url, struct audit_target *ret);
/* audit_target_print writes a record as the target frames it. */
void audit_target_print(const struct audit_target *t, const struct audit_record *r, FILE *out);
/* audit_target_send delivers the bytes of a whole batch; n_of: where each record's
 * bytes end. HF_OK: the receiver has read all of it, as far as its protocol can
 * tell: over TCP and TLS it has closed the connection behind the last byte. */
enum hf_err audit_target_send(struct audit_target *t, struct slice bytes, const size_t *ends,
	size_t n) HF_MUST_CHECK;

#endif
