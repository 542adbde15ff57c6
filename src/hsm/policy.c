/* policy.c: the defaults; a partition cannot change them yet. */
#include "policy.h"

bool policy_dates(const struct partition *p)
{
	(void)p;
	return false;
}

bool policy_legacy(const struct partition *p)
{
	(void)p;
	return true;
}

bool policy_approved_only(const struct partition *p)
{
	(void)p;
	return false;
}
