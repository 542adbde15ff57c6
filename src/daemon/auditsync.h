/* auditsync.h: a thread of the keeper's that makes audit records durable and answers who waits for that,
 * while the keeper goes on with the store: neither waits for the other's disk. */
#ifndef HF_AUDITSYNC_H
#define HF_AUDITSYNC_H

#include "anchorsync.h"
#include "auditlog.h"
#include "wire.h"

struct auditsync;

/* struct auditsync_to: the log, the anchor that goes before an answer (or NULL), where answers go, and what
 * is held while one is sent. All stay the caller's. */
struct auditsync_to {
	struct auditlog *log;
	struct anchorsync *anchor;
	int fd;
	struct mutex *send;
};
enum hf_err auditsync_start(const struct auditsync_to *to, struct auditsync **ret) HF_MUST_CHECK;
/* auditsync_put hands over a request's answer, which is given when the log, as it is now, is durable;
 * answer's bytes are copied. HF_E_MEMORY: it was not taken. Those put before auditsync_go share one wait. */
enum hf_err auditsync_put(struct auditsync *s, const struct wire_head *head, struct slice answer)
	HF_MUST_CHECK;
void auditsync_go(struct auditsync *s);
/* auditsync_here has the caller wait for the disk and answer: quicker where he has nothing else to do. */
void auditsync_here(struct auditsync *s);
/* auditsync_stop ends when all are answered, or cannot be any more. NULL-safe. */
void auditsync_stop(struct auditsync *s);

#endif
