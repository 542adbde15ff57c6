/* fault.h: make allocations fail on purpose (tests only). */
#ifndef HF_FAULT_H
#define HF_FAULT_H

#include <stdbool.h>

/* secret_fail_after lets the n-th allocation from now (secret_malloc, hf_alloc
 * and what stands on them, in any thread) fail once; n counts from 1, -1 turns
 * it off. A test tries n = 1, 2, 3, ... until secret_fail_fired says no. */
void secret_fail_after(long n);

/* secret_fail_fired: the failure asked for last has happened. */
bool secret_fail_fired(void);

#endif
