/* fault_now.h: the allocators' side of fault.h; private to src/base. */
#ifndef HF_FAULT_NOW_H
#define HF_FAULT_NOW_H

#include <stdatomic.h>
#include <stdbool.h>

extern _Atomic long fault_left; /* 0 or less: off */
bool fault_count(void);

/* fault_now: this allocation has to fail. */
static inline bool fault_now(void)
{
	if (__builtin_expect(atomic_load_explicit(&fault_left, memory_order_relaxed) <= 0, 1))
		return false;
	return fault_count();
}

#endif
