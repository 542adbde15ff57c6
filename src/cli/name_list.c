/* name_list.c: lists of people, as options have them. */
#include "cli.h"

#include <string.h>

#define NAME_MAX_BYTES 32u /* of a custodian (src/hsm/quorum_record.h), and of a named user */

static bool is_among(const char *list, const char *until, const char *name, size_t n)
{
	for (const char *s = list; s < until; s += strcspn(s, ",") + 1)
		if (strcspn(s, ",") == n && memcmp(s, name, n) == 0)
			return true;
	return false;
}

bool cli_names(const char *option, const char *list, size_t *ret_n)
{
	const char *s = list;

	for (*ret_n = 0;; s++) {
		size_t n = strcspn(s, ",");

		if (n == 0 || n > NAME_MAX_BYTES) {
			cli_usage("%s wants names of 1 to %u bytes with commas between, not '%.*s'", option,
				NAME_MAX_BYTES, (int)n, s);
			return false;
		}
		if (is_among(list, s, s, n)) {
			cli_usage("%s has '%.*s' twice", option, (int)n, s);
			return false;
		}
		++*ret_n;
		s += n;
		if (*s == '\0')
			return true;
	}
}
