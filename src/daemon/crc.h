/* crc.h: CRC-32 (ISO 3309) to tell a torn write; no protection against people. */
#ifndef HF_CRC_H
#define HF_CRC_H

#include <libdeflate.h>

#include "bytes.h"

static inline uint32_t crc32_of(struct slice s)
{
	return libdeflate_crc32(0, s.p, s.n);
}

#endif
