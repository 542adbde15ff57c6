#include "policies.h"

const struct policy_row policy_rows[POLICIES] = {
#define POLICY(number, id, name, kind, strict, open, least, most, who, destroys, help) \
	{ number, name, POLICY_KIND_##kind, strict, open, least, most, POLICY_BY_##who, \
	  POLICY_DESTROYS_##destroys, help },
#include "policies.def"
#undef POLICY
};

enum policy policy_numbered(uint32_t number)
{
	unsigned k = 0;

	while (k < POLICIES && policy_rows[k].number != number)
		k++;
	return (enum policy)k;
}

bool policy_possible(enum policy k, uint64_t value)
{
	return value >= policy_rows[k].least && value <= policy_rows[k].most;
}

bool policy_destroys_by(enum policy k, uint64_t now, uint64_t next)
{
	switch (policy_rows[k].destroys) {
	case POLICY_DESTROYS_NEVER:
		return false;
	case POLICY_DESTROYS_UP:
		return next > now;
	case POLICY_DESTROYS_DOWN:
		return next < now;
	}
	return true;
}

void policies_init(struct policies *p, bool strict)
{
	for (unsigned k = 0; k < POLICIES; k++)
		atomic_store(&p->v[k], strict ? policy_rows[k].strict : policy_rows[k].open);
}
