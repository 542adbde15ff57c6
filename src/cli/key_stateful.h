/* key_stateful.h: the key types of --type whose signatures use up one-time keys. */
#ifndef HF_CLI_KEY_STATEFUL_H
#define HF_CLI_KEY_STATEFUL_H

#include <stdbool.h>
#include <stdint.h>

#define STATEFUL_LEVELS 8

/* struct stateful: XMSS and XMSS^MT have a set, HSS types for each level. */
struct stateful {
	uint32_t mechanism;
	uint64_t set;
	unsigned levels;
	uint64_t lms[STATEFUL_LEVELS], ots[STATEFUL_LEVELS];
};

/* stateful_named reads "hss:[HASH:]HhWw[/HhWw...]", "xmss:SET" or "xmssmt:SET", the sets as
 * RFC 8391 and SP 800-208 name them (SHA2_10_256, SHA2_20/2_256). False: it is none. */
bool stateful_named(const char *s, struct stateful *ret);
/* stateful_example: names to show, one after the other; NULL: past the last. */
const char *stateful_example(unsigned i);

#endif
