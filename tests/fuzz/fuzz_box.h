/* fuzz_box.h: a whole vault in this process for the targets that talk to one. */
#ifndef HF_FUZZ_BOX_H
#define HF_FUZZ_BOX_H

#include "box.h"

/* fuzz_user is the user of a new partition, logged in, the same each time. */
struct who *fuzz_user(void);
/* must ends the program with a core: the target's own preparations failed. */
void must(enum hf_err e);

#endif
