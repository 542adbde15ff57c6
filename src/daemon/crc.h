/* crc.h: CRC-32 (ISO 3309) to tell a torn write; no protection against people. */
#ifndef HF_CRC_H
#define HF_CRC_H

#include "bytes.h"

static inline uint32_t crc32_of(struct slice s)
{
	uint32_t c = ~0u;

	for (size_t i = 0; i < s.n; i++) {
		c ^= s.p[i];
		for (int k = 0; k < 8; k++)
			c = c >> 1 ^ (0xedb88320u & (0u - (c & 1)));
	}
	return ~c;
}

#endif
