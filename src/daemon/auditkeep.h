/* auditkeep.h: what becomes of audit segments that are closed: compressed, archived,
 * and one day deleted. Works on the directory alone, beside the log itself. */
#ifndef HF_AUDITKEEP_H
#define HF_AUDITKEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

/* struct auditkeep_rules: 0 means no limit. A segment is deleted when it is over any of
 * the limits, but not before it was archived, where there is an archive, and not
 * before its records were forwarded, where `cursor` in the directory `home` says up to where
 * that has come. */
struct auditkeep_rules {
	int archive;             /* directory; -1: none */
	int home;                /* directory of the cursor; -1: none */
	const char *cursor;
	uint64_t segments, days; /* the newest so many closed ones; so old */
	uint64_t bytes;          /* of all closed segments together */
};

/* auditkeep_pass does what is due in the log's directory. What fails is said in the
 * log, stays as it is, and is tried again by the next pass. */
void auditkeep_pass(int dir, const struct auditkeep_rules *rules);

/* auditkeep_start makes a thread that does so when it is told, and every hour. It lives
 * as long as the process. */
enum hf_err auditkeep_start(int dir, const struct auditkeep_rules *rules) HF_MUST_CHECK;
/* auditkeep_failing: the last segment that was due could not be compressed or archived. */
bool auditkeep_failing(void);
void auditkeep_wake(void); /* without auditkeep_start: nothing */

#endif
