/* partition_int.h: inside of partition.c, partition_load.c, partition_make.c. */
#ifndef HF_PARTITION_INT_H
#define HF_PARTITION_INT_H

#include "partition.h"

/* partition_alloc makes an empty one, not ready, in no slot. */
enum hf_err partition_alloc(const char *serial, struct partition **ret) HF_MUST_CHECK;
/* partition_enc writes the record, with this key. */
void partition_enc(const struct partition *p, const struct rekey *k, struct buf *out);
#define PART_RECORD_MAX 8192u

/* partition_change fills a change of the partition's own record, with this key; name and b must
 * live as long as it. */
enum hf_err partition_change(const struct partition *p, const struct rekey *k, char name[PART_NAME_LEN],
	struct buf *b, struct record_change *ret) HF_MUST_CHECK;
/* partition_write stores that record; the caller holds roles.pin. */
enum hf_err partition_write(struct hsm *h, struct partition *p, const struct rekey *k) HF_MUST_CHECK;
/* partition_busy keeps new sessions out until partition_idle. */
enum hf_err partition_busy(struct partition *p) HF_MUST_CHECK;
void partition_idle(struct partition *p);
/* partition_wipe_objects destroys all objects; no session may be open. */
enum hf_err partition_wipe_objects(struct hsm *h, struct partition *p) HF_MUST_CHECK;
/* partition_begin_wipe marks the partition: from then on its objects are to be destroyed; roles.pin. */
enum hf_err partition_begin_wipe(struct hsm *h, struct partition *p) HF_MUST_CHECK;
/* partition_finish_wipe: those of a partition that is marked so; roles.pin. */
enum hf_err partition_finish_wipe(struct hsm *h, struct partition *p) HF_MUST_CHECK;
/* partition_after_lost_anchor leaves each role one attempt if the counters may be old. */
enum hf_err partition_after_lost_anchor(struct hsm *h, struct partition *p) HF_MUST_CHECK;
/* partition_label_taken: by another one than but (or NULL). */
bool partition_label_taken(struct hsm *h, const char *label, const struct partition *but);
/* partition_tell_damage puts on record that n of its private records are damaged. */
enum hf_err partition_tell_damage(struct hsm *h, const struct partition *p, size_t n) HF_MUST_CHECK;


#endif
