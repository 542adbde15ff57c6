/* sp800_108.h: the list of data fields in the parameters of the SP 800-108 KDFs. */
#ifndef HF_SP800_108_H
#define HF_SP800_108_H

#include "mech.h"

/* sp800_108_keys returns how many keys the list names, and their handles. */
size_t sp800_108_keys(struct slice fields, uint64_t ret[OTHER_KEYS_MAX]);

#endif
