/* auditlog.h: audit records in append-only segment files.
 *
 * A segment (auditseg.h) holds | length u32 | number u64 | record | crc u32 | again and again. */
#ifndef HF_AUDITLOG_H
#define HF_AUDITLOG_H

#include <stdbool.h>

#include "auditseg.h"
#include "bytes.h"
#include "lock.h"
#include "err.h"

#define AUDITLOG_RECORD_MAX AUDITSEG_RECORD_MAX

struct auditlog;

/* auditlog_open opens or makes the directory `name` (borrowed) in dirfd. An incomplete last
 * record (a torn write) is cut off and said in the log. A segment takes records
 * until it has segment_bytes. */
enum hf_err auditlog_open(int dirfd, const char *name, size_t segment_bytes, struct auditlog **ret)
	HF_MUST_CHECK;
void auditlog_close(struct auditlog *l); /* NULL-safe */
/* auditlog_age: a segment takes records for so long at most; 0: for ever. */
void auditlog_age(struct auditlog *l, uint64_t seconds);
int auditlog_dir(const struct auditlog *l); /* borrowed */

/* auditlog_append adds n records, numbered first, first + 1, ..., all or none.
 * HF_E_CONFLICT: first does not follow the last one. HF_E_STORE: disk full, say.
 * Durable after auditlog_sync; when that fails, the next one tries again. */
enum hf_err auditlog_append(struct auditlog *l, uint64_t first, const struct slice *records,
	size_t n) HF_MUST_CHECK;
/* auditlog_skip leaves numbers out: the next record is `next`, in a segment of its own.
 * HF_OK too where it is that already. HF_E_CONFLICT: it is used. */
enum hf_err auditlog_skip(struct auditlog *l, uint64_t next) HF_MUST_CHECK;
/* auditlog_mend looks whether directory and open segment still stand under their
 * names; where not, it is written anew of what the open file holds. HF_E_STORE: it cannot be. */
enum hf_err auditlog_mend(struct auditlog *l, bool *ret_mended) HF_MUST_CHECK;
enum hf_err auditlog_sync(struct auditlog *l) HF_MUST_CHECK;
/* auditlog_flush is that for a second thread, while the first appends: it takes auditlog_lock for the
 * moments that it needs it. The first holds it in all other calls from then on. */
enum hf_err auditlog_flush(struct auditlog *l) HF_MUST_CHECK;
struct mutex *auditlog_lock(struct auditlog *l);
uint64_t auditlog_last(const struct auditlog *l); /* 0: empty */

/* auditlog_read visits records from number `from` on; false stops. A damaged
 * record is visited as it is, or left out if its bounds are lost. */
typedef bool (*auditlog_visit)(void *ctx, uint64_t seq, struct slice record);
enum hf_err auditlog_read(struct auditlog *l, uint64_t from, auditlog_visit visit, void *ctx)
	HF_MUST_CHECK;

#endif
