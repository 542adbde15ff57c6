/* integrity.h: the program checks that it is the one that was built. */
#ifndef HF_INTEGRITY_H
#define HF_INTEGRITY_H

enum integrity { INTEGRITY_GOOD, INTEGRITY_WRONG, INTEGRITY_UNSEALED };

/* integrity_check hashes the code and the constants as they are mapped now and
 * compares with what tools/seal-executable.py wrote at build time. */
enum integrity integrity_check(void);

#endif
