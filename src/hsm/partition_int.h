/* partition_int.h: inside of partition.c, partition_load.c, partition_make.c. */
#ifndef HF_PARTITION_INT_H
#define HF_PARTITION_INT_H

#include "partition.h"

/* partition_alloc makes an empty one, not ready, in no slot. */
enum hf_err partition_alloc(const char *serial, struct partition **ret) HF_MUST_CHECK;
void partition_enc(const struct partition *p, struct buf *out);

#endif
