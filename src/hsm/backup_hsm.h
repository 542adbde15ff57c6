/* backup_hsm.h: a backup of whole partitions, the HSM's administrator's, and its restore.
 *
 * It holds records, as they lay in the store at one moment: what the store key sealed in the clear
 * of the backup, private objects as they are, under the partition's key. That is under the PINs
 * and this HSM's role key, which comes along as "p/SERIAL/from": so the roles keep their PINs on
 * another HSM, and nobody without a PIN opens a private object there either. */
#ifndef HF_BACKUP_HSM_H
#define HF_BACKUP_HSM_H

#include "backup.h"
#include "partition.h"

/* What a frame of records has, one after another. */
enum backup_sealed { BACKUP_CLEAR = 1, BACKUP_BY_PARTITION = 2 };
struct backup_record {
	struct slice name;
	uint64_t version;
	uint8_t sealed;
	struct slice value;
};
bool backup_record_read(struct rd *r, struct backup_record *ret);

/* Which part of a partition a record is; from PART_COUNT on it is never in a backup. A stateful
 * key that came back without its count (onetime.h) never signs. */
enum backup_part {
	PART_OWN, PART_FROM, PART_ROLE, PART_GUARD, PART_PUBLIC, PART_PRIVATE, PART_USAGE, PART_COUNT,
	PART_OTHER
};
/* backup_part_of takes a record's name apart. */
enum backup_part backup_part_of(struct slice name, char ret_serial[SERIAL_LEN + 1]);

/* struct whole_part is one partition on the way. */
struct whole_part {
	char serial[SERIAL_LEN + 1], label[33];
	enum restore_outcome outcome;
	uint64_t objects;
	bool stateful;       /* making: such keys are in it, by policy */
	/* restoring */
	bool begun;          /* records of it are in the store */
	struct buf own;      /* its own record, which is written last */
	uint64_t own_version;
};

enum restore_mode { RESTORE_IN_EARNEST, RESTORE_DRY, RESTORE_REHEARSE };

/* struct whole is what a struct backup has besides, in an application. */
struct whole {
	void (*drop)(struct whole *w); /* gives up; frees it */
	struct hsm *h;
	uint64_t frozen;
	char after[RECORD_NAME];     /* cursor */
	bool indexing, over;
	bool approved;               /* a partition in it is in approved mode */
	struct whole_part *parts;    /* by serial while making */
	size_t n, cap;
	struct map counted;          /* making: the stateful keys to leave out, by handle */
	struct rehearsal *rehearsal; /* rehearse.h; NULL: none */
	bool rehearsing;             /* these partitions */
	bool rehearsed;              /* to the end */
	uint64_t opened, unopened;   /* records, restoring; private objects, under their partition's PINs */
	char only[SERIAL_LEN + 1];   /* restoring: the partition that is wanted; "": all */
};

/* whole_part finds one; NULL: it is not in there. whole_add appends one. */
struct whole_part *whole_part(struct whole *w, const char *serial);
enum hf_err whole_add(struct whole *w, const char *serial, struct whole_part **ret) HF_MUST_CHECK;
/* whole_tell lists them for the caller. */
enum hf_err whole_tell(struct calls_ctx *c, const struct whole *w, struct backed_list *ret)
	HF_MUST_CHECK;
void whole_free(struct whole *w);

/* restore_records takes a frame of records; restore_finish makes the partitions appear. */
enum hf_err restore_records(struct calls_ctx *c, struct backup *b, struct slice plain) HF_MUST_CHECK;
enum hf_err restore_finish(struct calls_ctx *c, struct backup *b) HF_MUST_CHECK;

#endif
