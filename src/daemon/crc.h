/* crc.h: CRC-32 (ISO 3309) to tell a torn write; no protection against people. */
#ifndef HF_CRC_H
#define HF_CRC_H

#include "bytes.h"

static inline uint32_t crc32_of(struct slice s)
{
	/* The remainders of 0 to 15, four bits at a time. */
	static const uint32_t step[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t c = ~0u;

	for (size_t i = 0; i < s.n; i++) {
		c ^= s.p[i];
		c = c >> 4 ^ step[c & 15];
		c = c >> 4 ^ step[c & 15];
	}
	return ~c;
}

#endif
