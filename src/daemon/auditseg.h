/* auditseg.h: reads one segment file of the audit log, past damage. */
#ifndef HF_AUDITSEG_H
#define HF_AUDITSEG_H

#include <stdbool.h>
#include <sys/types.h>

#include "bytes.h"

#define AUDITSEG_HEAD 12 /* length u32, number u64 */
#define AUDITSEG_TAIL 4  /* crc u32, over the record */
#define AUDITSEG_RECORD_MAX 65536u

struct auditseg_record {
	uint64_t seq;
	struct slice bytes; /* until the next call */
	off_t at, end;      /* where it stands in the file, head and tail included */
	bool whole;         /* its checksum is right */
};

struct auditseg {
	int fd;
	off_t at, end;     /* the next record; where the file ends */
	uint64_t expect;   /* the next record's number */
	uint8_t *window;   /* a piece of the file */
	off_t window_at;
	size_t window_n;
};

/* auditseg_open reads fd (borrowed) from `at`, where record number `expect` begins,
 * to `end`. */
enum hf_err auditseg_open(int fd, off_t at, off_t end, uint64_t expect, struct auditseg *ret)
	HF_MUST_CHECK;
void auditseg_done(struct auditseg *s);

/* auditseg_next finds the next record; false: there is none. A damaged record
 * whose neighbours show where it begins and ends is given as it is (not whole),
 * other damage is jumped over and said in the log. */
bool auditseg_next(struct auditseg *s, struct auditseg_record *ret);

#endif
