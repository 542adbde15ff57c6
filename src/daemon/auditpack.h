/* auditpack.h: copies a closed segment of the audit log, compressed or as it is.
 *
 * Nobody waits for the compressed one. So it is not made while the log grows fast, and otherwise by
 * small pieces with rests between them. But the log must not grow without end where an HSM is always
 * busy: when many segments wait, or the disk has little room, it is made all the same. */
#ifndef HF_AUDITPACK_H
#define HF_AUDITPACK_H

#include <stdbool.h>
#include <stddef.h>

/* auditpack_gently: from now on, or no more. At first everything is done at once. */
void auditpack_gently(bool yes);

/* auditpack_waiting: so many closed segments wait to be compressed; auditpack_more: so many more. */
void auditpack_waiting(long n);
void auditpack_more(long n);
/* auditpack_grew: so many bytes were written to the open one. */
void auditpack_grew(size_t n);

/* Both read `from` up to its end and write to `to`. False: an error, see errno. For one thread at a time. */
bool auditpack(int from, int to);
bool auditpack_copy(int from, int to);

#endif
