/* policies.h: the rows of spec/policies.def, and the values of one partition. */
#ifndef HF_POLICIES_H
#define HF_POLICIES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum policy {
#define POLICY(number, id, name, kind, strict, open, least, most, who, destroys, help) POLICY_##id,
#include "policies.def"
#undef POLICY
	POLICIES
};

enum policy_kind {
	POLICY_KIND_FLAG, POLICY_KIND_NUMBER, POLICY_KIND_CURVES, POLICY_KIND_USE, POLICY_KIND_CLOSED
};
enum policy_use_level { USE_NONE, USE_EVERY, USE_COUNTED, USE_FIRST };
enum policy_closed { CLOSED_ADMIN, CLOSED_CHANGES, CLOSED_ALL };
enum policy_who { POLICY_BY_OFFICER, POLICY_BY_BOTH };
enum policy_destroys { POLICY_DESTROYS_NEVER, POLICY_DESTROYS_UP, POLICY_DESTROYS_DOWN };

struct policy_row {
	uint32_t number;
	const char *name;
	enum policy_kind kind;
	uint64_t strict, open, least, most;
	enum policy_who who;
	enum policy_destroys destroys;
	const char *help;
};
extern const struct policy_row policy_rows[POLICIES];

/* policy_numbered: POLICIES if there is none of that number. */
enum policy policy_numbered(uint32_t number);
bool policy_possible(enum policy k, uint64_t value);
/* policy_destroys_by: does the change from now to next destroy the objects? */
bool policy_destroys_by(enum policy k, uint64_t now, uint64_t next);

/* struct policies: read without a lock, so that each use of a key may. */
struct policies {
	_Atomic uint64_t v[POLICIES];
};
void policies_init(struct policies *p, bool strict);

#endif
