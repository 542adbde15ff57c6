/* watch.h: what the module does by itself, from time to time. */
#ifndef HF_WATCH_H
#define HF_WATCH_H

#include "module.h"

/* watch_clock records a jump of the wall clock (hsm_tick calls it). */
void watch_clock(struct hsm *h, int64_t offset_us);

#endif
