/* xmss.h: the parameter sets of XMSS and XMSS^MT (RFC 8391 §5.3, §5.4; SP 800-208 §5). */
#ifndef HF_XMSS_H
#define HF_XMSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xmss_set {
	uint32_t ckk, oid;
	const char *hash;
	uint8_t n, pad;           /* bytes of a node, and of the number before a hash's input */
	uint8_t height, layers;   /* height: of all layers together */
	bool approved;            /* SP 800-208 has it */
};

/* NULL: none of that type and number. */
const struct xmss_set *xmss_set_of(uint32_t ckk, uint64_t oid);

#endif
