/* medium.h: the store of a removable token (runtime.h), for an instance beside it. */
#ifndef HF_MEDIUM_H
#define HF_MEDIUM_H

#include <stdbool.h>

/* medium_copy copies the sealed store, anchor and audit log from the directory `from` into the
 * directory `to`, unless they are there already. It has logged why not. */
bool medium_copy(const char *from, int to);

#endif
