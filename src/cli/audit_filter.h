/* audit_filter.h: which records somebody wants to see. */
#ifndef HF_AUDIT_FILTER_H
#define HF_AUDIT_FILTER_H

#include "audit_codec.h"
#include "cli.h"

/* struct audit_filter: NULL and 0 match everything. */
struct audit_filter {
	uint64_t since_us, until_us;
	const char *partition, *call, *object, *role, *result, *mechanism;
	uint64_t uid;
	bool has_uid;
};

/* audit_filter_of reads the options. False after it has said what is wrong. */
bool audit_filter_of(struct cli *c, struct audit_filter *ret);
bool audit_filter_matches(const struct audit_filter *f, const struct audit_record *r);

#endif
