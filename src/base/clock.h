/* clock.h: time, in named units. */
#ifndef HF_CLOCK_H
#define HF_CLOCK_H

#include <stdint.h>

uint64_t clock_mono_ns(void); /* CLOCK_MONOTONIC, nanoseconds */
uint64_t clock_wall_us(void); /* UTC since 1970, microseconds */
/* clock_coarse_us: clock_wall_us as of the last tick, some milliseconds ago at most; a fifth of its price. */
uint64_t clock_coarse_us(void);
/* clock_iso writes "2026-01-31T23:59:59.123456Z" and a NUL (28 bytes). */
void clock_iso(uint64_t wall_us, char out[28]);
/* clock_digits writes YYYYMMDDhhmmss00, as PKCS#11 has the time. */
void clock_digits(uint64_t wall_us, uint8_t out[16]);

#endif
