/* fuzz.h: a target takes bytes from a stranger; it may refuse them, never crash. */
#ifndef HF_FUZZ_H
#define HF_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* The form of libFuzzer and AFL++; with -fsanitize=fuzzer their main is used. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* fuzz_seed gives the i-th seed that the target makes itself into p (at most max
 * bytes) and returns its length; 0: no more. */
size_t fuzz_seed(size_t i, uint8_t *p, size_t max);

#endif
