#include "fault.h"

#include "fault_now.h"

_Atomic long fault_left;
static _Atomic bool fired;

void secret_fail_after(long n)
{
	atomic_store(&fired, false);
	atomic_store(&fault_left, n > 0 ? n : 0);
}

bool secret_fail_fired(void)
{
	return atomic_load(&fired);
}

bool fault_count(void)
{
	if (atomic_fetch_sub(&fault_left, 1) != 1)
		return false;
	atomic_store(&fired, true);
	return true;
}
