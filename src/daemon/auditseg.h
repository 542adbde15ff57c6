/* auditseg.h: reads one segment file of the audit log, past damage.
 *
 * It is named after its first record's number, 20 digits and ".log"; ".log.gz" when it
 * was closed and compressed (RFC 1952). Where both are there, the first counts. */
#ifndef HF_AUDITSEG_H
#define HF_AUDITSEG_H

#include <stdbool.h>
#include <sys/types.h>

#include "bytes.h"

#define AUDITSEG_HEAD 12 /* length u32, number u64 */
#define AUDITSEG_TAIL 4  /* crc u32, over the record */
#define AUDITSEG_RECORD_MAX 65536u
#define AUDITSEG_NAME 40

void auditseg_name(uint64_t first, bool packed, char out[AUDITSEG_NAME]);

/* struct auditseg_list: the segments of a directory, in order. */
struct auditseg_list {
	struct auditseg_entry {
		uint64_t first;
		bool plain; /* there is one that is not compressed */
	} *v;
	size_t n;
};
/* auditseg_list replaces what *ret held. HF_E_STORE: the directory cannot be read, see errno. */
enum hf_err auditseg_list(int dir, struct auditseg_list *ret) HF_MUST_CHECK;
void auditseg_list_done(struct auditseg_list *l);

struct auditseg_record {
	uint64_t seq;
	struct slice bytes; /* until the next call */
	off_t at, end;      /* where it stands in the file, head and tail included */
	bool whole;         /* its checksum is right */
};

struct auditseg {
	int fd;            /* -1: it is read through packed */
	int own;           /* closed with it; -1: none */
	void *packed;      /* zlib's gzFile; NULL: none */
	off_t at, end;     /* the next record; where the file ends, as far as that is known */
	uint64_t expect;   /* the next record's number */
	bool quiet;        /* damage is not said in the log */
	uint8_t *window;   /* a piece of the file */
	off_t window_at;
	size_t window_n;
};

/* auditseg_open reads fd (borrowed) from `at`, where record number `expect` begins,
 * to `end`. */
enum hf_err auditseg_open(int fd, off_t at, off_t end, uint64_t expect, struct auditseg *ret)
	HF_MUST_CHECK;
/* auditseg_open_in opens the segment that begins with record `first` in dir, and reads
 * from `at`, where record `expect` begins in it. HF_E_STORE: it cannot be read, see errno. */
struct auditseg_place {
	uint64_t first, expect;
	off_t at;
};
enum hf_err auditseg_open_in(int dir, const struct auditseg_place *p, struct auditseg *ret)
	HF_MUST_CHECK;
void auditseg_done(struct auditseg *s);

/* auditseg_next finds the next record; false: there is none. A damaged record
 * whose neighbours show where it begins and ends is given as it is (not whole),
 * other damage is jumped over and said in the log. */
bool auditseg_next(struct auditseg *s, struct auditseg_record *ret);

#endif
