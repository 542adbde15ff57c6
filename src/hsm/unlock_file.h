/* unlock_file.h: unlock.key, 32 random bytes beside the data. */
#ifndef HF_UNLOCK_FILE_H
#define HF_UNLOCK_FILE_H

#include <stdbool.h>

#include "err.h"
#include "secret.h"

/* fd may be -1 in each: there is no such file. They log what fails. */
bool unlock_file_empty(int fd); /* false where there is none */
enum hf_err unlock_file_read(int fd, struct secret *ret) HF_MUST_CHECK;
/* unlock_file_write puts a new key into it, durably. */
enum hf_err unlock_file_write(int fd) HF_MUST_CHECK;
/* unlock_file_wipe: a file that was unlock key once must not open an old copy of the store. False: it may
 * still be there. */
bool unlock_file_wipe(int fd);

#endif
