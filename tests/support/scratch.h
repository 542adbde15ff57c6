/* scratch.h: a directory for one test, and disks that are full or read-only. */
#ifndef HF_SCRATCH_H
#define HF_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"

struct scratch {
	char path[128];
	int fd; /* the directory */
	bool mounted;
};

/* They abort the test on failure. */
void scratch_new(struct scratch *s);
void scratch_free(struct scratch *s); /* and all that is in it */

/* scratch_disk makes the directory a file system of its own with so many bytes, in
 * a mount namespace of this process; s->fd is then in it. False: not allowed here. */
bool scratch_disk(struct scratch *s, size_t bytes);
/* scratch_read_only lets nobody write there; false: not possible here. */
bool scratch_read_only(struct scratch *s);

/* scratch_read reads a whole file (free(3) it); scratch_write replaces one. */
uint8_t *scratch_read(const struct scratch *s, const char *name, size_t *ret_n);
void scratch_write(const struct scratch *s, const char *name, struct slice bytes);
/* scratch_size: bytes of the file, or -1. */
long scratch_size(const struct scratch *s, const char *name);

#endif
